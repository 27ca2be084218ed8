import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FqdnCache } from "../../src/policy/fqdn/fqdn-cache.ts";
import { oracle, skipNote } from "../oracle/cache.ts";

const cilium = oracle("fqdn");
const reason = skipNote(cilium);
const RUNS = 5000;
const SEED = 20260801;

const operation = fc.record({
  what: fc.constantFrom("record", "record", "record", "seen", "seen", "collect", "collect", "forget"),
  name: fc.constantFrom("a.x.", "b.x.", "c.y."),
  addresses: fc.subarray(["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"]),
  ttl: fc.nat(100),
  // Cilium's cache reckons in whole seconds: it gives up answers up to a second early otherwise.
  passed: fc.integer({ min: 1, max: 40 }),
});
const run = fc.record({
  maxAddresses: fc.constantFrom(0, 0, 2, 3),
  operations: fc.array(operation, { minLength: 5, maxLength: 25 }).map((operations) => {
    let nowMs = Date.parse("2026-01-01T00:00:00Z");
    return operations.map(({ passed, ...each }) => {
      nowMs += passed * 1000;
      return { ...each, nowMs };
    });
  }),
});
type Run = typeof run extends fc.Arbitrary<infer T> ? T : never;

function take(cache: FqdnCache, each: Run["operations"][number]): void {
  const { what, name, addresses, ttl, nowMs } = each;
  if (what === "record") cache.record(1, { name, addresses, ttl }, nowMs);
  if (what === "collect") cache.collect(nowMs);
  if (what === "forget") cache.forget((other) => other === name, nowMs);
  if (what !== "seen") return;
  cache.connectionsSeen(
    addresses.map((address) => [1, address] as const),
    nowMs,
    nowMs,
  );
}

function held(cache: FqdnCache): string[] {
  return [...cache.list()]
    .flatMap(({ lookups, zombies }) => [
      ...lookups.flatMap(({ name, addresses }) => addresses.map((address) => `lookup ${name} ${address}`)),
      ...zombies.flatMap(({ names, address }) => names.map((name) => `zombie ${name} ${address}`)),
    ])
    .sort();
}

function lookupsIn(state: readonly string[]): number {
  return state.filter((pair) => pair.startsWith("lookup ")).length;
}

test.skipIf("missing" in cilium)(`the cache holds what Cilium's holds, after every operation${reason}`, () => {
  if ("missing" in cilium) return;
  const runs = fc.sample(run, { seed: SEED, numRuns: RUNS });
  const input = runs.map((each) => `${JSON.stringify(each)}\n`).join("");
  const { stdout } = spawnSync(cilium.path, { input, maxBuffer: 1 << 30, encoding: "utf8" });
  const answers = stdout.trim().split("\n");
  expect(answers).toHaveLength(RUNS);
  for (const [index, { maxAddresses, operations }] of runs.entries()) {
    const theirs = JSON.parse(answers[index]!) as string[][];
    const cache = new FqdnCache({ maxAddressesPerName: maxAddresses });
    for (const [at, each] of operations.entries()) {
      take(cache, each);
      const [ours, wanted] = [held(cache), theirs[at]!];
      if (maxAddresses === 0) expect(ours, JSON.stringify(operations.slice(0, at + 1))).toEqual(wanted);
      // Of addresses that are due at once Cilium gives up any, as its map has them: only their number can be compared.
      else expect(lookupsIn(ours)).toBe(lookupsIn(wanted));
      if (String(ours) !== String(wanted)) break;
    }
  }
});
