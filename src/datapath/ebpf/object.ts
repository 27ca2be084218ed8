/** Loads bpf/build/shieldgate.o; maps are taken over from their pins when a predecessor left them. */
import { accessSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { LAYOUT } from "./layout.ts";
import { bpf, check, failure, libcCalls, type Pointer } from "./libbpf.ts";
import { type KernelMap, kernelMap, type OnMapCall } from "./map.ts";

/** Layout version of the pinned maps: a new number starts with empty maps. */
const PIN_VERSION = "v4";

export type ProgramName =
  | "from_endpoint"
  | "to_endpoint"
  | "from_overlay"
  | "from_network"
  | "to_network"
  | "from_host"
  | "to_proxy"
  | "loopback";

const MAPS = {
  sg_endpoint_by_ifindex: [4, LAYOUT.sg_endpoint.size],
  sg_endpoint_by_addr: [16, LAYOUT.sg_endpoint.size],
  sg_host: [4, LAYOUT.sg_endpoint.size],
  sg_ipcache: [LAYOUT.sg_ipcache_key.size, LAYOUT.sg_remote.size],
  sg_policy: [4, 4],
  sg_service: [LAYOUT.sg_service_key.size, LAYOUT.sg_service.size],
  sg_backend_live: [LAYOUT.sg_backend_live_key.size, 4],
  sg_backend: [LAYOUT.sg_backend_key.size, LAYOUT.sg_backend.size],
  sg_node: [4, LAYOUT.sg_node.size],
  sg_conntrack: [LAYOUT.sg_ct_key.size, LAYOUT.sg_ct_entry.size],
  sg_proxy_origin: [LAYOUT.sg_proxy_key.size, LAYOUT.sg_proxy_origin.size],
  sg_origin_epoch: [4, 4],
  sg_metrics: [LAYOUT.sg_metrics_key.size, LAYOUT.sg_metrics.size],
  sg_policy_stats: [LAYOUT.sg_policy_stats_key.size, LAYOUT.sg_metrics.size],
  sg_watched: [LAYOUT.sg_watched_key.size, 1],
  sg_watching: [4, 4],
  sg_events: [0, 0],
} as const;
export type MapName = keyof typeof MAPS;
const PER_CPU: ReadonlySet<string> = new Set<MapName>(["sg_metrics", "sg_policy_stats"]);

export interface LoadedObject {
  map(name: MapName): KernelMap;
  program(name: ProgramName): number;
  /** Possible CPUs: the number of values in an entry of a per-CPU map. */
  readonly cpus: number;
  close(): void;
}

export const pinPath = (pinDirectory: string, map: string): string => join(pinDirectory, PIN_VERSION, map);

function* mapsOf(object: Pointer): Iterable<{ name: string; map: Pointer }> {
  for (let map = bpf.nextMap(object, null); map; map = bpf.nextMap(object, map)) yield { name: bpf.mapName(map), map };
}

function open(objectPath: string): Pointer {
  try {
    accessSync(objectPath);
  } catch {
    throw new Error(`datapath: ${objectPath} is missing: run sh scripts/build-bpf.sh`);
  }
  const object = bpf.openFile(objectPath, null);
  if (!object) throw failure(`open ${objectPath}`, libcCalls.errno());
  return object;
}

function pinMaps(object: Pointer, pinDirectory: string): void {
  mkdirSync(join(pinDirectory, PIN_VERSION), { recursive: true });
  for (const { name, map } of mapsOf(object)) {
    if (bpf.mapPinPath(map)) check(`pin ${name}`, bpf.setMapPinPath(map, pinPath(pinDirectory, name)));
  }
}

/** Verifies and loads every program and makes or adopts every map. Throws with the verifier's words. */
export function loadObject(objectPath: string, pinDirectory: string, onCall?: OnMapCall): LoadedObject {
  const object = open(objectPath);
  try {
    pinMaps(object, pinDirectory);
    check(`load ${objectPath} (pins in ${pinDirectory}, which must be a bpffs)`, bpf.load(object));
  } catch (error) {
    bpf.closeObject(object);
    throw error;
  }
  const cpus = bpf.possibleCpus();
  const maps = new Map<string, KernelMap>();
  for (const { name, map } of mapsOf(object)) {
    const sizes = MAPS[name as MapName];
    const values = PER_CPU.has(name) ? cpus : 1;
    if (sizes) maps.set(name, kernelMap(name, bpf.mapFd(map), sizes[0], sizes[1] * values, onCall));
  }
  return {
    cpus,
    map: (name) => maps.get(name) ?? missing(`map ${name}`, objectPath),
    program: (name) => {
      const program = bpf.findProgram(object, name);
      return program ? bpf.programFd(program) : missing(`program ${name}`, objectPath);
    },
    close: () => bpf.closeObject(object),
  };
}

function missing(what: string, objectPath: string): never {
  throw new Error(`datapath: ${objectPath} has no ${what}: run sh scripts/build-bpf.sh`);
}
