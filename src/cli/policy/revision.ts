import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";

/** A file of a commit, named `REVISION:path`. */
export interface RevisionFile {
  readonly file: string;
  readonly content: Buffer;
}

export interface RevisionOptions {
  /** By the path in the repository. */
  readonly isWanted: (path: string) => boolean;
  /** Of one answer of git. */
  readonly mostBytes: number;
}

/**
 * The files of a folder, or one file, as they are at a revision of git; none where the path is not there. Throws an Error that says
 * what to do where git, the repository or the revision is missing.
 */
export function readRevision(path: string, revision: string, { isWanted, mostBytes }: RevisionOptions): RevisionFile[] {
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  const folder = isFolder ? path : existsSync(dirname(path)) ? dirname(path) : ".";
  const git = (args: readonly string[], input = "") => {
    try {
      const stdio: ["pipe", "pipe", "pipe"] = ["pipe", "pipe", "pipe"];
      return execFileSync("git", ["-C", folder, ...args], { input, maxBuffer: mostBytes, stdio });
    } catch (error) {
      throw inOurWords(error as GitError, folder, revision);
    }
  };
  const tree = git(["rev-parse", "--verify", "--end-of-options", `${revision}^{tree}`])
    .toString()
    .trim();
  const which = isFolder ? [] : ["--", folder === "." ? path : basename(path)];
  const listed = git(["ls-tree", "-r", "-z", "--full-name", tree, ...which])
    .toString()
    .split("\0");
  const files = listed.flatMap((line) => {
    const [, type, id, file] = /^\d+ (\w+) (\w+)\t(.*)$/s.exec(line) ?? [];
    return type === "blob" && isWanted(file!) ? [{ id: id!, file: `${revision}:${file}` }] : [];
  });
  if (files.length === 0) return [];
  const all = git(["cat-file", "--batch"], files.map(({ id }) => `${id}\n`).join(""));
  let at = 0;
  return files.map(({ file }) => {
    const end = all.indexOf(10, at);
    const size = Number(all.toString("utf8", at, end).split(" ")[2]);
    at = end + 1 + size + 1;
    return { file, content: all.subarray(end + 1, end + 1 + size) };
  });
}

interface GitError extends Error {
  readonly code?: string;
  readonly stderr?: Buffer | null;
}

function inOurWords({ code, stderr, message }: GitError, folder: string, revision: string): Error {
  if (code === "ENOENT")
    return new Error(
      `${revision} is read by git, which is not installed: install it, or give --before and --after folders`,
    );
  if (code === "ENOBUFS") return new Error(`${folder} at ${revision} is too large to be read`);
  const said = stderr?.toString().trim() ?? message;
  if (/not a git repository/i.test(said))
    return new Error(
      `${folder} is in no git repository, so that it has no revision ${revision}: give --before and --after folders`,
    );
  if (/dubious ownership/i.test(said))
    return new Error(
      `${folder} belongs to another user, and git reads it only after git config --global --add safe.directory '*'`,
    );
  if (/Needed a single revision|unknown revision|bad revision|Not a valid object/i.test(said))
    return new Error(
      `${revision} is no branch, tag or commit of this repository: \`git branch -a\` and \`git tag\` list them, ` +
        "`git fetch` brings what the server has (a shallow clone lacks most: `git fetch --unshallow`, fetch-depth: 0 in a workflow)",
    );
  return new Error(`git cannot read ${folder} at ${revision}: ${said.split("\n")[0]}`);
}
