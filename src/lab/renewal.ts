import { setTimeout as sleep } from "node:timers/promises";
import type { LabNode } from "../model/addresses.ts";
import { isAlive, signal } from "../runtime/process/process-table.ts";
import { isOutdated } from "./build-stamp.ts";
import { writeConfiguration } from "./configuration.ts";
import { writePrograms } from "./env.ts";
import type { LabPaths } from "./paths.ts";
import { readPorts } from "./ports.ts";
import { readRecord } from "./process-record.ts";
import { nodeProcesses, processNames } from "./processes.ts";
import { type Progress, waitUntilReady } from "./readiness.ts";
import type { LabSettings } from "./settings.ts";

/** How long a process that was asked to end, or one that is started again, may take before it is killed, or no longer waited for. */
const PATIENCE_MS = 5000;
const LOOK_MS = 10;

interface Renewing {
  readonly startSupervisor: (paths: LabPaths) => void;
  readonly report: (progress: Progress) => void;
}

async function until(what: () => boolean): Promise<boolean> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!what()) {
    if (performance.now() > deadline) return false;
    await sleep(LOOK_MS);
  }
  return true;
}

/** Ends processes; the killed ones are those that do not heed that. */
async function end(paths: LabPaths, names: readonly string[]): Promise<void> {
  const records = names.flatMap((name) => readRecord(paths, name) ?? []).filter(isAlive);
  for (const { pid } of records) signal(pid, "SIGTERM");
  if (await until(() => !records.some(isAlive))) return;
  for (const record of records) if (isAlive(record)) signal(record.pid, "SIGKILL");
}

/**
 * Replaces what runs of another build by this one's, in an order in which nothing waits for what is not there yet: those that all
 * share, then node by node agent and proxy together, each node ready before the next. Pods stay, and so does what is in force.
 * Returns the names of what was replaced. Throws when a node does not become ready.
 */
export async function renew(
  paths: LabPaths,
  settings: LabSettings,
  { startSupervisor, report }: Renewing,
): Promise<readonly string[]> {
  const old = processNames(settings).filter((name) => isOutdated(paths, readRecord(paths, name)));
  const ports = readPorts(paths);
  if (old.length === 0 || ports === undefined) return [];
  writeConfiguration(paths, ports, settings);
  writePrograms(paths, ports.relay, settings.nodes);
  if (old.includes("supervisor")) {
    await end(paths, ["supervisor"]);
    startSupervisor(paths);
    await until(() => isAlive(readRecord(paths, "supervisor")));
  }
  const again = async (names: readonly string[], node?: LabNode): Promise<void> => {
    const those = names.filter((name) => old.includes(name));
    if (those.length === 0) return;
    await end(paths, those);
    await until(() => those.every((name) => isAlive(readRecord(paths, name))));
    if (node) await waitUntilReady(paths, report, node);
  };
  const own = settings.nodes.flatMap(nodeProcesses);
  for (const name of old) if (name !== "supervisor" && !own.includes(name)) await again([name]);
  for (const node of settings.nodes) await again(nodeProcesses(node), node);
  return old;
}
