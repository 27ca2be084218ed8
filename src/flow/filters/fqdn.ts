import type { FlowFilter } from "../../../proto/gen/flow_pb.js";
import { anyOf, FilterError, type FlowTest } from "./flow-test.ts";
import { compileRegex } from "./regex.ts";

/**
 * In a pattern case does not count, nor does a trailing dot; `*` stands for any run of name characters. Names of flows are lower case
 * without it already, and others match nothing, as with upstream.
 */
function fqdnTest(field: string, pattern: string): (name: string) => boolean {
  const text = pattern.trim().replace(/\.$/, "").toLowerCase();
  if (text === "") throw new FilterError(`${field}: empty name`);
  if (!/^[-a-z0-9_.*]*[-a-z0-9_*]$/.test(text))
    throw new FilterError(`${field}: invalid FQDN: ${JSON.stringify(pattern)}`);
  const source = text.replaceAll(".", "\\.").replaceAll("*", "[-.0-9a-z]*");
  return compileRegex(field, `^${source}$`);
}

/** source_fqdn, destination_fqdn against the learned names; dns_query as an unanchored expression. */
export function fqdnTests(filter: FlowFilter): FlowTest[] {
  const source = filter.sourceFqdn.map((pattern) => fqdnTest("source_fqdn", pattern));
  const destination = filter.destinationFqdn.map((pattern) => fqdnTest("destination_fqdn", pattern));
  const queries = filter.dnsQuery.map((pattern) => compileRegex("dns_query", pattern));
  return [
    ...anyOf(source, (test, flow) => flow.sourceNames.some(test)),
    ...anyOf(destination, (test, flow) => flow.destinationNames.some(test)),
    ...anyOf(queries, (test, flow) => flow.l7?.record.case === "dns" && test(flow.l7.record.value.query)),
  ];
}
