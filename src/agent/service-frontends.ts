import type { ServiceFrontend } from "../datapath/port.ts";
import type { KubeObject } from "./kube.ts";

const PROTOCOLS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

interface ServicePort {
  readonly name?: string;
  readonly port: number;
  readonly protocol?: string;
}

interface SlicePort {
  readonly name?: string;
  readonly port?: number;
  readonly protocol?: string;
}

interface SliceEndpoint {
  readonly addresses?: readonly string[];
  readonly conditions?: { readonly ready?: boolean };
}

/** A frontend before it has its number, and the service it belongs to. */
export interface NamedFrontend extends ServiceFrontend {
  readonly namespace: string;
  readonly name: string;
}

/** Key of a frontend that stays the same over restarts. */
export function frontendKey(frontend: Pick<ServiceFrontend, "address" | "port" | "protocol">): string {
  return `${frontend.address}:${frontend.port}/${frontend.protocol}`;
}

function clusterAddresses(service: KubeObject): readonly string[] {
  const spec = service.spec as { clusterIP?: string; clusterIPs?: readonly string[] } | undefined;
  const addresses = spec?.clusterIPs ?? (spec?.clusterIP === undefined ? [] : [spec.clusterIP]);
  return addresses.filter((address) => /^\d+(\.\d+){3}$/.test(address));
}

function backendsOf(slices: readonly KubeObject[], port: ServicePort): ServiceFrontend["backends"] {
  const found = new Map<string, { address: string; port: number }>();
  for (const slice of slices) {
    const target = ((slice.ports as readonly SlicePort[] | null | undefined) ?? []).find(
      (candidate) =>
        (candidate.name ?? "") === (port.name ?? "") && (candidate.protocol ?? "TCP") === (port.protocol ?? "TCP"),
    );
    if (target?.port === undefined) continue;
    for (const endpoint of (slice.endpoints as readonly SliceEndpoint[] | null | undefined) ?? []) {
      if (endpoint.conditions?.ready === false) continue;
      for (const address of endpoint.addresses ?? []) {
        found.set(`${address}:${target.port}`, { address, port: target.port });
      }
    }
  }
  return [...found.values()].sort((a, b) => (`${a.address}:${a.port}` < `${b.address}:${b.port}` ? -1 : 1));
}

/** By `namespace/name` of the service. */
export function slicesByService(slices: readonly KubeObject[]): Map<string, KubeObject[]> {
  const groups = new Map<string, KubeObject[]>();
  for (const slice of slices) {
    if (slice.addressType !== undefined && slice.addressType !== "IPv4") continue;
    const service = slice.metadata.labels?.["kubernetes.io/service-name"];
    if (service === undefined) continue;
    const key = `${slice.metadata.namespace}/${service}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [slice]);
    else group.push(slice);
  }
  return groups;
}

/**
 * The cluster-internal frontends of all services: one for each IPv4 cluster address and port, with the ready endpoints.
 * A port without any is kept with no backend, which drops: it must not fall through to the network.
 * `ids` numbers the frontends and grows; numbers of frontends that are gone are given up.
 */
export function serviceFrontends(
  services: readonly KubeObject[],
  slices: readonly KubeObject[],
  ids: Readonly<Record<string, number>>,
): { readonly frontends: readonly NamedFrontend[]; readonly ids: Readonly<Record<string, number>> } {
  const groups = slicesByService(slices);
  const kept: Record<string, number> = {};
  const found = services.flatMap((service) => {
    const name = service.metadata.name;
    const namespace = service.metadata.namespace ?? "";
    const ports = (service.spec as { ports?: readonly ServicePort[] } | undefined)?.ports ?? [];
    return clusterAddresses(service).flatMap((address) =>
      ports.map((port) => ({
        address,
        port: port.port,
        protocol: PROTOCOLS[port.protocol ?? "TCP"] ?? 0,
        backends: backendsOf(groups.get(`${namespace}/${name}`) ?? [], port),
        namespace,
        name,
      })),
    );
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
