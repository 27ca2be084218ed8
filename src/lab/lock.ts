import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startTicks } from "../runtime/process/process-table.ts";

/** Directory for locks: beside the labs' run directories, which come and go. */
const LOCKS = "/run/shieldgate";

/** Runs `work` while no other `up`, `down`, `stop` or `start` of the same lab runs; waits for one that does. */
export async function withLabLock<T>(lab: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(LOCKS, { recursive: true });
  const path = join(LOCKS, `${lab}.lock`);
  const own = `${path}.${process.pid}`;
  removeLeftovers(lab);
  writeFileSync(own, `${process.pid} ${startTicks(process.pid)}`);
  try {
    while (!take(own, path)) await sleep(20);
    return await work();
  } finally {
    rmSync(own, { force: true });
    if (holder(path) === process.pid) rmSync(path, { force: true });
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
