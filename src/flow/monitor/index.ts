export { ciliumMessage } from "./cilium-message.ts";
export { monitorJson } from "./json.ts";
export { l7Json, l7Line, VERDICTS } from "./l7.ts";
export { monitorLine, traceTarget } from "./line.ts";
export { cpuText, type MonitorOptions } from "./names.ts";
export { verboseLines } from "./verbose.ts";
