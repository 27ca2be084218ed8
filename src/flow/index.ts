export { accessRecordToFlow } from "./access.ts";
export type { EndpointFacts, FlowContext, PolicyOrigin, ServiceName } from "./context.ts";
export { type DatapathEvent, decodeEvent, EventDirection, EventType } from "./decode/event.ts";
export { toFlow } from "./flow.ts";
export { FlowEntry } from "./flow-entry.ts";
export { createFlowPipeline, type FlowPipeline } from "./pipeline.ts";
export { DEFAULT_REDACTION, type Redaction } from "./redaction.ts";
export { createFlowRing, type FlowRing, type Overtaken, type RingEntry } from "./ring.ts";
