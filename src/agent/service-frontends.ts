import { isIPv4, isIPv6 } from "node:net";
import type { ServiceFrontend } from "../datapath/port.ts";
import { NODE_PORT_RANGE } from "../model/addresses.ts";
import { canonicalAddress } from "../model/cidr.ts";
import type { KubeObject } from "./kube.ts";

const PROTOCOLS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

interface ServicePort {
  readonly name?: string;
  readonly port: number;
  readonly nodePort?: number;
  readonly protocol?: string;
}

interface SlicePort {
  readonly name?: string;
  readonly port?: number;
  readonly protocol?: string;
}

interface SliceEndpoint {
  readonly addresses?: readonly string[];
  readonly nodeName?: string;
  readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
}

interface ServiceSpec {
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly ports?: readonly ServicePort[];
  readonly sessionAffinity?: string;
  readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } };
  readonly internalTrafficPolicy?: string;
  readonly externalTrafficPolicy?: string;
}

/** A node whose ports may stand for services. */
export interface ServiceNode {
  readonly name: string;
  readonly addresses: readonly string[];
}

/** A frontend before it has its number, and the service it belongs to. */
export interface NamedFrontend extends ServiceFrontend {
  readonly namespace: string;
  readonly name: string;
}

type Unnumbered = Omit<NamedFrontend, "id">;

/** Kubernetes' own default, in seconds. */
const AFFINITY_SECONDS = 10_800;

/** Key of a frontend that stays the same over restarts. */
export function frontendKey(frontend: Pick<ServiceFrontend, "address" | "port" | "protocol">): string {
  return `${frontend.address}:${frontend.port}/${frontend.protocol}`;
}

function clusterAddresses({ clusterIPs, clusterIP }: ServiceSpec): readonly string[] {
  const addresses = clusterIPs ?? (clusterIP === undefined ? [] : [clusterIP]);
  return addresses.flatMap((address) => canonicalAddress(address) ?? []);
}

/** A frontend leads to backends of its own family. */
const familyOf = (address: string): ((text: string) => boolean) => (isIPv6(address) ? isIPv6 : isIPv4);

function isPort(port: unknown): port is number {
  return Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 0xffff;
}

/** A node's own ports, its API server's among them, are never taken from it, whatever was stored. */
function isNodePort(port: unknown): port is number {
  return isPort(port) && port >= NODE_PORT_RANGE.first && port <= NODE_PORT_RANGE.last;
}

/**
 * What is no address of the frontend's family or no port is left out: one wrong slice must not keep the kernel from the others.
 *
 * Those that are ready, and beside them those that are ending and still serve; where none is ready, these take their place.
 * `nodeName` = on that node alone. */
function backendsOf(
  slices: readonly KubeObject[],
  port: ServicePort,
  frontend: string,
  nodeName: string | undefined,
): Pick<ServiceFrontend, "backends" | "ending"> {
  const ready = new Map<string, { address: string; port: number }>();
  const ending = new Map<string, { address: string; port: number }>();
  for (const slice of slices) {
    const target = ((slice.ports as readonly SlicePort[] | null | undefined) ?? []).find(
      (candidate) =>
        (candidate.name ?? "") === (port.name ?? "") && (candidate.protocol ?? "TCP") === (port.protocol ?? "TCP"),
    );
    if (target === undefined || !isPort(target.port)) continue;
    const backendPort = target.port;
    for (const { addresses = [], conditions = {}, nodeName: where } of endpointsOf(slice)) {
      if (nodeName !== undefined && where !== nodeName) continue;
      const { ready: isReady = true, serving = isReady, terminating = false } = conditions;
      const group = isReady ? ready : serving && terminating ? ending : undefined;
      for (const address of addresses.filter(familyOf(frontend)).flatMap((text) => canonicalAddress(text) ?? [])) {
        group?.set(`${address}:${backendPort}`, { address, port: backendPort });
      }
    }
  }
  const sorted = (found: typeof ready) =>
    [...found.values()].sort((a, b) => (`${a.address}:${a.port}` < `${b.address}:${b.port}` ? -1 : 1));
  if (ready.size === 0) return { backends: sorted(ending) };
  for (const key of ready.keys()) ending.delete(key);
  return { backends: sorted(ready), ...(ending.size > 0 ? { ending: sorted(ending) } : {}) };
}

