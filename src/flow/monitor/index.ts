export { monitorJson } from "./json.ts";
export { l7Json, l7Line } from "./l7.ts";
export { monitorLine } from "./line.ts";
export type { MonitorOptions } from "./names.ts";
export { verboseLines } from "./verbose.ts";
