import { mkdirSync, readFileSync, statfsSync } from "node:fs";
import { command } from "./command.ts";

/** `f_type` of statfs(2) of a file system that is in memory. */
const TMPFS = 0x01021994;

export function isMounted(path: string, mountinfo = readFileSync("/proc/self/mountinfo", "utf8")): boolean {
  return mountinfo.split("\n").some((line) => line.split(" ")[4] === path);
}

/** Mounts a BPF file system of the lab's own in the host's mount namespace, where pins outlive every process. */
export async function mountBpffs(path: string): Promise<void> {
  mkdirSync(path, { recursive: true });
  if (!isMounted(path)) await command("mount", ["-t", "bpf", "-o", "mode=700", "bpf", path]);
}

/**
 * Makes the directory, in memory also where /run is on a disk: each pod makes a dozen files, and ext4 looks long for the inode of
 * a new one after many were deleted.
 */
export async function mountMemory(path: string): Promise<void> {
  mkdirSync(path, { recursive: true });
  if (statfsSync(path).type !== TMPFS) await command("mount", ["-t", "tmpfs", "-o", "mode=755", "shieldgate", path]);
}

/** Unmounts what is mounted there; of a BPF file system the maps and programs that nothing else holds end with it. */
export async function unmount(path: string): Promise<void> {
  while (isMounted(path)) await command("umount", ["--lazy", path]);
}
