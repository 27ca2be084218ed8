import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../runtime/process/process-table.ts";
import type { LabPaths } from "./paths.ts";
import type { ProcessRecord } from "./process-record.ts";

/** What the lab's processes are started from. */
const PARTS = ["dist", "dist/native", "bpf/build"];
const PROGRAM = /\.(mjs|so|o)$|^shieldgate-pod$/;

/** A text that tells the programs that are built now from those before: of their names, sizes and times. "" when there are none. */
export function buildStamp(root: string): string {
  const files = PARTS.flatMap((part) => {
    try {
      const names = readdirSync(join(root, part)).filter((name) => PROGRAM.test(name));
      return names.sort().map((name) => join(part, name));
    } catch {
      return [];
    }
  });
  if (files.length === 0) return "";
  const hash = createHash("sha256");
  for (const file of files) {
    const { size, mtimeMs } = statSync(join(root, file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex").slice(0, 16);
}

/** True for a process that runs, and was started from another build than the one that is there now. */
export const isOutdated = (paths: LabPaths, record: ProcessRecord | undefined): boolean =>
  isAlive(record) && record?.build !== buildStamp(paths.root);
