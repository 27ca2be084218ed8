import type { Flow, FlowFilter } from "../../../proto/gen/flow_pb.js";
import { parseAddress } from "../../model/cidr.ts";
import { parsePrefix } from "./cidr.ts";
import { anyOf, FilterError, type FlowTest } from "./flow-test.ts";

function addressTest(field: string, pattern: string): (address: string) => boolean {
  if (pattern.includes("/")) {
    const contains = parsePrefix(pattern);
    if (!contains) throw new FilterError(`${field}: invalid CIDR: ${JSON.stringify(pattern)}`);
    return contains;
  }
  if (!parseAddress(pattern)) throw new FilterError(`${field}: invalid IP address: ${JSON.stringify(pattern)}`);
  return (address) => address === pattern;
}

function addressField(
  field: string,
  patterns: readonly string[],
  pick: (flow: Flow) => string | undefined,
): FlowTest[] {
  const tests = patterns.map((pattern) => addressTest(field, pattern));
  return anyOf(tests, (test, flow) => {
    const address = pick(flow);
    return address !== undefined && address !== "" && test(address);
  });
}

/** source_ip, destination_ip, source_ip_xlated, ip_version. */
export function ipTests(filter: FlowFilter): FlowTest[] {
  return [
    ...addressField("source_ip", filter.sourceIp, (flow) => flow.IP?.source),
    ...addressField("destination_ip", filter.destinationIp, (flow) => flow.IP?.destination),
    ...addressField("source_ip_xlated", filter.sourceIpXlated, (flow) => flow.IP?.sourceXlated),
    ...anyOf(filter.ipVersion, (version, flow) => (flow.IP?.ipVersion ?? 0) === version),
  ];
}
