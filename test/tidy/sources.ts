import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One file of the checkout. */
export interface Source {
  /** From the checkout's root, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** What a gate complains about. */
export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** The text files that git tracks or would track; generated and ignored ones are left out. */
export function readSources(root: string): Source[] {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 16 << 20,
  });
  return listed
    .split("\0")
    .filter((path) => path !== "" && existsSync(join(root, path)))
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }))
    .filter((source) => !source.text.includes("\0"));
}

export function lineOf(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < index; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
