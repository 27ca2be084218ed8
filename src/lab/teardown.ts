import { rmSync } from "node:fs";
import { isAlive } from "../runtime/process/process-table.ts";
import { killCgroup } from "./cgroup.ts";
import { unmount } from "./file-systems.ts";
import { removeMountPoints } from "./mount-points.ts";
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
  await unmount(paths.bpf);
  await unmount(paths.run);
  rmSync(paths.run, { recursive: true, force: true });
  await removeMountPoints();
}

/** Deletes the cluster's objects and certificates too. Logs stay. */
export async function deleteLab(paths: LabPaths): Promise<void> {
  await teardown(paths);
  rmSync(paths.state, { recursive: true, force: true });
}
