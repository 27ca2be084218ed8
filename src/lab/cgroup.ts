import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * The lab's control group: every process of the lab, pods too, is born into it, so that `down` finds all of them after
 * any crash. cgroup v2 is mounted at /sys/fs/cgroup, or beside the v1 controllers at /sys/fs/cgroup/unified.
 */
export function cgroupRoot(mountinfo = readFileSync("/proc/self/mountinfo", "utf8")): string | undefined {
  const line = mountinfo.split("\n").find((text) => text.includes(" - cgroup2 "));
  return line?.split(" ")[4];
}

export function labCgroup(lab: string): string {
  const root = cgroupRoot();
  if (root === undefined)
    throw new Error("no cgroup v2 file system is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified");
  return join(root, `shieldgate-${lab}`);
}

/** Moves this process into the lab's group; its children follow. */
export function joinCgroup(lab: string): void {
  const path = labCgroup(lab);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "cgroup.procs"), String(process.pid));
}

/** Every process of the lab, by host pid. */
export function labPids(lab: string): number[] {
  return pidsBelow(labCgroup(lab));
}

function pidsBelow(path: string): number[] {
  if (!existsSync(path)) return [];
  const own = readFileSync(join(path, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
  const below = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return own.concat(below.flatMap((entry) => pidsBelow(join(path, entry.name))));
}

/** Kills every process of the lab and removes the group. Kernel 5.14 does it at one stroke; older ones by signals. */
export async function killCgroup(lab: string): Promise<void> {
  const path = labCgroup(lab);
  if (!existsSync(path)) return;
  for (let round = 0; round < 500; round++) {
    const pids = pidsBelow(path);
    if (pids.length === 0 && removeGroups(path)) return;
    if (existsSync(join(path, "cgroup.kill"))) writeFileSync(join(path, "cgroup.kill"), "1");
    else for (const pid of pids) killQuietly(pid);
    await sleep(5);
  }
  throw new Error(
    `processes ${labPids(lab).join(", ")} of lab ${lab} do not end: look at them with \`ps -o pid,stat,wchan,args -p\``,
  );
}

/** Removes the group and those below it. False while the kernel still takes a last process apart. */
function removeGroups(path: string): boolean {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory() && !removeGroups(join(path, entry.name))) return false;
  }
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EBUSY") return false;
    throw error;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // ended meanwhile
  }
}

/** Proportional set size of the processes, in bytes: shared pages are divided among those that map them. */
export function memoryPss(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    try {
      const line = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
      return sum + Number(line?.[1] ?? 0) * 1024;
    } catch {
      return sum; // ended meanwhile, or a zombie
    }
  }, 0);
}
