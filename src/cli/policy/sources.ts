import { existsSync, globSync, readdirSync, realpathSync, statSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import type { ManifestText, Problem } from "../../prove/manifest.ts";
import { inputKind, readFile, readStream, TextFault, textOf } from "./input.ts";
import { type RevisionFile, readRevision } from "./revision.ts";

export interface SourceOptions {
  /** Reads the paths as they are at this revision of git, not as they are now. */
  readonly revision?: string;
  /** Files and folders to pass over, as globs of their names or paths. */
  readonly skip?: readonly string[];
  /** Whether files of tests in folders are read too. */
  readonly tests?: boolean;
  /** Whether a path that the revision does not have yet is no fault. */
  readonly mayBeMissing?: boolean;
  /** Bytes of all files together. */
  readonly mostBytes?: number;
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
/** Bytes of one file or stream, and of all together. */
const LONGEST_TEXT = 64 << 20;
const MOST_BYTES = 256 << 20;

/** Nothing more is read. */
class TooMuch extends Error {}

/**
 * Reads files, folders (`*.yaml`, `*.yml` and `*.json` in them and below), globs, pipes, and `-` for standard input, each file once;
 * what came from a pipe is there again for who reads it again. What cannot be read, devices among it, is an error of its own.
 * `.git` and `node_modules` are passed over.
 */
export async function readSources(
  paths: readonly string[],
  { revision, skip = [], tests = false, mayBeMissing = false, mostBytes = MOST_BYTES }: SourceOptions,
): Promise<ReadSources> {
  const problems: Problem[] = [];
  const texts = new Map<string, ManifestText>();
  let bytes = 0;
  const fail = (file: string, error: unknown) =>
    problems.push({
      severity: "error",
      file,
      line: error instanceof TextFault ? error.line : 1,
      message: (error as Error).message,
    });
  const add = (file: string, text: string, promise: Problem | undefined) => {
    bytes += text.length;
    if (bytes > mostBytes) throw new TooMuch(`the files up to this one are longer than ${mostBytes} bytes: give fewer`);
    texts.set(file, { file, text, ...(promise === undefined ? {} : { ifBare: [promise] }) });
  };
  const isSkipped = (file: string) =>
    (!tests && TEST_FILE.test(file)) ||
    isLeftOut(revision === undefined ? file : withoutRevision(file, revision), skip);
  const isKnown = (file: string, promise: Problem | undefined) => {
    const known = texts.get(file);
    if (known !== undefined && promise !== undefined)
      texts.set(file, { ...known, ifBare: [...(known.ifBare ?? []), promise] });
    return known !== undefined;
  };
  for (const path of new Set(paths)) {
    try {
      if (revision !== undefined && !isStream(path)) {
        const files = filesAt(path, revision);
        if (files.length === 0 && mayBeMissing)
          problems.push({
            severity: "warning",
            file: path,
            line: 1,
            message: `not there at ${revision}: all of it is new`,
          });
        else if (files.length === 0) throw new Error(`holds no *.yaml, *.yml or *.json at ${revision}`);
        // What was bare before is, as what was not there, new as a whole.
        const promise = bareFault(`${revision}:${path}`, mayBeMissing ? "warning" : "error");
        for (const { file, content } of files) {
          if (isSkipped(file) || isKnown(file, promise)) continue;
          try {
            add(file, textOf(content), promise);
          } catch (error) {
            fail(file, error);
            if (error instanceof TooMuch) return { texts: [...texts.values()], problems };
          }
        }
        continue;
      }
      // Who wants nothing says so.
      const promise = path === "/dev/null" ? undefined : bareFault(path, "error");
      for (const file of filesOf(path, fail)) {
        if (isSkipped(file) || isKnown(file, promise)) continue;
        try {
          const isOnce = inputKind(file) === "stream";
          // Nobody perhaps ever writes into a pipe that lies about in a folder.
          if (isOnce && file !== path) throw new Error("is a pipe, which is read only where it is named itself");
          add(file, isOnce ? await readStream(file, LONGEST_TEXT) : readFile(file, LONGEST_TEXT), promise);
        } catch (error) {
          fail(file, error);
          if (error instanceof TooMuch) return { texts: [...texts.values()], problems };
        }
      }
    } catch (error) {
      fail(path, error);
    }
  }
  return { texts: [...texts.values()], problems };
}

/** Whether a glob matches the file or a folder above it, by name or by path. */
function isLeftOut(file: string, globs: readonly string[]): boolean {
  if (globs.length === 0) return false;
  const names = file.split("/");
  return names.some((name, index) => {
    const path = names.slice(0, index + 1).join("/");
    return globs.some((glob) => matchesGlob(path, glob) || matchesGlob(name, glob));
  });
}

/** `main:k8s/a.yaml` -> `k8s/a.yaml`. */
export function withoutRevision(file: string, revision: string): string {
  return file.startsWith(`${revision}:`) ? file.slice(revision.length + 1) : file;
}

function bareFault(file: string, severity: Problem["severity"]): Problem {
  const mend = severity === "error" ? " (where nothing is wanted, give /dev/null)" : ": all of it is new";
  return { severity, file, line: 1, message: `holds no object of Kubernetes${mend}` };
}

/** Whether it can be read once alone, and is in no revision: standard input, a pipe. */
export function isStream(path: string): boolean {
  return path === "-" || statSync(path, { throwIfNoEntry: false })?.isFIFO() === true;
}

type Fail = (file: string, error: unknown) => void;

function filesOf(path: string, fail: Fail): string[] {
  if (path === "-") return ["-"];
  if (!existsSync(path)) {
    const found = /[*?[{]/.test(path) ? globSync(path).sort() : [];
    if (found.length === 0) throw new Error(`there is no such file, and no file of that pattern`);
    return found.flatMap((each) => filesOf(each, fail));
  }
  if (inputKind(path) !== "folder") return [path];
  const problems: [file: string, error: unknown][] = [];
  const found = [...filesBelow(path, (...problem) => problems.push(problem), new Set())];
  for (const problem of problems) fail(...problem);
  if (found.length + problems.length === 0) throw new Error("holds no *.yaml, *.yml or *.json");
  return found;
}

/** Links to folders are followed; a folder that is reached twice is read once, so that links may go round. */
function* filesBelow(folder: string, fail: Fail, known: Set<string>): Iterable<string> {
  try {
    const real = realpathSync(folder);
    if (known.has(real)) return;
    known.add(real);
    const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const path = join(folder, entry.name);
      const isLink = entry.isSymbolicLink();
      if (entry.isDirectory() || (isLink && existsSync(path) && statSync(path).isDirectory())) {
        if (!FOREIGN.has(entry.name)) yield* filesBelow(path, fail, known);
      } else if (MANIFEST.test(entry.name)) yield path;
    }
  } catch (error) {
    fail(folder, error);
  }
}

function filesAt(path: string, revision: string): RevisionFile[] {
  return readRevision(path, revision, {
    isWanted: (file) => MANIFEST.test(file) && !file.split("/").some((part) => FOREIGN.has(part)),
    mostBytes: MOST_BYTES,
  });
}
