/**
 * Times the policy engine on a generated cluster: `node bench/policy-engine.ts FILE` reads the input, as Cilium's engine
 * does in its own process, and prints the timings as JSON. No file is read or written in the timed parts.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { reservedIdentities } from "../src/model/identity.ts";
import { type Labels, parseLabel, toLabels } from "../src/model/label.ts";
import { parsePolicy } from "../src/policy/parse.ts";
import { PolicyCache } from "../src/policy/policy-cache.ts";
import { Repository } from "../src/policy/repository.ts";
import type { PolicyKey, Rule } from "../src/policy/rule.ts";
import type { BenchInput } from "./policy-input.ts";

/** Milliseconds, entries and MiB. */
export interface EngineTimings {
  readonly parse: number;
  readonly insert: number;
  readonly firstEndpoint: number;
  readonly otherEndpoints: number;
  readonly warm: number;
  readonly addIdentity: readonly number[];
  readonly replacePolicy: readonly number[];
  readonly entries: number;
  readonly peakRss: number;
}

function timed(work: () => void): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

function parseAll(policies: readonly object[]): { key: PolicyKey; rules: readonly Rule[] }[] {
  return policies.map((policy) => {
    const parsed = parsePolicy(policy);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
    return parsed;
  });
}

export function timeEngine(input: BenchInput): EngineTimings {
  const repository = new Repository();
  const { selectors } = repository;
  const labelsOf = new Map<number, Labels>();
  for (const [id, labels] of reservedIdentities()) selectors.upsertIdentity(id, labels);
  for (const { id, labels } of input.identities) selectors.upsertIdentity(id, toLabels(labels.map(parseLabel)));
  for (const id of input.endpoints) labelsOf.set(id, selectors.labelsOf(id)!);
  const cache = new PolicyCache(repository, () => []);
  let parsed: ReturnType<typeof parseAll> = [];
  const parse = timed(() => {
    parsed = parseAll(input.policies);
  });
  const insert = timed(() => {
    for (const { key, rules } of parsed) repository.upsert(key, rules);
  });
  const subjectOf = (identity: number) => ({ identity, labels: labelsOf.get(identity)!, namedPorts: [] });
  let entries = 0;
  const count = () => {
    entries++;
  };
  const compute = (ids: readonly number[]) => {
    for (const id of ids) cache.policyOf(subjectOf(id)).forEachEntry(count);
  };
  const [first, ...others] = input.endpoints;
  const firstEndpoint = timed(() => compute([first!]));
  const otherEndpoints = timed(() => compute(others));
  const total = entries;
  cache.clear();
  const warm = timed(() => compute(input.endpoints));
  const extra = input.extraIdentities.map(({ id, labels }) => ({ id, labels: toLabels(labels.map(parseLabel)) }));
  const addIdentity = extra.map(({ id, labels }) => timed(() => cache.upsertIdentity(id, labels)));
  const fresh = parseAll(input.replacements.map(({ policy }) => policy));
  const replacePolicy = fresh.map(({ key, rules }) =>
    timed(() => {
      for (const subject of cache.replacePolicy(key, rules)) cache.policyOf(subject).forEachEntry(count);
    }),
  );
  const peakRss = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024;
  return { parse, insert, firstEndpoint, otherEndpoints, warm, addIdentity, replacePolicy, entries: total, peakRss };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const input = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as BenchInput;
  console.log(JSON.stringify(timeEngine(input)));
}
