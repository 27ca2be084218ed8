import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cgroupRoot } from "../../src/lab/cgroup.ts";

/** What a lab could leave behind on a machine, as sorted lists that two looks can be compared by. */
export interface MachineState {
  readonly namespaces: readonly string[];
  readonly mounts: readonly string[];
  readonly interfaces: readonly string[];
  readonly programs: readonly string[];
  readonly maps: readonly string[];
  readonly cgroups: readonly string[];
  readonly processes: readonly string[];
  readonly listeners: readonly string[];
  readonly runFiles: readonly string[];
}

function list(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}

function lines(program: string, ...args: string[]): string[] {
  return execFileSync(program, args, { encoding: "utf8" }).split("\n").filter(Boolean).sort();
}

/** Processes of the labs: their bundles and sandboxes. */
function labProcesses(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const text = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        return /\/dist\/[a-z-]+\.mjs|\bbwrap\b|shieldgate-supervisor|cilium-agent/.test(text) ? [`${pid} ${text}`] : [];
      } catch {
        return [];
      }
    });
}

function bpfObjects(kind: "prog" | "map"): string[] {
  const objects = JSON.parse(execFileSync("bpftool", ["-j", kind, "list"], { encoding: "utf8" })) as {
    id: number;
    name?: string;
    type: string;
  }[];
  return objects.map((object) => `${object.id} ${object.type} ${object.name ?? ""}`).sort();
}

/** Looks at the machine. */
export function machineState(): MachineState {
  return {
    namespaces: list("/run/netns"),
    mounts: readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(" ").slice(3).join(" "))
      .sort(),
    interfaces: list("/sys/class/net"),
    programs: bpfObjects("prog"),
    maps: bpfObjects("map"),
    cgroups: list(cgroupRoot() ?? "/nowhere").filter((name) => name.startsWith("shieldgate")),
    processes: labProcesses(),
    listeners: lines("ss", "-Htlnx").filter((line) => /shieldgate|cilium/.test(line)),
    runFiles: list("/run/shieldgate").concat(existsSync("/run/cilium") ? ["/run/cilium"] : []),
  };
}

/** What a lab may not take away either; programs and maps of earlier labs may still be on their way out. */
const MUST_STAY = ["namespaces", "mounts", "interfaces", "cgroups"] as const;

/** `what + text` for all that is new on the machine, `what - text` for what is gone and was not the lab's to remove. */
export function differences(before: MachineState, after: MachineState): string[] {
  const keys = Object.keys(before) as (keyof MachineState)[];
  const added = keys.flatMap((key) =>
    after[key].filter((text) => !before[key].includes(text)).map((text) => `${key} + ${text}`),
  );
  const removed = MUST_STAY.flatMap((key) =>
    before[key].filter((text) => !after[key].includes(text)).map((text) => `${key} - ${text}`),
  );
  return [...added, ...removed];
}
