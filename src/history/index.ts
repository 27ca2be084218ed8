export { millisecondsOf } from "./entry.ts";
export { type FlowHistory, type HistoryBlock, type HistoryCursor, openFlowHistory } from "./history.ts";
export { entriesOfFile, isHistoryFile } from "./history-file.ts";
export type { HistoryLimits } from "./segments.ts";
