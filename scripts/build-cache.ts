import { execFile } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { flagsOf } from "../src/lab/processes.ts";

/** What a lab runs, and the command that starts it. */
const MAINS = ["agent", "control-plane", "kubelet", "proxy", "relay", "supervisor", "shieldgate"];
/** Longer than any of them takes to say what it misses. */
const LONGEST_MS = 20_000;

/**
 * Makes dist/compiled: what V8 compiles of these bundles as they load, in Node's own format (NODE_COMPILE_CACHE, which
 * bin/shieldgate sets). Each is started without its options, says so and ends; a lab ends its processes too suddenly for them to keep anything.
 */
export async function buildCompileCache(root: string): Promise<void> {
  const folder = join(root, "dist/compiled");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const env = { ...process.env, NODE_COMPILE_CACHE: folder };
  for (const name of MAINS) {
    const args = [...flagsOf(name), join(root, "dist", `${name}.mjs`)];
    // that it ends with an error is what it is asked for
    await promisify(execFile)(process.execPath, args, { env, timeout: LONGEST_MS }).catch(() => undefined);
  }
}
