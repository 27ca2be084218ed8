import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
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

const stampOf = (name: string) => join(oracleDirectory(), `${name}.stamp`);

/** Whether the oracle is in the cache and was made of what the stamp says. */
export function isCached(name: string, stamp: string): boolean {
  const isThere = existsSync(join(oracleDirectory(), name)) && existsSync(stampOf(name));
  return isThere && readFileSync(stampOf(name), "utf8") === stamp;
}

/** Puts a program into the cache, as one: whoever runs the one before is not disturbed. */
export function putIntoCache(program: string, name: string, stamp: string): void {
  const path = join(oracleDirectory(), name);
  mkdirSync(oracleDirectory(), { recursive: true });
  cpSync(program, `${path}.new`);
  chmodSync(`${path}.new`, 0o755);
  renameSync(`${path}.new`, path);
  writeFileSync(stampOf(name), stamp);
}

/** Does the work in a new folder, which is gone afterwards. */
export function inWorkFolder<T>(name: string, work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), `shieldgate-oracle-${name}-`));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the name of a test ends with that is skipped for want of `found`: the reporter reads the reason from it. */
export function skipNote(found: object): string {
  return "missing" in found ? ` (skipped: ${String(found.missing)})` : "";
}