function endpointsOf(slice: KubeObject): readonly SliceEndpoint[] {
  return (slice.endpoints as readonly SliceEndpoint[] | null | undefined) ?? [];
}

/** By `namespace/name` of the service. */
export function slicesByService(slices: readonly KubeObject[]): Map<string, KubeObject[]> {
  const groups = new Map<string, KubeObject[]>();
  for (const slice of slices) {
    if (slice.addressType !== undefined && slice.addressType === "FQDN") continue;
    const service = slice.metadata.labels?.["kubernetes.io/service-name"];
    if (service === undefined) continue;
    const key = `${slice.metadata.namespace}/${service}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [slice]);
    else group.push(slice);
  }
  return groups;
}

/** All frontends of one service: its own addresses, and its ports of every node. */
function frontendsOf(
  service: KubeObject,
  slices: readonly KubeObject[],
  nodes: readonly ServiceNode[],
  ownName: string,
): Unnumbered[] {
  const spec = (service.spec ?? {}) as ServiceSpec;
  const { name, namespace = "" } = service.metadata;
  const affinitySeconds =
    spec.sessionAffinity === "ClientIP"
      ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS)
      : 0;
  const insideOnly = spec.internalTrafficPolicy === "Local" ? ownName : undefined;
  const isOutsideLocal = spec.externalTrafficPolicy === "Local";
  return (spec.ports ?? []).flatMap((port) => {
    const protocol = PROTOCOLS[port.protocol ?? "TCP"];
    if (protocol === undefined || !isPort(port.port)) return [];
    const base = { protocol, affinitySeconds, namespace, name };
    const inside = clusterAddresses(spec).map((address): Unnumbered => {
      const ends = backendsOf(slices, port, address, insideOnly);
      return { ...base, type: "ClusterIP", address, port: port.port, ...ends };
    });
    const { nodePort } = port;
    if (!isNodePort(nodePort)) return inside;
    const isServed = (address: string) => clusterAddresses(spec).some(familyOf(address));
    const outside = nodes.flatMap((node) =>
      node.addresses.filter(isServed).map((address): Unnumbered => {
        // Who asks here at another node's address is no stranger: its own backends alone are for those outside.
        const outsideOnly = isOutsideLocal && node.name === ownName ? ownName : undefined;
        const ends = backendsOf(slices, port, address, outsideOnly);
        return { ...base, type: "NodePort", address, port: nodePort, ...ends };
      }),
    );
    return [...inside, ...outside];
  });
}

/**
 * The frontends of all services, each with a number that it keeps: `ids` are those of before, by `frontendKey`. `nodes` are all
 * of the cluster, whose ports stand for services of the type NodePort; `ownName` is this node.
 */
export function serviceFrontends(
  services: readonly KubeObject[],
  slices: readonly KubeObject[],
  ids: Readonly<Record<string, number>>,
  { nodes, ownName }: { readonly nodes: readonly ServiceNode[]; readonly ownName: string },
): { readonly frontends: readonly NamedFrontend[]; readonly ids: Readonly<Record<string, number>> } {
  const groups = slicesByService(slices);
  const kept: Record<string, number> = {};
  const found = services.flatMap((service) => {
    const { name, namespace = "" } = service.metadata;
    return frontendsOf(service, groups.get(`${namespace}/${name}`) ?? [], nodes, ownName);
  });
  const taken = new Set<number>();
  for (const frontend of found) {
    const id = ids[frontendKey(frontend)];
    if (id === undefined) continue;
    kept[frontendKey(frontend)] = id;
    taken.add(id);
  }
  let next = 1;
  const frontends = found.map((frontend) => {
    const key = frontendKey(frontend);
    if (kept[key] === undefined) {
      while (taken.has(next)) next++;
      taken.add(next);
      kept[key] = next;
    }
    return { id: kept[key], ...frontend };
  });
  return { frontends, ids: kept };
}
