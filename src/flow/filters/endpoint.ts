import type { Endpoint, FlowFilter, Workload } from "../../../proto/gen/flow_pb.js";
import { anyOf, FilterError, type FlowTest } from "./flow-test.ts";

function hasWorkload(endpoint: Endpoint | undefined, wanted: Workload): boolean {
  return (endpoint?.workloads ?? []).some(
    ({ kind, name }) => (wanted.kind === "" || kind === wanted.kind) && (wanted.name === "" || name === wanted.name),
  );
}

function clusterNames(field: string, names: readonly string[]): readonly string[] {
  if (names.includes("")) throw new FilterError(`${field}: empty cluster name`);
  return names;
}

/** Identities, workloads (an empty part is any) and cluster names of either end. */
export function endpointTests(filter: FlowFilter): FlowTest[] {
  return [
    ...anyOf(filter.sourceIdentity, (identity, flow) => flow.source?.identity === identity),
    ...anyOf(filter.destinationIdentity, (identity, flow) => flow.destination?.identity === identity),
    ...anyOf(filter.sourceWorkload, (wanted, flow) => hasWorkload(flow.source, wanted)),
    ...anyOf(filter.destinationWorkload, (wanted, flow) => hasWorkload(flow.destination, wanted)),
    ...anyOf(
      clusterNames("source_cluster_name", filter.sourceClusterName),
      (name, flow) => flow.source?.clusterName === name,
    ),
    ...anyOf(
      clusterNames("destination_cluster_name", filter.destinationClusterName),
      (name, flow) => flow.destination?.clusterName === name,
    ),
  ];
}
