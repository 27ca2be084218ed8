import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { isAlive } from "../runtime/process/process-table.ts";
import { isMounted, unmountBpffs } from "./bpffs.ts";
import { killCgroup } from "./cgroup.ts";
import { command } from "./command.ts";
import { deleteNetwork } from "./network.ts";
import type { LabPaths } from "./paths.ts";
import { readRecord } from "./process-record.ts";

/** Ends every process and removes everything of the running lab; its objects stay on disk. Right after any crash. */
export async function teardown(paths: LabPaths): Promise<void> {
  const supervisor = readRecord(paths, "supervisor");
  // first, or it would start again what ends
  if (supervisor && isAlive(supervisor)) process.kill(supervisor.pid, "SIGKILL");
  await killCgroup(paths.lab);
  await deleteNetwork(paths);
  await unmountBpffs(paths.bpf);
  rmSync(paths.run, { recursive: true, force: true });
  await removeMountPoints();
}

/**
 * Mount points that the labs share go with the last lab: /run/cilium, where a node's own directory is mounted, and
 * /run/netns, which `ip netns` mounts on itself.
 */
async function removeMountPoints(): Promise<void> {
  const labs = existsSync("/run/shieldgate") ? readdirSync("/run/shieldgate", { withFileTypes: true }) : [];
  if (labs.some((entry) => entry.isDirectory())) return;
  const namespaces = existsSync("/run/netns") ? readdirSync("/run/netns") : [];
  if (namespaces.length === 0 && isMounted("/run/netns")) await command("umount", ["/run/netns"]);
  for (const path of ["/run/cilium", "/run/netns"]) {
    try {
      rmdirSync(path);
    } catch {
      // not there, or somebody else's and not empty
    }
  }
}

/** Deletes the cluster's objects and certificates too. Logs stay. */
export async function deleteLab(paths: LabPaths): Promise<void> {
  await teardown(paths);
  rmSync(paths.state, { recursive: true, force: true });
}
