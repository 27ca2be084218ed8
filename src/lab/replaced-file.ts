import { existsSync, readFileSync, renameSync, watch, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";

/** Gives a file another text in one step, so that a reader never sees half of it; leaves one alone that has it already. */
export function replaceFile(path: string, text: string): void {
  if (textOf(path) === text) return;
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Calls back each time that the file is replaced, for as long as this process lives. The directory must be there. */
export function onReplaced(path: string, listener: () => void): void {
  watch(dirname(path), (_, name) => {
    if (name === basename(path) && existsSync(path)) listener();
  });
}
