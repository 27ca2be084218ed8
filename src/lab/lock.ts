import { linkSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startTicks } from "../runtime/process/process-table.ts";

/** Directory for locks: beside the labs' run directories, which come and go. */
const LOCKS = "/run/shieldgate";

/** Of this process so far: each has a file of its own. */
let waiters = 0;

/** Runs `work` while no other `up`, `down`, `stop`, `start` or `node` of the same lab runs; waits for one that does. */
export async function withLabLock<T>(lab: string, work: () => Promise<T>): Promise<T> {
  const path = join(LOCKS, `${lab}.lock`);
  const own = `${path}.${process.pid}.${waiters++}`;
  announce(own);
  removeLeftovers(lab);
  try {
    while (!take(own, path)) await sleep(20);
    return await work();
  } finally {
    rmSync(own, { force: true });
    if (holder(path) === process.pid) rmSync(path, { force: true });
    removeDirectory();
  }
}

/** Writes our own file; the directory may go with another lab's last file just then. */
function announce(own: string): void {
  for (;;) {
    mkdirSync(LOCKS, { recursive: true });
    try {
      writeFileSync(own, `${process.pid} ${startTicks(process.pid)}`);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/** The directory goes when no lab and no waiter is left. */
function removeDirectory(): void {
  try {
    rmdirSync(LOCKS);
  } catch {
    // a lab runs, or somebody waits
  }
}

/** Files of waiters that were killed. */
function removeLeftovers(lab: string): void {
  for (const name of readdirSync(LOCKS)) {
    const path = join(LOCKS, name);
    if (name.startsWith(`${lab}.lock.`) && holder(path) === undefined) rmSync(path, { force: true });
  }
}

/** Takes the lock by linking: the name appears with its content, or not at all. A dead holder's lock is removed. */
function take(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (holder(path) === undefined) rmSync(path, { force: true });
    return false;
  }
}

function holder(path: string): number | undefined {
  try {
    const [pid, ticks] = readFileSync(path, "utf8").split(" ");
    return startTicks(Number(pid)) === ticks ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}
