import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "./command.ts";
import { isMounted } from "./file-systems.ts";

const RUN = "/run/shieldgate";
/** Where each node's own /var/run/cilium is mounted, in the namespaces of its agent and proxy. */
const CILIUM = "/run/cilium";
/** `ip netns` mounts this directory on itself when it makes the first namespace. */
const NETNS = "/run/netns";
/** Says which of them this machine did not have before the first lab. */
const MADE = ".made-";

/** Makes the mount points that the labs share, and notes which are new. */
export function makeMountPoints(): void {
  if (!isMounted(NETNS)) writeFileSync(join(RUN, `${MADE}netns`), "");
  if (!existsSync(CILIUM)) writeFileSync(join(RUN, `${MADE}cilium`), "");
  mkdirSync(CILIUM, { recursive: true });
}

/** With the last lab go those that were made for the first one. */
export async function removeMountPoints(): Promise<void> {
  const entries = existsSync(RUN) ? readdirSync(RUN, { withFileTypes: true }) : [];
  if (entries.some((entry) => entry.isDirectory())) return;
  const made = (name: string) => entries.some((entry) => entry.name === `${MADE}${name}`);
  if (made("netns") && isMounted(NETNS) && readdirSync(NETNS).length === 0) {
    await command("umount", [NETNS]);
    rmdirSync(NETNS);
  }
  if (made("cilium") && existsSync(CILIUM) && readdirSync(CILIUM).length === 0) rmdirSync(CILIUM);
  for (const name of ["netns", "cilium"]) rmSync(join(RUN, `${MADE}${name}`), { force: true });
}
