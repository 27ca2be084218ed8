import { appendFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What clients learned from DNS, on disk: a whole now and then, and what came after it, line by line. */
export interface NameFiles {
  /** Undefined when nothing was ever kept. */
  whole(): string | undefined;
  /** What was added after the whole, in order; a line that a crash cut off is among them. */
  added(): readonly string[];
  add(line: string): void;
  /** Takes the place of all that was kept. */
  replace(whole: string): void;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** In a directory that is there. Each call is done when it returns; the disk is not waited for, a restarted machine has no connections. */
export function openNameFiles(directory: string): NameFiles {
  const whole = join(directory, "fqdn-cache.json");
  const added = join(directory, "fqdn-cache.added");
  return {
    whole: () => read(whole),
    added: () => (read(added) ?? "").split("\n").filter((line) => line !== ""),
    // A half line that a full disk left must not spoil the next one.
    add: (line) => appendFileSync(added, `\n${line}`),
    replace: (text) => {
      writeFileSync(`${whole}.new`, text);
      renameSync(`${whole}.new`, whole);
      rmSync(added, { force: true });
    },
  };
}
