/**
 * Times the policy engine on a generated cluster: `node bench/policy-engine.ts FILE` reads one JSON value a line, so that
 * no more than the engine itself stays in memory, and prints the timings as JSON. No file is read in the timed parts. The engine
 * is warm, as an agent's is before its first endpoint comes; with `cold` as a second argument it is not.
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { reservedIdentities } from "../src/model/identity.ts";
import { type Labels, parseLabel, toLabels } from "../src/model/label.ts";
import { parsePolicy } from "../src/policy/parse.ts";
import { PolicyCache } from "../src/policy/policy-cache.ts";
import { Repository } from "../src/policy/repository.ts";
import type { PolicyKey, Rule } from "../src/policy/rule.ts";
import type { Subject } from "../src/policy/stance.ts";
import { warmUp } from "../src/policy/warm-up.ts";
import type { InputLine } from "./policy-input.ts";
import { timeLookups } from "./policy-verdicts.ts";

/** Milliseconds, entries and MiB. */
export interface EngineTimings {
  /** Before everything else; absent = left out. */
  readonly warmUp?: number;
  readonly parse: number;
  readonly insert: number;
  readonly firstEndpoint: number;
  readonly otherEndpoints: number;
  readonly warm: number;
  readonly addIdentity: readonly number[];
  readonly replacePolicy: readonly number[];
  readonly entries: number;
  readonly lookupsPerSecond: number;
  readonly peakRss: number;
  /** What is in use after a collection, the program itself included. */
  readonly settledRss: number;
}

/** What reading a cluster left behind is collected meanwhile. */
const REST_MS = 200;

function timed(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

function* linesOf(path: string): Iterable<string> {
  const file = openSync(path, "r");
  const chunk = Buffer.alloc(1 << 16);
  let rest = "";
  for (let size = readSync(file, chunk); size > 0; size = readSync(file, chunk)) {
    const lines = (rest + chunk.toString("latin1", 0, size)).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  closeSync(file);
  if (rest !== "") yield rest;
}

function parseOne(policy: object): { key: PolicyKey; rules: readonly Rule[] } {
  const parsed = parsePolicy(policy);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return parsed;
}

function residentMib(field: "VmHWM" | "VmRSS"): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)![1]) / 1024;
}

/** Each change in a turn of its own, as changes come to an agent. */
async function timeChanges(
  cache: PolicyCache,
  extra: readonly { readonly id: number; readonly labels: Labels }[],
  replacements: readonly ReturnType<typeof parseOne>[],
): Promise<Pick<EngineTimings, "addIdentity" | "replacePolicy">> {
  const seen = { entries: 0 };
  const count = () => {
    seen.entries++;
  };
  const replace = ({ key, rules }: ReturnType<typeof parseOne>) => {
    for (const { policy, changes } of cache.replacePolicy(key, rules)) {
      if (changes === undefined) policy!.forEachEntry(count);
      else for (const { identities } of [...changes.removed, ...changes.added]) identities.forEach(count);
    }
  };
  const addIdentity: number[] = [];
  const replacePolicy: number[] = [];
  await sleep(REST_MS);
  for (const { id, labels } of extra) {
    addIdentity.push(timed(() => cache.upsertIdentity(id, labels)));
    await turn();
  }
  for (const replacement of replacements) {
    replacePolicy.push(timed(() => replace(replacement)));
    await turn();
  }
  return { addIdentity, replacePolicy };
}

export async function timeEngine(lines: Iterable<string>, isCold: boolean): Promise<EngineTimings> {
  const warmingUp = isCold ? undefined : timed(warmUp);
  const repository = new Repository();
  const { selectors } = repository;
  for (const [id, labels] of reservedIdentities()) selectors.upsertIdentity(id, labels);
  let policies: object[] = [];
  let endpoints: readonly number[] = [];
  const extra: { readonly id: number; readonly labels: Labels }[] = [];
  const replacements: ReturnType<typeof parseOne>[] = [];
  for (const text of lines) {
    const line = JSON.parse(text) as InputLine;
    if ("identity" in line) selectors.upsertIdentity(line.identity.id, toLabels(line.identity.labels.map(parseLabel)));
    else if ("policy" in line) policies.push(line.policy);
    else if ("endpoints" in line) endpoints = line.endpoints;
    else if ("extra" in line) extra.push({ id: line.extra.id, labels: toLabels(line.extra.labels.map(parseLabel)) });
    else replacements.push(parseOne(line.replacement));
  }
  const cache = new PolicyCache(repository, () => []);
  let parsed: ReturnType<typeof parseOne>[] = [];
  const parse = timed(() => {
    parsed = policies.map(parseOne);
  });
  policies = [];
  const insert = timed(() => {
    for (const { key, rules } of parsed) repository.upsert(key, rules);
  });
  parsed = [];
  const subjects = endpoints.map((identity) => ({ identity, labels: selectors.labelsOf(identity)!, namedPorts: [] }));
  let entries = 0;
  const count = () => {
    entries++;
  };
  const compute = (some: readonly Subject[]) => {
    for (const subject of some) cache.policyOf(subject).forEachEntry(count);
  };
  const firstEndpoint = timed(() => compute(subjects.slice(0, 1)));
  const otherEndpoints = timed(() => compute(subjects.slice(1)));
  const total = entries;
  cache.clear();
  const warm = timed(() => compute(subjects));
  const changes = await timeChanges(cache, extra, replacements);
  const peakRss = residentMib("VmHWM");
  globalThis.gc?.();
  const settledRss = residentMib("VmRSS");
  const lookupsPerSecond = timeLookups(
    subjects.map((subject) => cache.policyOf(subject)),
    [...selectors.identities()],
  );
  const memory = { peakRss, settledRss };
  return {
    ...(warmingUp !== undefined && { warmUp: warmingUp }),
    parse,
    insert,
    firstEndpoint,
    otherEndpoints,
    warm,
    ...changes,
    entries: total,
    lookupsPerSecond,
    ...memory,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(JSON.stringify(await timeEngine(linesOf(process.argv[2]!), process.argv[3] === "cold")));
