import { isIPv4, isIPv6 } from "node:net";
import type { IpcacheEntry } from "../datapath/port.ts";
import { fieldsOf, listOf } from "../kube/object.ts";
import { ReservedIdentity } from "../model/addresses.ts";
import { addressPrefix, canonicalAddress, formatCidr, parseCidr } from "../model/cidr.ts";
import type { KubeObject } from "./kube.ts";

/** The addresses of a CiliumNode that matter here. */
export interface NodeAddresses {
  /** IPv4: other nodes reach its pods behind it, of both families. */
  readonly internal: string;
  /** CiliumInternalIP: the router of its pods. */
  readonly router: string | undefined;
  /** Of the node's health endpoint, one of its pods' range. */
  readonly health: string | undefined;
  /** The same in IPv6. */
  readonly ipv6?: Addresses6;
}

interface Addresses6 {
  readonly internal: string;
  readonly router: string | undefined;
  readonly health: string | undefined;
}

/** Of a text that should be an address of the family. */
function addressOf(text: unknown, isWanted: (text: string) => boolean): string | undefined {
  return typeof text === "string" && isWanted(text) ? canonicalAddress(text) : undefined;
}

/** Undefined when the node has told no InternalIP of IPv4 yet. */
export function nodeAddressesOf(node: KubeObject): NodeAddresses | undefined {
  const spec = fieldsOf(node.spec);
  const addresses = listOf(spec.addresses).map(fieldsOf);
  const find = (type: string, isWanted: (text: string) => boolean) =>
    addresses.flatMap(({ type: own, ip }) => (own === type ? (addressOf(ip, isWanted) ?? []) : []))[0];
  const health = fieldsOf(spec.health);
  const internal = find("InternalIP", isIPv4);
  if (internal === undefined) return undefined;
  const internal6 = find("InternalIP", isIPv6);
  return {
    internal,
    router: find("CiliumInternalIP", isIPv4),
    health: addressOf(health.ipv4, isIPv4),
    ...(internal6 === undefined
      ? {}
      : {
          ipv6: {
            internal: internal6,
            router: find("CiliumInternalIP", isIPv6),
            health: addressOf(health.ipv6, isIPv6),
          },
        }),
  };
}

/** The ranges of the node's pods. */
function podCidrsOf(node: KubeObject): string[] {
  const cidrs = listOf(fieldsOf(fieldsOf(node.spec).ipam).podCIDRs).map((text) => parseCidr(String(text)));
  return cidrs.flatMap((cidr) => (cidr === undefined ? [] : [formatCidr(cidr)]));
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
 * known as that. A remote router lies behind the overlay, and so, for the overlay is of IPv4, does a remote node's address of
 * IPv6; its own of IPv4 on the fabric does not. So do a remote node's pods, known or not yet: the receiver knows them first and judges.
 * Its health endpoint is known by its CiliumNode alone; this node's own is an endpoint like others.
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
    entries.set(addressPrefix(addresses.internal), { identity });
    const tunnel = isOwn ? {} : { tunnel: addresses.internal };
    if (!isOwn) {
      for (const cidr of podCidrsOf(node)) entries.set(cidr, { identity: ReservedIdentity.Unmanaged, ...tunnel });
    }
    const { router, ipv6 } = addresses;
    if (!isOwn) {
      for (const address of [addresses.health, ipv6?.health]) {
        if (address !== undefined)
          entries.set(addressPrefix(address), { identity: ReservedIdentity.Health, ...tunnel });
      }
    }
    for (const address of [router, ipv6?.internal, ipv6?.router]) {
      if (address !== undefined) entries.set(addressPrefix(address), { identity, ...tunnel });
    }
  }
  return entries;
}

/** Native routing: each range of other nodes' pods and the node's address of its family. */
export function nodeRoutes(nodes: readonly KubeObject[], ownName: string): ReadonlyMap<string, string> {
  const routes = new Map<string, string>();
  for (const node of nodes) {
    const addresses = nodeAddressesOf(node);
    if (addresses === undefined || node.metadata.name === ownName) continue;
    for (const range of podCidrsOf(node)) {
      const via = range.includes(":") ? addresses.ipv6?.internal : addresses.internal;
      if (via !== undefined) routes.set(range, via);
    }
  }
  return routes;
}

/** The CiliumNode of this node. */
export function ciliumNodeOf(
  name: string,
  addresses: NodeAddresses,
  podCidrs: readonly string[],
  owner: KubeObject | undefined,
): KubeObject {
  const { internal, router, health, ipv6 } = addresses;
  const told = [
    ["InternalIP", internal],
    ["InternalIP", ipv6?.internal],
    ["CiliumInternalIP", router],
    ["CiliumInternalIP", ipv6?.router],
  ] as const;
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
      addresses: told.flatMap(([type, ip]) => (ip === undefined ? [] : [{ type, ip }])),
      ipam: { podCIDRs: [...podCidrs] },
      encryption: {},
      ...(health === undefined
        ? {}
        : { health: { ipv4: health, ...(ipv6?.health === undefined ? {} : { ipv6: ipv6.health }) } }),
      ingress: {},
    },
  };
}
