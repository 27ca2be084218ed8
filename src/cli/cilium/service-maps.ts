/** What `cilium bpf lb list` prints of the services' map. */
import type { ServiceFrontend } from "../../datapath/port.ts";
import { addressPort } from "../../model/cidr.ts";
import { protocolText } from "./maps.ts";

const NODE_PORT = 2;
const SESSION_AFFINITY = 16;
const ROUTABLE = 64;
/** Of the backends by chance: the highest byte of a frontend's "backend". */
const RANDOM = 1 << 24;

type Backend = ServiceFrontend["backends"][number];

const backendKey = ({ address, port }: Backend, protocol: number) =>
  `${addressPort(address, port)}/${protocolText(protocol)}`;

/** FNV-1a in 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/**
 * The number of each backend by its address, port and protocol. The kernel here keeps none: it is made of those three, and is the same
 * on every node and after every restart.
 */
export function backendIds(services: readonly ServiceFrontend[]): ReadonlyMap<string, number> {
  const keys = services.flatMap(({ backends, protocol }) => backends.map((backend) => backendKey(backend, protocol)));
  const ids = new Map<string, number>();
  const taken = new Set([0]);
  for (const key of [...new Set(keys)].sort()) {
    let id = hashOf(key);
    while (taken.has(id)) id = (id + 1) >>> 0;
    taken.add(id);
    ids.set(key, id);
  }
  return ids;
}

export function backendIdOf(ids: ReadonlyMap<string, number>, backend: Backend, protocol: number): number {
  return ids.get(backendKey(backend, protocol)) ?? 0;
}

/** `--revnat`: the address that replies of a service get back. */
export function revNatCells(services: readonly ServiceFrontend[]): string[][] {
  return services.map(({ id, address, port }) => [String(id), addressPort(address, port)]);
}

/** `--backends`: upstream's text of one has no port. */
export function backendCells(services: readonly ServiceFrontend[]): string[][] {
  const ids = backendIds(services);
  const cells = services.flatMap(({ backends, protocol }) =>
    backends.map((backend): [number, string] => [
      backendIdOf(ids, backend, protocol),
      `${protocolText(protocol)}://${backend.address}`,
    ]),
  );
  return [...new Map(cells)].sort(([a], [b]) => a - b).map(([id, text]) => [String(id), text]);
}

const slotText = ({ address, port, protocol }: ServiceFrontend, slot: number) =>
  `${addressPort(address, port)}/${protocolText(protocol)} (${slot})`;

/** `--frontends`: `backend count[quarantined] (service) [flags]`; slot 0 has the way of choosing and the affinity for a backend. */
export function frontendCells(services: readonly ServiceFrontend[]): string[][] {
  const ids = backendIds(services);
  return services.flatMap((service) => {
    const { id, type, affinitySeconds, protocol, backends } = service;
    const outside = type === "NodePort" ? NODE_PORT | ROUTABLE : 0;
    const flags = `[0x${(outside | (affinitySeconds > 0 ? SESSION_AFFINITY : 0)).toString(16)} 0x0]`;
    return [
      [slotText(service, 0), `${RANDOM + affinitySeconds} ${backends.length}[0] (${id}) ${flags}`],
      ...backends.map((backend, slot) => [
        slotText(service, slot + 1),
        `${backendIdOf(ids, backend, protocol)} 0[0] (${id}) ${flags}`,
      ]),
    ];
  });
}

/** Slot 0 is the frontend itself. Only a node's port can be reached from outside the cluster. */
export function loadBalancerCells(services: readonly ServiceFrontend[]): string[][] {
  return services.flatMap((service) => {
    const { id, address, protocol, type, affinitySeconds, backends } = service;
    const affinity = affinitySeconds > 0 ? ["sessionAffinity"] : [];
    const flags = [type, ...affinity, ...(type === "ClusterIP" ? ["non-routable"] : [])].join(", ");
    const none = addressPort(address.includes(":") ? "::" : "0.0.0.0", 0);
    return [
      [slotText(service, 0), `${none} (${id}) (0) [${flags}] `],
      ...backends.map((backend, slot) => [
        slotText(service, slot + 1),
        `${backendKey(backend, protocol)} (${id}) (${slot + 1})`,
      ]),
    ];
  });
}
