import type { FlowFilter } from "../../../proto/gen/flow_pb.js";
import { anyOf, type FlowTest } from "./flow-test.ts";

/** uuid, trace_id, ip_trace_id: exactly. */
export function traceTests(filter: FlowFilter): FlowTest[] {
  return [
    ...anyOf(filter.uuid, (uuid, flow) => flow.uuid === uuid),
    ...anyOf(filter.traceId, (id, flow) => flow.traceContext?.parent?.traceId === id),
    ...anyOf(filter.ipTraceId, (id, flow) => flow.ipTraceId?.traceId === id),
  ];
}
