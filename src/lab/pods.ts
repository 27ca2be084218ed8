import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Pod uid -> host pid of the process that holds the pod's namespaces, for the sandboxes under `directory`. */
export function readSandboxPids(directory: string): Map<string, number> {
  const pids = new Map<string, number>();
  for (const entry of readdirSync(directory)) {
    try {
      const record = JSON.parse(readFileSync(join(directory, entry, "sandbox.json"), "utf8"));
      const { id, holder } = record as { id: string; holder: { pid: number } };
      pids.set(id, holder.pid);
    } catch {
      // not a sandbox, or one that goes just now
    }
  }
  return pids;
}
