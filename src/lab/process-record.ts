import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { LabPaths } from "./paths.ts";

/** What is on disk about a running process of the lab, so that a new supervisor or the kubelet can find it. */
export interface ProcessRecord {
  readonly pid: number;
  /** Start time in clock ticks since boot (/proc/<pid>/stat field 22): tells a reused pid. */
  readonly startTicks: string;
  readonly startedAtMs: number;
  readonly restarts: number;
  readonly logPath: string;
}

export function recordPath(paths: LabPaths, name: string): string {
  return join(paths.run, `${name}.json`);
}

export function readRecord(paths: LabPaths, name: string): ProcessRecord | undefined {
  try {
    return JSON.parse(readFileSync(recordPath(paths, name), "utf8")) as ProcessRecord;
  } catch {
    return undefined;
  }
}

/** Replaces the record in one step, so that a reader never sees half of it. */
export function writeRecord(paths: LabPaths, name: string, record: ProcessRecord): void {
  const path = recordPath(paths, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, JSON.stringify(record));
  renameSync(`${path}.new`, path);
}

export function deleteRecord(paths: LabPaths, name: string): void {
  rmSync(recordPath(paths, name), { force: true });
}

/** Start time of a live process in clock ticks since boot, or undefined when it has ended (a zombie has). */
export function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export function isAlive(record: ProcessRecord | undefined): boolean {
  return record !== undefined && startTicks(record.pid) === record.startTicks;
}
