import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { isAlive, startTicks } from "../runtime/process/process-table.ts";
import type { LabPaths } from "./paths.ts";
import { deleteRecord, type ProcessRecord, readRecord, writeRecord } from "./process-record.ts";
import type { ProcessSpec } from "./processes.ts";

/** Wait before the n-th restart in a row, in ms: none for the first, then doubling to 5 s. */
export function backOffMs(failures: number): number {
  return failures <= 1 ? 0 : Math.min(5000, 50 * 2 ** (failures - 2));
}

/** A process that lived this long is healthy: the next restart is at once again. */
const HEALTHY_MS = 10_000;
/** How often adopted processes, which are not our children, are looked at. */
const ADOPTED_POLL_MS = 100;

/**
 * Keeps the processes of the lab running. They are not tied to it: when it dies they go on, and the next supervisor
 * finds them by their records.
 */
export class Supervisor {
  private readonly paths: LabPaths;
  private readonly specs: readonly ProcessSpec[];
  private readonly failures = new Map<string, number>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private stopped = false;

  constructor(paths: LabPaths, specs: readonly ProcessSpec[]) {
    this.paths = paths;
    this.specs = specs;
  }

  /** Starts what does not run and adopts what does. */
  start(): void {
    for (const spec of this.specs) {
      const record = readRecord(this.paths, spec.name);
      if (record !== undefined && isAlive(record)) this.watchAdopted(spec, record);
      else this.launch(spec, record === undefined ? 0 : record.restarts + 1);
    }
  }

  /** Stops supervising; the processes go on. */
  stop(): void {
    this.stopped = true;
    for (const timer of this.timers) clearTimeout(timer);
  }

  private launch(spec: ProcessSpec, restarts: number): void {
    mkdirSync(dirname(spec.logPath), { recursive: true });
    const log = openSync(spec.logPath, "a");
    const [program, ...args] = spec.argv;
    const child = spawn(program!, args, { detached: true, stdio: ["ignore", log, log], cwd: "/" });
    closeSync(log);
    const launchedAt = Date.now();
    child.on("error", (error) => console.error(`${spec.name}: ${error.message}`));
    child.on("exit", (code, signal) => this.onExit(spec, restarts, launchedAt, `${signal ?? `exit code ${code}`}`));
    if (child.pid !== undefined) this.record(spec, child, restarts, launchedAt);
  }

  /** Writes the record once the real process is there; a forking parent needs a moment. */
  private record(spec: ProcessSpec, child: ChildProcess, restarts: number, startedAtMs: number): void {
    const pid = spec.forks ? onlyChild(child.pid!) : child.pid!;
    const ticks = pid === undefined ? undefined : startTicks(pid);
    if (pid === undefined || ticks === undefined) {
      if (child.exitCode === null && child.signalCode === null) {
        this.later(2, () => this.record(spec, child, restarts, startedAtMs));
      }
      return;
    }
    writeRecord(this.paths, spec.name, { pid, startTicks: ticks, startedAtMs, restarts, logPath: spec.logPath });
  }

  private watchAdopted(spec: ProcessSpec, record: ProcessRecord): void {
    if (isAlive(record)) this.later(ADOPTED_POLL_MS, () => this.watchAdopted(spec, record));
    else this.onExit(spec, record.restarts, record.startedAtMs, "ended");
  }

  private onExit(spec: ProcessSpec, restarts: number, launchedAt: number, how: string): void {
    if (this.stopped) return;
    deleteRecord(this.paths, spec.name);
    const failures = Date.now() - launchedAt > HEALTHY_MS ? 1 : (this.failures.get(spec.name) ?? 0) + 1;
    this.failures.set(spec.name, failures);
    console.error(`${new Date().toISOString()} ${spec.name}: ${how}; restart in ${backOffMs(failures)} ms`);
    this.later(backOffMs(failures), () => this.launch(spec, restarts + 1));
  }

  private later(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (!this.stopped) action();
    }, ms);
    this.timers.add(timer);
  }
}

/** The one child of a process, or undefined while it has none. */
function onlyChild(pid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return children === "" ? undefined : Number(children.split(" ")[0]);
  } catch {
    return undefined;
  }
}
