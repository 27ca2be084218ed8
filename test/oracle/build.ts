/**
 * `npm run oracles`: puts the programs that the tests compare with into the cache. What is ready-made is fetched; each
 * other is a folder with a Go module here. Does nothing, and says so, where Go is missing; quick when they are built. What takes more than
 * four minutes to build is built when it is asked for: `npm run oracles -- --with kube-apiserver`.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CILIUM_RELEASE, inWorkFolder, isCached, oracleDirectory, putIntoCache } from "./cache.ts";
import { fetchOracles } from "./fetch.ts";

const here = dirname(fileURLToPath(import.meta.url));

/** What programs say of their release; one that has no such variable is not changed. */
const VERSIONS = [
  ["github.com/cilium/cilium/hubble/pkg.Version", CILIUM_RELEASE],
  ["k8s.io/component-base/version.gitVersion", "v1.34.0"],
  ["k8s.io/component-base/version.gitMajor", "1"],
  ["k8s.io/component-base/version.gitMinor", "34"],
] as const;

/** Six minutes of CPU and 700 MB of modules. */
const SLOW = ["kube-apiserver"];

function hasGo(): boolean {
  return spawnSync("go", ["version"], { stdio: "ignore" }).status === 0;
}

function fingerprint(folder: string): string {
  const hash = createHash("sha256").update(CILIUM_RELEASE);
  for (const file of readdirSync(folder).sort()) hash.update(file).update(readFileSync(join(folder, file)));
  return hash.digest("hex");
}

function go(cwd: string, ...args: string[]): boolean {
  const result = spawnSync("go", args, {
    cwd,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, GOFLAGS: "-mod=mod" },
  });
  return result.status === 0;
}

/** The tool that the module names, which is another module's program, or its own. */
function programOf(folder: string): string {
  return /^tool (\S+)$/m.exec(readFileSync(join(folder, "go.mod"), "utf8"))?.[1] ?? ".";
}

function buildOne(name: string): boolean {
  const folder = join(here, name);
  const stamp = fingerprint(folder);
  if (isCached(name, stamp)) return true;
  console.error(`oracles: building ${name} from Cilium ${CILIUM_RELEASE}; the first time takes some minutes`);
  return inWorkFolder(name, (work) => {
    cpSync(folder, work, { recursive: true });
    const flags = `-s -w ${VERSIONS.map(([name, value]) => `-X ${name}=${value}`).join(" ")}`;
    if (!go(work, "mod", "tidy") || !go(work, "build", "-ldflags", flags, "-o", "built", programOf(work))) return false;
    putIntoCache(join(work, "built"), name, stamp);
    return true;
  });
}

fetchOracles();
if (!hasGo()) {
  console.error("oracles: Go is not installed; the tests that compare with upstream's programs will be skipped");
} else {
  const names = readdirSync(here, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  const asked = process.argv.filter((_, index, all) => all[index - 1] === "--with");
  for (const name of names) {
    if (SLOW.includes(name) && !asked.includes(name) && !existsSync(join(oracleDirectory(), name)))
      console.error(`oracles: ${name} takes minutes and is built with --with ${name}; its tests will be skipped`);
    else if (!buildOne(name)) console.error(`oracles: ${name} could not be built; its tests will be skipped`);
  }
}
