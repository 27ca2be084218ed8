import { readdirSync, readFileSync } from "node:fs";
import type { Registry } from "./registry.ts";

/** How many there are, and the memory that the kernel reckons for them. */
export interface BpfUse {
  readonly maps: number;
  readonly mapBytes: number;
  readonly programs: number;
  readonly programBytes: number;
}

function fieldOf(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1] ?? 0);
}

/** What a process has open of BPF, after the files of its `/proc/PID/fdinfo` (bpf_map_show_fdinfo, bpf_prog_show_fdinfo); each once. */
export function bpfUse(fdinfo: readonly string[]): BpfUse {
  const maps = new Map<number, number>();
  const programs = new Map<number, number>();
  for (const text of fdinfo) {
    if (/^map_type:/m.test(text)) maps.set(fieldOf(text, "map_id"), fieldOf(text, "memlock"));
    else if (/^prog_type:/m.test(text)) programs.set(fieldOf(text, "prog_id"), fieldOf(text, "memlock"));
  }
  const sum = (bytes: Iterable<number>) => [...bytes].reduce((total, each) => total + each, 0);
  const [mapBytes, programBytes] = [sum(maps.values()), sum(programs.values())];
  return { maps: maps.size, mapBytes, programs: programs.size, programBytes };
}

/** A descriptor that was closed meanwhile has none. */
function ownFdinfo(): string[] {
  return readdirSync("/proc/self/fdinfo").flatMap((fd) => {
    try {
      return [readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")];
    } catch {
      return [];
    }
  });
}

/**
 * `cilium_bpf_map_ops_total` and `cilium_bpf_syscall_duration_seconds`; what it returns is told of every call on a map, its time
 * in seconds. The first counts, as Cilium's, only what changes a map.
 */
export function mapCallMetrics(registry: Registry) {
  const ops = registry.counter({
    name: "cilium_bpf_map_ops_total",
    help: "Changes of maps of the kernel, of many entries at once as one",
    labels: ["map_name", "operation", "outcome"],
  });
  const duration = registry.histogram({
    name: "cilium_bpf_syscall_duration_seconds",
    help: "How long calls of the kernel on maps took, in seconds",
    labels: ["operation", "outcome"],
  });
  return (map: string, operation: string, isOk: boolean, seconds: number): void => {
    const outcome = isOk ? "success" : "fail";
    if (operation === "update" || operation === "delete") ops.of(map, operation, outcome).inc();
    duration.of(operation, outcome).observe(seconds);
  };
}

/** `cilium_bpf_*` of the maps and programs that this process has open; looked up when they are read. */
export function addBpfMetrics(registry: Registry): void {
  const gauge = (name: string, help: string) => registry.gauge({ name: `cilium_bpf_${name}`, help }).of();
  const maps = gauge("maps", "Maps of the kernel that the agent has open");
  const mapBytes = gauge("maps_virtual_memory_max_bytes", "Memory of these maps");
  const programs = gauge("progs", "Programs of the kernel that the agent has open");
  const programBytes = gauge("progs_virtual_memory_max_bytes", "Memory of these programs");
  registry.collect(() => {
    const use = bpfUse(ownFdinfo());
    maps.set(use.maps);
    mapBytes.set(use.mapBytes);
    programs.set(use.programs);
    programBytes.set(use.programBytes);
  });
}
