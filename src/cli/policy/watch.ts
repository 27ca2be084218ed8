import { type FSWatcher, statSync, watch } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/** An editor writes a file in several steps: what follows within this time is one change. Milliseconds. */
const SETTLED_MS = 15;

/** What is run again and again. */
export interface Watched<T> {
  /** `read` = every path that the result hangs on. */
  readonly run: () => Promise<{ result: T; read: readonly string[] }>;
  /** What is known to be read before the first run. */
  readonly paths: readonly string[];
  /** Called when changes are waited for. */
  readonly onWaiting: () => void;
}

/**
 * Runs again whenever something changes in the paths that the last run read, until the signal; returns what the last run returned.
 * A folder is watched with all below it. A path that is gone is no longer watched.
 */
export async function runWatching<T>({ run, paths, onWaiting }: Watched<T>, signal: AbortSignal): Promise<T> {
  let last = paths;
  for (;;) {
    let changed: () => void = () => {};
    const change = new Promise<void>((resolve) => {
      changed = resolve;
    });
    signal.addEventListener("abort", changed, { once: true });
    // What the last run read is watched before it is read again, so that no change falls between the two.
    const early = watched(last, changed);
    const { result, read } = await run();
    const watchers = [
      ...early,
      ...watched(
        read.filter((path) => !last.includes(path)),
        changed,
      ),
    ];
    last = read;
    onWaiting();
    if (!signal.aborted) await change;
    for (const watcher of watchers) watcher.close();
    signal.removeEventListener("abort", changed);
    if (signal.aborted) return result;
    await wait(SETTLED_MS);
  }
}

function watched(paths: readonly string[], changed: () => void): FSWatcher[] {
  return [...new Set(paths)].flatMap((path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    // Editors put a new file in the place of the old one: its folder tells.
    const folder = stat === undefined || !stat.isDirectory() ? dirname(path) : path;
    if (statSync(folder, { throwIfNoEntry: false }) === undefined) return [];
    const watcher = watch(folder, { recursive: folder === path }, changed);
    watcher.on("error", changed);
    return [watcher];
  });
}
