import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../runtime/process/process-table.ts";
import { type Found, look, networkIsWhole } from "./condition.ts";
import { writeConfiguration } from "./configuration.ts";
import { doctor } from "./doctor.ts";
import { writePrograms } from "./env.ts";
import { mountBpffs, mountMemory } from "./file-systems.ts";
import { withLabLock } from "./lock.ts";
import { makeMountPoints } from "./mount-points.ts";
import { createNetwork } from "./network.ts";
import { completeRemoval, makeNodes } from "./nodes.ts";
import { commandFor, type LabPaths } from "./paths.ts";
import { choosePorts, readPorts } from "./ports.ts";
import { readRecord } from "./process-record.ts";
import { flagsOf } from "./processes.ts";
import { type Progress, waitUntilReady } from "./readiness.ts";
import { renew } from "./renewal.ts";
import { chooseSettings, type LabSettings, readSettings, type WantedSettings, writeSettings } from "./settings.ts";
import { deleteLab, teardown } from "./teardown.ts";

export interface UpResult {
  readonly found: Found;
  /** Processes of another build that were replaced. */
  readonly renewed: readonly string[];
  readonly milliseconds: number;
  readonly apiServer: string;
  readonly settings: LabSettings;
}

export interface UpOptions {
  readonly wanted?: WantedSettings;
  readonly report?: (progress: Progress) => void;
}

/**
 * Brings the lab up, or puts right what is missing of one that is up; returns when every node, agent and proxy and the
 * cluster's DNS are ready. Throws with what is not ready and where to look, and for what cannot be changed of a lab that exists.
 */
export function up(paths: LabPaths, { wanted = {}, report = () => {} }: UpOptions = {}): Promise<UpResult> {
  return withLabLock(paths.lab, async () => {
    const started = performance.now();
    const settings = chooseSettings(paths, wanted);
    const found = look(paths, settings);
    if (found !== "nothing") mustKeepHostPorts(paths, settings);
    if (found === "damaged" && networkIsWhole(paths, settings)) {
      await makeNodes(paths, settings);
      startSupervisor(paths);
    } else if (found !== "running") await startFresh(paths, settings);
    const renewed = found === "nothing" ? [] : await renew(paths, settings, { startSupervisor, report });
    await waitUntilReady(paths, report);
    for (const node of settings.leaving ?? []) await completeRemoval(paths, node);
    const ports = readPorts(paths)!;
    return {
      found,
      renewed,
      milliseconds: performance.now() - started,
      apiServer: `https://127.0.0.1:${ports.apiServer}`,
      settings,
    };
  });
}

/** Whoever runs would not learn of others. */
function mustKeepHostPorts(paths: LabPaths, { hostPorts }: LabSettings): void {
  const own = readSettings(paths)?.hostPorts ?? [];
  if (own.join() === hostPorts.join()) return;
  const command = commandFor(paths.lab);
  const asked = hostPorts.map((port) => ` --allow-host-port ${port}`).join("");
  throw new Error(
    `lab ${paths.lab} runs with other ports of the machine: \`${command} stop\`, then \`${command} up${asked}\``,
  );
}

/** `start`: like `up`, but for a lab that was stopped before. */
export function start(paths: LabPaths, options: UpOptions = {}): Promise<UpResult> {
  if (!existsSync(paths.database)) {
    throw new Error(`there is no stopped lab ${paths.lab}: \`${commandFor(paths.lab)} up\` makes a new one`);
  }
  return up(paths, options);
}

/** `stop`: ends the lab and keeps its objects. False when it did not run. */
export function stop(paths: LabPaths): Promise<boolean> {
  return withLabLock(paths.lab, async () => {
    const ran = existsSync(paths.run);
    await teardown(paths);
    return ran;
  });
}

/** `down`: ends the lab and deletes its objects. False when there was none. */
export function down(paths: LabPaths): Promise<boolean> {
  return withLabLock(paths.lab, async () => {
    const existed = existsSync(paths.run) || existsSync(paths.state);
    await deleteLab(paths);
    return existed;
  });
}

async function startFresh(paths: LabPaths, settings: LabSettings): Promise<void> {
  const missing = doctor(paths.root, settings).filter((check) => !check.ok);
  if (missing.length > 0) {
    throw new Error(missing.map((check) => `${check.name}: ${check.seen}; ${check.mend}`).join("\n"));
  }
  await teardown(paths);
  await mountMemory(paths.run);
  for (const directory of [paths.state, paths.logs, paths.pods]) {
    mkdirSync(directory, { recursive: true });
  }
  writeSettings(paths, settings);
  makeMountPoints();
  const [ports] = await Promise.all([choosePorts(paths), createNetwork(paths, settings), mountBpffs(paths.bpf)]);
  writeConfiguration(paths, ports, settings);
  writePrograms(paths, ports.relay, settings.nodes);
  startSupervisor(paths);
}

function startSupervisor(paths: LabPaths): void {
  if (isAlive(readRecord(paths, "supervisor"))) return;
  rmSync(join(paths.run, "supervisor.json"), { force: true });
  const log = openSync(join(paths.logs, "supervisor.log"), "a");
  const args = [...flagsOf("supervisor"), join(paths.root, "dist/supervisor.mjs"), "--name", paths.lab];
  spawn(process.execPath, args, { detached: true, stdio: ["ignore", log, log], cwd: "/" }).unref();
  closeSync(log);
}
