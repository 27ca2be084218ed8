import { CLUSTER_NAME } from "./addresses.ts";

/** A node as flows, peers and relays name it: `cluster/node`, and of a cluster with the default name `node` alone. (pkg/node/types of Cilium.) */
export function nodeFullName(node: string, cluster: string): string {
  return cluster === CLUSTER_NAME ? node : `${cluster}/${node}`;
}
