import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Label } from "../model/label.ts";
import type { EndpointChangeRequest } from "./api.ts";
import type { Allocations } from "./ipam.ts";
import type { KubeObject } from "./kube.ts";
import type { AcceptedPolicies } from "./policy-sync.ts";

/** What an agent must find again after a restart to own an endpoint; the verdicts themselves are in the kernel. */
export interface EndpointRecord {
  readonly id: number;
  readonly request: EndpointChangeRequest;
  /** 0 = not known yet when it was written. */
  readonly identity: number;
  readonly labels: readonly Label[];
}

/** The agent's files: one for each endpoint, one for addresses, one for service numbers. */
export interface StateDirectory {
  endpoints(): readonly EndpointRecord[];
  saveEndpoint(record: EndpointRecord): void;
  removeEndpoint(id: number): void;
  allocations(): Allocations;
  saveAllocations(allocations: Allocations): void;
  serviceIds(): Readonly<Record<string, number>>;
  saveServiceIds(ids: Readonly<Record<string, number>>): void;
  readonly policies: AcceptedPolicies;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}

/** A reader sees the old file or the new one, never a half. */
function writeJson(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(value));
  renameSync(`${path}.new`, path);
}

/** Names of policies hold slashes. */
function openPolicies(path: string): AcceptedPolicies {
  mkdirSync(path, { recursive: true });
  const file = (key: string) => join(path, `${encodeURIComponent(key)}.json`);
  return {
    load: (key) => readJson(file(key)) as KubeObject | undefined,
    save: (key, object) => writeJson(file(key), object),
    remove: (key) => rmSync(file(key), { force: true }),
    keys: () =>
      readdirSync(path)
        .filter((name) => name.endsWith(".json"))
        .map((name) => decodeURIComponent(name.slice(0, -".json".length))),
  };
}

const ENDPOINT_FILE = /^endpoint-\d+\.json$/;

/** Opens (and makes) the directory. Throws on a file that cannot be read as JSON and names it. */
export function openStateDirectory(path: string): StateDirectory {
  mkdirSync(path, { recursive: true });
  const file = (name: string) => join(path, name);
  return {
    endpoints: () =>
      readdirSync(path)
        .filter((name) => ENDPOINT_FILE.test(name))
        .map((name) => readJson(file(name)) as EndpointRecord),
    saveEndpoint: (record) => writeJson(file(`endpoint-${record.id}.json`), record),
    removeEndpoint: (id) => rmSync(file(`endpoint-${id}.json`), { force: true }),
    allocations: () => (readJson(file("ipam.json")) ?? {}) as Allocations,
    saveAllocations: (allocations) => writeJson(file("ipam.json"), allocations),
    serviceIds: () => (readJson(file("services.json")) ?? {}) as Record<string, number>,
    saveServiceIds: (ids) => writeJson(file("services.json"), ids),
    policies: openPolicies(file("policies")),
  };
}
