import type { FlowFilter } from "../../../proto/gen/flow_pb.js";
import { anyOf, type FlowTest } from "./flow-test.ts";

/** event_type: type 0 is any, of flows that have one; the sub-type counts only when the filter says so. */
export function eventTypeTests(filter: FlowFilter): FlowTest[] {
  return anyOf(filter.eventType, (wanted, flow) => {
    if (flow.eventType === undefined || (wanted.type !== 0 && flow.eventType.type !== wanted.type)) return false;
    return !wanted.matchSubType || flow.eventType.subType === wanted.subType;
  });
}
