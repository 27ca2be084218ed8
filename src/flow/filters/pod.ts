import type { Flow, FlowFilter } from "../../../proto/gen/flow_pb.js";
import { anyOf, FilterError, type FlowTest } from "./flow-test.ts";

type Named = { readonly namespace: string; readonly name: string };

/** `ns/prefix`, `prefix` in namespace default, `ns/` for a whole namespace, `/prefix` in any. */
function nameTest(field: string, pattern: string): (named: Named) => boolean {
  if (pattern === "") throw new FilterError(`${field}: empty name`);
  const slash = pattern.indexOf("/");
  const namespace = slash < 0 ? "default" : pattern.slice(0, slash);
  const prefix = pattern.slice(slash + 1);
  return (named) =>
    (named.namespace !== "" || named.name !== "") &&
    (namespace === "" || named.namespace === namespace) &&
    named.name.startsWith(prefix);
}

function nameField(field: string, patterns: readonly string[], pick: (flow: Flow) => Named | undefined): FlowTest[] {
  const tests = patterns.map((pattern) => nameTest(field, pattern));
  return anyOf(tests, (test, flow) => {
    const named = pick(flow);
    return named !== undefined && test(named);
  });
}

const podOf = (end: "source" | "destination") => (flow: Flow) => {
  const endpoint = flow[end];
  return endpoint && { namespace: endpoint.namespace, name: endpoint.podName };
};

/** source_pod, destination_pod, source_service, destination_service: names by prefix, namespaces exactly. */
export function podTests(filter: FlowFilter): FlowTest[] {
  return [
    ...nameField("source_pod", filter.sourcePod, podOf("source")),
    ...nameField("destination_pod", filter.destinationPod, podOf("destination")),
    ...nameField("source_service", filter.sourceService, (flow) => flow.sourceService),
    ...nameField("destination_service", filter.destinationService, (flow) => flow.destinationService),
  ];
}
