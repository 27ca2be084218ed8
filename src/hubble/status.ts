import { create } from "@bufbuild/protobuf";
import {
  type GetNamespacesResponse,
  GetNamespacesResponseSchema,
  type Namespace,
  type ServerStatusResponse,
  ServerStatusResponseSchema,
} from "../../proto/gen/observer_pb.js";
import type { FlowRing } from "../flow/index.ts";
import { CLUSTER_NAME } from "../model/addresses.ts";

const RATE_WINDOW_S = 60;
const NAMESPACE_WINDOW_S = 3600;

/** Flows a second over the last minute, or over the span that the ring still holds when that is shorter. */
function flowRate(ring: FlowRing, nowMs: number): number {
  const since = nowMs / 1000 - RATE_WINDOW_S;
  let count = 0;
  let oldest = nowMs / 1000;
  for (let sequence = ring.next - 1; sequence >= ring.oldest; sequence--) {
    const entry = ring.read(sequence);
    if (entry?.kind !== "flow" || !entry.time) continue;
    const seconds = Number(entry.time.seconds) + entry.time.nanos / 1e9;
    if (seconds < since) return count / RATE_WINDOW_S;
    oldest = seconds;
    count++;
  }
  const overwritten = ring.oldest > 0;
  const span = overwritten ? Math.max(nowMs / 1000 - oldest, 0.001) : RATE_WINDOW_S;
  return count / span;
}

/** What `hubble status` shows of one node. Times in milliseconds. */
export function ringStatus(ring: FlowRing, version: string, startedMs: number, nowMs: number): ServerStatusResponse {
  return create(ServerStatusResponseSchema, {
    numFlows: BigInt(ring.next - ring.oldest),
    maxFlows: BigInt(ring.capacity),
    seenFlows: BigInt(ring.seenFlows),
    uptimeNs: BigInt(Math.max(0, Math.round((nowMs - startedMs) * 1e6))),
    version,
    flowsRate: flowRate(ring, nowMs),
  });
}

/** Sorts namespaces by cluster, then name, and drops repetitions. */
export function namespacesResponse(namespaces: Iterable<Namespace>): GetNamespacesResponse {
  const byKey = new Map<string, Namespace>();
  for (const namespace of namespaces) byKey.set(`${namespace.cluster}\0${namespace.namespace}`, namespace);
  const keys = [...byKey.keys()].sort();
  return create(GetNamespacesResponseSchema, { namespaces: keys.flatMap((key) => byKey.get(key) ?? []) });
}

/** A cluster with the default name is not named, as upstream does it. */
function toldCluster(name: string): string {
  return name === CLUSTER_NAME ? "" : name;
}

/** Namespaces of the flows of the last hour that the ring still holds. */
export function ringNamespaces(ring: FlowRing, nowMs: number): GetNamespacesResponse {
  const since = nowMs / 1000 - NAMESPACE_WINDOW_S;
  const found: Namespace[] = [];
  for (let sequence = ring.next - 1; sequence >= ring.oldest; sequence--) {
    const entry = ring.read(sequence);
    if (entry?.kind !== "flow") continue;
    if (Number(entry.time?.seconds ?? 0n) < since) break;
    for (const end of [entry.flow.source, entry.flow.destination]) {
      if (end?.namespace)
        found.push({
          $typeName: "observer.Namespace",
          cluster: toldCluster(end.clusterName),
          namespace: end.namespace,
        });
    }
  }
  return namespacesResponse(found);
}
