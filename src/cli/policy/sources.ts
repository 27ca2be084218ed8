import { execFileSync } from "node:child_process";
import { existsSync, globSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, matchesGlob } from "node:path";
import type { ManifestText, Problem } from "../../prove/manifest.ts";
import { openText, readAll } from "./input.ts";

export interface SourceOptions {
  /** Reads the paths as they are at this revision of git, not as they are now. */
  readonly revision?: string;
  /** Files to pass over, as globs of their names or paths. */
  readonly skip?: readonly string[];
  /** Whether files of tests in folders are read too. */
  readonly tests?: boolean;
  /** Whether a path that the revision does not have yet is no fault. */
  readonly mayBeMissing?: boolean;
}

export interface ReadSources {
  readonly texts: readonly ManifestText[];
  readonly problems: readonly Problem[];
}

const MANIFEST = /\.(ya?ml|json)$/i;
/** Files of tests, which are no manifests. */
export const TEST_FILE = /\.policytest\.ya?ml$/;
/** Folders that hold what is not the project's own. */
const FOREIGN = new Set([".git", "node_modules"]);
/** Bytes of one file, and of all files together. */
const LONGEST_TEXT = 64 << 20;
const MOST_BYTES = 256 << 20;

/**
 * Reads files, folders (`*.yaml`, `*.yml` and `*.json` in them and below), globs, and `-` for standard input, each file once.
 * What cannot be read is an error of its own. `.git` and `node_modules` are passed over.
 */
export async function readSources(
  paths: readonly string[],
  { revision, skip = [], tests = false, mayBeMissing = false }: SourceOptions,
): Promise<ReadSources> {
  const problems: Problem[] = [];
  const texts: ManifestText[] = [];
  let bytes = 0;
  const fail = (file: string, error: unknown) =>
    problems.push({ severity: "error", file, line: 1, message: (error as Error).message });
  const read = async (file: string) => {
    if (file === "-") return readAll(openText("-"), LONGEST_TEXT);
    if (statSync(file).size > LONGEST_TEXT) throw new Error(`longer than ${LONGEST_TEXT} bytes`);
    return readFileSync(file, "utf8");
  };
  const add = (file: string, text: string) => {
    bytes += text.length;
    if (bytes > MOST_BYTES) throw new Error(`the files together are longer than ${MOST_BYTES} bytes`);
    texts.push({ file, text });
  };
  const isSkipped = (file: string) =>
    (!tests && TEST_FILE.test(file)) ||
    skip.some((glob) => matchesGlob(file, glob) || matchesGlob(basename(file), glob));
  for (const path of new Set(paths)) {
    try {
      if (revision !== undefined && path !== "-") {
        for (const { file, text } of readRevision(path, revision, mayBeMissing)) if (!isSkipped(file)) add(file, text);
        continue;
      }
      for (const file of filesOf(path)) {
        if (isSkipped(file) || texts.some((known) => known.file === file)) continue;
        try {
          add(file, await read(file));
        } catch (error) {
          fail(file, error);
        }
      }
    } catch (error) {
      fail(path, error);
    }
  }
  return { texts, problems };
}

function filesOf(path: string): string[] {
  if (path === "-") return ["-"];
  if (!existsSync(path)) {
    const found = /[*?[{]/.test(path) ? globSync(path).sort() : [];
    if (found.length === 0) throw new Error(`there is no such file, and no file of that pattern`);
    return found.flatMap(filesOf);
  }
  if (!statSync(path).isDirectory()) return [path];
  const found = filesBelow(path);
  if (found.length === 0) throw new Error("holds no *.yaml, *.yml or *.json");
  return found;
}

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return FOREIGN.has(entry.name) ? [] : filesBelow(path);
    return MANIFEST.test(entry.name) ? [path] : [];
  });
}

/** The files of a folder, or one file, as they are in a commit; named `REVISION:path`. */
function readRevision(path: string, revision: string, mayBeMissing: boolean): ManifestText[] {
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  const folder = isFolder ? path : existsSync(dirname(path)) ? dirname(path) : ".";
  const git = (args: readonly string[], input = "") =>
    execFileSync("git", ["-C", folder, ...args], { input, maxBuffer: MOST_BYTES, stdio: ["pipe", "pipe", "pipe"] });
  const tree = git(["rev-parse", "--verify", "--end-of-options", `${revision}^{tree}`])
    .toString()
    .trim();
  const which = isFolder ? [] : ["--", folder === "." ? path : basename(path)];
  const listed = git(["ls-tree", "-r", "-z", "--full-name", tree, ...which])
    .toString()
    .split("\0");
  const files = listed.flatMap((line) => {
    const [, type, id, file] = /^\d+ (\w+) (\w+)\t(.*)$/s.exec(line) ?? [];
    const isOwn = !file?.split("/").some((part) => FOREIGN.has(part));
    return type === "blob" && isOwn && MANIFEST.test(file!) ? [{ id: id!, file: `${revision}:${file}` }] : [];
  });
  if (files.length === 0 && mayBeMissing) return [];
  if (files.length === 0) throw new Error(`holds no *.yaml, *.yml or *.json at ${revision}`);
  const content = git(["cat-file", "--batch"], files.map(({ id }) => `${id}\n`).join(""));
  let at = 0;
  return files.map(({ file }) => {
    const end = content.indexOf(10, at);
    const size = Number(content.toString("utf8", at, end).split(" ")[2]);
    const text = content.toString("utf8", end + 1, end + 1 + size);
    at = end + 1 + size + 1;
    return { file, text };
  });
}
