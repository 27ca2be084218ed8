import type { Flow, FlowFilter } from "../../../proto/gen/flow_pb.js";
import { celTests } from "./cel.ts";
import { endpointTests } from "./endpoint.ts";
import { eventTypeTests } from "./event-type.ts";
import { FilterError, type FlowTest } from "./flow-test.ts";
import { fqdnTests } from "./fqdn.ts";
import { httpTests } from "./http.ts";
import { ipTests } from "./ip.ts";
import { labelTests } from "./label.ts";
import { nodeTests } from "./node.ts";
import { podTests } from "./pod.ts";
import { portTests } from "./port.ts";
import { traceTests } from "./trace.ts";
import { verdictTests } from "./verdict.ts";

export { FilterError } from "./flow-test.ts";

const GROUPS: readonly ((filter: FlowFilter) => FlowTest[])[] = [
  eventTypeTests,
  verdictTests,
  endpointTests,
  portTests,
  podTests,
  ipTests,
  labelTests,
  httpTests,
  fqdnTests,
  nodeTests,
  traceTests,
  celTests,
];

function refuseUnknown(filter: FlowFilter): void {
  const unknown = [...(filter.$unknown ?? []), ...(filter.experimental?.$unknown ?? [])];
  if (unknown.length > 0) {
    throw new FilterError(`FlowFilter field ${unknown.map(({ no }) => no).join(", ")} is not known to this server`);
  }
}

/** All fields of one filter must match; a filter without fields matches every flow. */
function compileFilter(filter: FlowFilter): FlowTest {
  refuseUnknown(filter);
  const tests = GROUPS.flatMap((group) => group(filter));
  return (flow) => tests.every((test) => test(flow));
}

/**
 * A flow passes when the whitelist is empty or one of it matches, and none of the blacklist does. Throws FilterError
 * on a field that is malformed or not supported.
 */
export function compileFilters(
  whitelist: readonly FlowFilter[],
  blacklist: readonly FlowFilter[],
): (flow: Flow) => boolean {
  const wanted = whitelist.map(compileFilter);
  const unwanted = blacklist.map(compileFilter);
  return (flow) => (wanted.length === 0 || wanted.some((test) => test(flow))) && !unwanted.some((test) => test(flow));
}
