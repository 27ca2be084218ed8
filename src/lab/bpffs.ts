import { mkdirSync, readFileSync } from "node:fs";
import { command } from "./command.ts";

export function isMounted(path: string, mountinfo = readFileSync("/proc/self/mountinfo", "utf8")): boolean {
  return mountinfo.split("\n").some((line) => line.split(" ")[4] === path);
}

/** Mounts a BPF file system of the lab's own in the host's mount namespace, where pins outlive every process. */
export async function mountBpffs(path: string): Promise<void> {
  mkdirSync(path, { recursive: true });
  if (!isMounted(path)) await command("mount", ["-t", "bpf", "-o", "mode=700", "bpf", path]);
}

/** Unmounts it; the maps and programs that nothing else holds end with it. */
export async function unmountBpffs(path: string): Promise<void> {
  while (isMounted(path)) await command("umount", ["--lazy", path]);
}
