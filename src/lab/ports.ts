import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { basename, dirname, join, relative } from "node:path";
import { API_SERVER_PORT, RELAY_PORT } from "../model/addresses.ts";
import { withLabLock } from "./lock.ts";
import { DEFAULT_LAB, type LabPaths, labPaths } from "./paths.ts";
import type { LabPorts } from "./processes.ts";

/** True when a listener on 127.0.0.1:`port` can be made now. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}

function anyFree(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

/** No lab can be called so. */
const CHOICE = "-ports";
/** After this long a lab that runs holds its ports open itself; in ms. */
const CLAIM_MS = 60_000;

/** Ports that other labs have chosen just now, and may not listen on yet. */
function claimed(paths: LabPaths): ReadonlySet<number> {
  const labs = dirname(paths.run);
  const ports = readdirSync(labs, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== paths.lab)
    .map(({ name }) => join(labs, name, basename(paths.claimedPorts)))
    .filter((path) => Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < CLAIM_MS)
    .flatMap((path) => Object.values(readJson(path) ?? {}));
  return new Set(ports);
}

async function pick(wanted: readonly number[], taken: ReadonlySet<number>): Promise<number> {
  for (const port of wanted) if (!taken.has(port) && (await isFree(port))) return port;
  for (;;) {
    const port = await anyFree();
    if (!taken.has(port)) return port;
  }
}

/**
 * Host ports for a lab that starts: those of its last time when free, else the usual ones, else any. Labs choose one after
 * the other, for a port that was chosen looks free until its lab listens.
 */
export function choosePorts(paths: LabPaths): Promise<LabPorts> {
  return withLabLock(CHOICE, async () => {
    const last = readPorts(paths);
    const taken = claimed(paths);
    const ports: LabPorts = {
      apiServer: await pick([...(last ? [last.apiServer] : []), API_SERVER_PORT], taken),
      relay: await pick([...(last ? [last.relay] : []), RELAY_PORT], taken),
    };
    for (const path of [paths.claimedPorts, paths.ports]) writeFileSync(path, JSON.stringify(ports));
    return ports;
  });
}

/** The ports of a lab that was started, or undefined. */
export function readPorts(paths: LabPaths): LabPorts | undefined {
  return readJson(paths.ports);
}

/**
 * The lab of this machine, and where its relay listens (`127.0.0.1:4245`), by the authority (PEM) of its API server, which no
 * other cluster has; undefined = it is no lab's. The lab need not run.
 */
export function labOfAuthority(authority: string): { readonly lab: string; readonly relay: string } | undefined {
  const usual = labPaths(DEFAULT_LAB);
  const labs = dirname(usual.state);
  if (!existsSync(labs)) return undefined;
  const beside = (lab: string, path: string) => join(labs, lab, relative(usual.state, path));
  const lab = readdirSync(labs).find((name) => {
    const own = beside(name, join(usual.pki, "ca.crt"));
    return existsSync(own) && readFileSync(own, "utf8").trim() === authority.trim();
  });
  const ports = lab === undefined ? undefined : readJson(beside(lab, usual.ports));
  return lab === undefined || ports === undefined ? undefined : { lab, relay: `127.0.0.1:${ports.relay}` };
}

function readJson(path: string): LabPorts | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as LabPorts;
  } catch {
    return undefined;
  }
}
