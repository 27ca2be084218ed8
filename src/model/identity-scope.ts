import type { Labels } from "./label.ts";

/**
 * Where an identity's number means something: `global` in every cluster of the mesh (reserved ones too), `local` on one
 * node (what is outside the cluster, and the ingress), `remoteNode` on one node too, for the other nodes.
 */
export type IdentityScope = "global" | "local" | "remoteNode";

/** By the highest of the number's four bytes. */
const SCOPES: readonly IdentityScope[] = ["global", "local", "remoteNode"];
const LOCAL_SOURCES: ReadonlySet<string> = new Set(["cidr", "cidrgroup", "fqdn", "reserved"]);
/** Bits of a number below its scope: the cluster, then the identity in it. */
const NUMBER_BITS = 24;

/** The first number of the scope `local`. */
export const FIRST_LOCAL_IDENTITY = 0x0100_0001;
/** The first number of the scope `remoteNode`. */
export const FIRST_REMOTE_NODE_IDENTITY = 0x0200_0001;

/** The scope of a 32-bit number; undefined for one that Cilium gives to nobody. */
export function scopeOfIdentity(id: number): IdentityScope | undefined {
  return SCOPES[id >>> NUMBER_BITS];
}

/**
 * The id of the cluster that an identity of scope `global` belongs to; undefined for another scope. `maxClusters` is
 * Cilium's `max-connected-clusters`: with 511 a number has nine bits for the cluster, else eight.
 */
export function clusterOfIdentity(id: number, maxClusters: 255 | 511 = 255): number | undefined {
  if (scopeOfIdentity(id) !== "global") return undefined;
  return id >>> (maxClusters === 511 ? NUMBER_BITS - 9 : NUMBER_BITS - 8);
}

/**
 * The scope of the number that these labels get, once they are no reserved identity's. As in Cilium the key
 * `remote-node` counts whatever its source is, and so does `ingress` beside any reserved label.
 */
export function scopeOfLabels(labels: Labels): IdentityScope {
  const has = (wanted: string) => labels.some(({ key }) => key === wanted);
  if (has("remote-node")) return "remoteNode";
  if (has("ingress") && labels.some(({ source }) => source === "reserved")) return "local";
  return labels.length > 0 && labels.every(({ source }) => LOCAL_SOURCES.has(source)) ? "local" : "global";
}
