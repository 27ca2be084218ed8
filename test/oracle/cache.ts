import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Release of Cilium that the oracles are built from. */
export const CILIUM_RELEASE = "v1.20.2";

/** Where built oracles lie, outside the checkout. */
export function oracleDirectory(): string {
  return join(process.env["SHIELDGATE_HOME"] ?? join(homedir(), ".shieldgate"), "cache/oracles", CILIUM_RELEASE);
}

/** The path of a built oracle, or why there is none. */
export function oracle(name: string): { readonly path: string } | { readonly missing: string } {
  const path = join(oracleDirectory(), name);
  return existsSync(path)
    ? { path }
    : {
        missing: `oracle ${name} is not there: npm run oracles -- --with ${name} (needs Go; for envoy pip, for prometheus apt)`,
      };
}

/** What the name of a test ends with that is skipped for want of `found`: the reporter reads the reason from it. */
export function skipNote(found: object): string {
  return "missing" in found ? ` (skipped: ${String(found.missing)})` : "";
}
