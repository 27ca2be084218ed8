import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { RuntimeError, type SandboxConfig } from "../port.ts";
import { Container } from "./container.ts";
import { identify, isAlive, type ProcessIdentity, signal } from "./process-table.ts";
import { writeEtc } from "./root-filesystem.ts";

const run = promisify(execFile);

/** What lies on disk about a sandbox. */
export interface SandboxRecord {
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly hostname: string;
  readonly holder: ProcessIdentity;
  /** Host user id of the pod's root; 65536 ids from here are the pod's. */
  readonly uidBase: number;
  /** The holder is the first process of a pid namespace that all containers join. */
  readonly sharesProcesses?: boolean;
}

export interface Sandbox {
  readonly directory: string;
  readonly record: SandboxRecord;
  readonly containers: Map<string, Container>;
}

/** A quarter of all user ids, beyond any login; below 2^31, where the kernel's list of groups that may ping ends. */
const FIRST_UID = 2 ** 30;
const RANGES = 16_000;
const RANGE = 65_536;

function freeUidBase(id: string, taken: ReadonlySet<number>): number {
  const start = createHash("sha256").update(id).digest().readUInt32LE() % RANGES;
  for (let step = 0; step < RANGES; step++) {
    const base = FIRST_UID + ((start + step) % RANGES) * RANGE;
    if (!taken.has(base)) return base;
  }
  throw new RuntimeError("CreatePodSandboxError", `all ${RANGES} user id ranges are in use: delete pods`);
}

/** Makes a pod's namespaces, held by a sleeping process, and its /etc. */
export async function createSandbox(podProgram: string, config: SandboxConfig, taken: Set<number>): Promise<Sandbox> {
  const uidBase = freeUidBase(config.id, taken);
  taken.add(uidBase);
  try {
    mkdirSync(join(config.directory, "containers"), { recursive: true, mode: 0o700 });
    mkdirSync(join(config.directory, "etc"), { recursive: true });
    writeEtc(join(config.directory, "etc"), config);
    const { stdout } = await run(
      podProgram,
      ["hold", config.hostname.slice(0, 63), String(uidBase), ...(config.sharesProcesses ? ["pids"] : [])],
      { env: {}, cwd: "/" },
    );
    const holder = identify(Number(stdout));
    if (holder === undefined) throw new Error("the holder ended at once");
    const { id, namespace, name, hostname, sharesProcesses = false } = config;
    const record: SandboxRecord = { id, namespace, name, hostname, holder, uidBase, sharesProcesses };
    writeFileSync(join(config.directory, "sandbox.json"), JSON.stringify(record), { mode: 0o600 });
    return { directory: config.directory, record, containers: new Map() };
  } catch (error) {
    taken.delete(uidBase);
    throw new RuntimeError(
      "CreatePodSandboxError",
      `namespaces of ${config.namespace}/${config.name}: ${(error as Error).message}`,
    );
  }
}

/** Reads what an earlier process left in `directory`, or undefined when nothing usable is there. */
export function adoptSandbox(
  directory: string,
  onExit: (id: string, container: string, code: number) => void,
): Sandbox | undefined {
  const path = join(directory, "sandbox.json");
  if (!existsSync(path)) return undefined;
  const record = JSON.parse(readFileSync(path, "utf8")) as SandboxRecord;
  const containers = new Map<string, Container>();
  for (const name of readdirSync(join(directory, "containers"))) {
    const container = Container.adopt(join(directory, "containers", name), (code) => onExit(record.id, name, code));
    if (container !== undefined) containers.set(name, container);
  }
  return { directory, record, containers };
}

export function sandboxLives(sandbox: Sandbox): boolean {
  return isAlive(sandbox.record.holder);
}

/** Ends every process of the sandbox, then removes its namespaces (with their last process) and its directory. */
export async function removeSandbox(sandbox: Sandbox): Promise<void> {
  await Promise.all([...sandbox.containers.values()].map((container) => container.stop(0)));
  for (const container of sandbox.containers.values()) container.release();
  if (sandboxLives(sandbox)) signal(sandbox.record.holder.pid, "SIGKILL");
  rmSync(sandbox.directory, { recursive: true, force: true });
}
