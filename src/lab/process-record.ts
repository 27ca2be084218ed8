import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ProcessIdentity } from "../runtime/process/process-table.ts";
import type { LabPaths } from "./paths.ts";

/** What is on disk about a running process of the lab, so that a new supervisor or the kubelet can find it. */
export interface ProcessRecord extends ProcessIdentity {
  readonly startedAtMs: number;
  readonly restarts: number;
  readonly logPath: string;
  /** The build that was there when it was started (`buildStamp`); absent = from before there was such a note. */
  readonly build?: string;
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
