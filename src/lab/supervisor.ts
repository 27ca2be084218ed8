import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { isAlive, signal, startTicks } from "../runtime/process/process-table.ts";
import { buildStamp } from "./build-stamp.ts";
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
/** How long a process of a node that is being removed may take to end. */
const END_GRACE_MS = 3000;

/**
 * Keeps the processes of the lab running. They are not tied to it: when it dies they go on, and the next supervisor
 * finds them by their records.
 */
export class Supervisor {
  private readonly paths: LabPaths;
  private wanted: ReadonlyMap<string, ProcessSpec> = new Map();
  /** Processes that were started or adopted, by name. */
  private readonly watched = new Set<string>();
  private readonly failures = new Map<string, number>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private stopped = false;

  constructor(paths: LabPaths) {
    this.paths = paths;
  }

  /** Starts what does not run and adopts what does; those of `unwanted` are ended. What is known already is left alone. */
  follow(specs: readonly ProcessSpec[], unwanted: readonly string[]): void {
    this.wanted = new Map(specs.map((spec) => [spec.name, spec]));
    for (const name of unwanted) this.end(name, Date.now() + END_GRACE_MS, "SIGTERM");
    for (const spec of specs) {
      if (this.watched.has(spec.name)) continue;
      this.watched.add(spec.name);
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
    const { nice = 0 } = spec;
    const [program, ...args] = nice === 0 ? spec.argv : ["nice", "-n", String(nice), ...spec.argv];
    const child = spawn(program!, args, { detached: true, stdio: ["ignore", log, log], cwd: "/" });
    closeSync(log);
    const launchedAt = Date.now();
    child.on("error", (error) => console.error(`${spec.name}: ${error.message}`));
    child.on("exit", (code, signal) => this.onExit(spec, restarts, launchedAt, `${signal ?? `exit code ${code}`}`));
    if (child.pid !== undefined && nice !== 0) setGroupNice(child.pid, nice);
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
    const build = buildStamp(this.paths.root);
    writeRecord(this.paths, spec.name, { pid, startTicks: ticks, startedAtMs, restarts, logPath: spec.logPath, build });
    if (!this.wanted.has(spec.name)) this.end(spec.name, Date.now() + END_GRACE_MS, "SIGTERM");
  }

  /** Ends a process: asked first, killed when it does not heed that. */
  private end(name: string, deadline: number, how?: "SIGTERM"): void {
    const record = readRecord(this.paths, name);
    if (record === undefined || this.wanted.has(name)) return;
    if (!isAlive(record)) {
      deleteRecord(this.paths, name);
      return;
    }
    if (how !== undefined) signal(record.pid, how);
    else if (Date.now() > deadline) signal(record.pid, "SIGKILL");
    this.later(ADOPTED_POLL_MS, () => this.end(name, deadline));
  }

  private watchAdopted(spec: ProcessSpec, record: ProcessRecord): void {
    if (isAlive(record)) this.later(ADOPTED_POLL_MS, () => this.watchAdopted(spec, record));
    else this.onExit(spec, record.restarts, record.startedAtMs, "ended");
  }

  private onExit({ name }: ProcessSpec, restarts: number, launchedAt: number, how: string): void {
    if (this.stopped) return;
    deleteRecord(this.paths, name);
    const failures = Date.now() - launchedAt > HEALTHY_MS ? 1 : (this.failures.get(name) ?? 0) + 1;
    this.failures.set(name, failures);
    const next = this.wanted.has(name) ? `restart in ${backOffMs(failures)} ms` : "no longer wanted";
    console.error(`${new Date().toISOString()} ${name}: ${how}; ${next}`);
    this.later(this.wanted.has(name) ? backOffMs(failures) : 0, () => this.again(name, restarts + 1));
  }

  private again(name: string, restarts: number): void {
    const spec = this.wanted.get(name);
    if (spec !== undefined) {
      this.launch(spec, restarts);
      return;
    }
    this.watched.delete(name);
    this.failures.delete(name);
  }

  private later(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (!this.stopped) action();
    }, ms);
    this.timers.add(timer);
  }
}

/** A kernel that shares the processor out among sessions first goes by what each of them has; `nice` tells only threads of one apart. */
function setGroupNice(pid: number, nice: number): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(nice));
  } catch {
    // a kernel without such groups, or one that does not let us: it runs like all others
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
