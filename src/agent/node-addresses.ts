import { isIPv4 } from "node:net";
import type { IpcacheEntry } from "../datapath/port.ts";
import { fieldsOf, listOf } from "../kube/object.ts";
import { ReservedIdentity } from "../model/addresses.ts";
import type { KubeObject } from "./kube.ts";

/** The addresses of a CiliumNode that matter here. */
export interface NodeAddresses {
  readonly internal: string;
  /** CiliumInternalIP: the router of its pods. */
  readonly router: string | undefined;
}

/** Undefined when the node has told no InternalIP yet. */
export function nodeAddressesOf(node: KubeObject): NodeAddresses | undefined {
  const addresses = listOf(fieldsOf(node.spec).addresses).map(fieldsOf);
  const find = (type: string) =>
    addresses.find((address) => address.type === type && /^\d+\./.test(String(address.ip)));
  const internal = find("InternalIP")?.ip;
  if (typeof internal !== "string") return undefined;
  const router = find("CiliumInternalIP")?.ip;
  return { internal, router: typeof router === "string" ? router : undefined };
}

/** The IPv4 ranges of the node's pods. */
function podCidrsOf(node: KubeObject): string[] {
  const cidrs = listOf(fieldsOf(fieldsOf(node.spec).ipam).podCIDRs).map(String);
  return cidrs.filter((cidr) => /^\d+\./.test(cidr));
}

/** Addresses that answer for the API server: the endpoints of the service `kubernetes`. */
export function apiServerAddresses(slices: readonly KubeObject[]): ReadonlySet<string> {
  const own = slices.filter(
    (slice) =>
      slice.metadata.namespace === "default" && slice.metadata.labels?.["kubernetes.io/service-name"] === "kubernetes",
  );
  const endpoints = own.flatMap((slice) => listOf(slice.endpoints).map(fieldsOf));
  return new Set(endpoints.flatMap((endpoint) => listOf(endpoint.addresses).map(String).filter(isIPv4)));
}

/**
 * Ipcache entries of all nodes: this node is the host, others are remote nodes, and one that runs the API server is
 * known as that. A remote router lies behind the overlay, a node's own address on the fabric does not. So do a remote
 * node's pods, known or not yet: the receiver knows them first and judges.
 */
export function nodeEntries(
  nodes: readonly KubeObject[],
  ownName: string,
  apiServers: ReadonlySet<string>,
): ReadonlyMap<string, IpcacheEntry> {
  const entries = new Map<string, IpcacheEntry>();
  for (const node of nodes) {
    const addresses = nodeAddressesOf(node);
    if (addresses === undefined) continue;
    const isOwn = node.metadata.name === ownName;
    const remote = apiServers.has(addresses.internal) ? ReservedIdentity.KubeApiServer : ReservedIdentity.RemoteNode;
    const identity = isOwn ? ReservedIdentity.Host : remote;
    entries.set(`${addresses.internal}/32`, { identity });
    const tunnel = isOwn ? {} : { tunnel: addresses.internal };
    if (!isOwn) {
      for (const cidr of podCidrsOf(node)) entries.set(cidr, { identity: ReservedIdentity.Unmanaged, ...tunnel });
    }
    if (addresses.router === undefined) continue;
    entries.set(`${addresses.router}/32`, { identity, ...tunnel });
  }
  return entries;
}

/** The CiliumNode of this node. */
export function ciliumNodeOf(
  name: string,
  addresses: NodeAddresses,
  podCidr: string,
  owner: KubeObject | undefined,
): KubeObject {
  const router = addresses.router === undefined ? [] : [{ type: "CiliumInternalIP", ip: addresses.router }];
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNode",
    metadata: {
      name,
      labels: { "kubernetes.io/hostname": name, ...(owner?.metadata.labels ?? {}) },
      ...(owner?.metadata.uid === undefined
        ? {}
        : { ownerReferences: [{ apiVersion: "v1", kind: "Node", name, uid: owner.metadata.uid }] }),
    },
    spec: {
      addresses: [{ type: "InternalIP", ip: addresses.internal }, ...router],
      ipam: { podCIDRs: [podCidr] },
      encryption: {},
      health: {},
      ingress: {},
    },
  };
}
