import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readNetworkRecord } from "../kubelet/pod-network.ts";

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

/** The sandboxes under `directory` that have an address of a node's range. */
export function sandboxesInRange(directory: string, podCidr: string): string[] {
  return readdirSync(directory).filter((entry) => readNetworkRecord(join(directory, entry))?.podCidr === podCidr);
}
