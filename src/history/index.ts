export { millisecondsOf } from "./entry.ts";
export { type FlowHistory, type HistoryBlock, type HistoryCursor, openFlowHistory } from "./history.ts";
export type { HistoryLimits } from "./segments.ts";
