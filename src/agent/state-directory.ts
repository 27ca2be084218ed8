import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Label } from "../model/label.ts";
import type { EndpointChangeRequest } from "./api.ts";
import type { Allocations } from "./ipam.ts";
import type { KubeObject } from "./kube.ts";
import { type NameFiles, openNameFiles } from "./name-files.ts";
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
  readonly names: NameFiles;
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

/** All nodes bring a change into their kernels at the same time: until that is done the processor is left to it. */
export const AFTER_KERNELS_MS = 20;

/**
 * Policies as files; their names hold slashes. They are written in a thread of the pool, one after the other: a disk may take
 * milliseconds, in which the next change would wait. A crash finds of each an older version or the newest, never a half.
 * What could not be written is told, and tried again with the next one.
 */
class PolicyFiles implements AcceptedPolicies {
  private readonly path: string;
  private readonly log: (message: string) => void;
  /** Undefined = to be removed. */
  private readonly unwritten = new Map<string, KubeObject | undefined>();
  private writing: Promise<void> | undefined;

  constructor(path: string, log: (message: string) => void) {
    mkdirSync(path, { recursive: true });
    this.path = path;
    this.log = log;
  }

  load(key: string): KubeObject | undefined {
    return this.unwritten.has(key) ? this.unwritten.get(key) : (readJson(this.file(key)) as KubeObject | undefined);
  }

  save(key: string, object: KubeObject): void {
    this.put(key, object);
  }

  remove(key: string): void {
    this.put(key, undefined);
  }

  keys(): readonly string[] {
    const names = readdirSync(this.path).filter((name) => name.endsWith(".json"));
    const keys = new Set(names.map((name) => decodeURIComponent(name.slice(0, -".json".length))));
    for (const [key, object] of this.unwritten) {
      if (object === undefined) keys.delete(key);
      else keys.add(key);
    }
    return [...keys];
  }

  async written(): Promise<void> {
    while (this.writing !== undefined) await this.writing;
  }

  private put(key: string, object: KubeObject | undefined): void {
    // at the end, so that a pass that is under way comes to it again
    this.unwritten.delete(key);
    this.unwritten.set(key, object);
    this.writing ??= this.writeAll();
  }

  /** A map's iteration comes to what is added while it runs. */
  private async writeAll(): Promise<void> {
    await sleep(AFTER_KERNELS_MS);
    for (const [key, object] of this.unwritten) {
      try {
        await this.write(this.file(key), object);
        if (this.unwritten.get(key) === object) this.unwritten.delete(key);
      } catch (error) {
        this.log(`${key} is in force but was not kept for a restart: ${(error as Error).message}`);
      }
    }
    this.writing = undefined;
  }

  private async write(path: string, object: KubeObject | undefined): Promise<void> {
    if (object === undefined) return rm(path, { force: true });
    await writeFile(`${path}.new`, JSON.stringify(object));
    await rename(`${path}.new`, path);
  }

  private file(key: string): string {
    return join(this.path, `${encodeURIComponent(key)}.json`);
  }
}

const ENDPOINT_FILE = /^endpoint-\d+\.json$/;

/** Opens (and makes) the directory. Throws on a file that cannot be read as JSON and names it. */
export function openStateDirectory(path: string, log: (message: string) => void = () => undefined): StateDirectory {
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
    policies: new PolicyFiles(file("policies"), log),
    names: openNameFiles(path),
  };
}
