import fc from "fast-check";
import { expect, test } from "vitest";
import { fqdnSelector } from "../../model/selector.ts";
import { FqdnCache } from "./fqdn-cache.ts";
import { FqdnLabels } from "./fqdn-labels.ts";
import { formatFqdnState, readFqdnState } from "./fqdn-state.ts";

const NAMES = ["a.x.", "b.x.", "c.y."];
const ADDRESSES = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
const SELECTORS = [fqdnSelector({ matchPattern: "*.x" }), fqdnSelector({ matchName: "c.y" })];
const name = fc.constantFrom(...NAMES);
const id = fc.constantFrom(1, 2);
const passed = fc.nat(90).map((seconds) => seconds * 1000);
const step = fc.oneof(
  fc.record({
    what: fc.constant("record" as const),
    id,
    name,
    addresses: fc.subarray(ADDRESSES),
    ttl: fc.nat(120),
    passed,
  }),
  fc.record({ what: fc.constant("seen" as const), inUse: fc.subarray(ADDRESSES), id, passed }),
  fc.record({ what: fc.constant("collect" as const), passed }),
  fc.record({ what: fc.constant("forget" as const), name, passed }),
  fc.record({ what: fc.constant("remove" as const), id, passed }),
  fc.record({ what: fc.constant("restart" as const), passed }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What every name stands for, from what each endpoint says that it has. */
function heldBy(cache: FqdnCache): Map<string, string[]> {
  const pairs = [...cache.list()].flatMap(({ lookups, zombies }) => [
    ...lookups.flatMap((lookup) => lookup.addresses.map((address) => [lookup.name, address] as const)),
    ...zombies.flatMap((zombie) => zombie.names.map((each) => [each, zombie.address] as const)),
  ]);
  const addressesOf = (each: string) => pairs.filter(([of]) => of === each).map(([, address]) => address);
  return new Map(NAMES.map((each) => [each, [...new Set(addressesOf(each))].sort()]));
}

function take(cache: FqdnCache, each: Step, nowMs: number): readonly string[] {
  switch (each.what) {
    case "record":
      return cache.record(each.id, each, nowMs);
    case "seen":
      cache.connectionsSeen(
        each.inUse.map((address) => [each.id, address] as const),
        nowMs,
        nowMs + 1000,
      );
      return [];
    case "collect":
      return cache.collect(nowMs);
    case "forget":
      return cache.forget((other) => other === each.name, nowMs);
    case "remove":
      return cache.removeEndpoint(each.id);
    case "restart":
      return [];
  }
}

test("whatever happens, names stand for what the endpoints hold, every change is told, and a restart loses nothing", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let cache = new FqdnCache({ maxAddressesPerName: 2 });
      const labels = new FqdnLabels();
      labels.setSelectors(SELECTORS);
      let before = heldBy(cache);
      let nowMs = Date.parse("2026-01-01T00:00:00Z");
      for (const each of steps) {
        nowMs += each.passed;
        if (each.what === "restart") {
          const text = formatFqdnState(cache);
          cache = new FqdnCache({ maxAddressesPerName: 2 });
          for (const endpoint of readFqdnState(text).endpoints) cache.restore(endpoint);
        }
        const told = take(cache, each, nowMs);
        for (const changed of told) labels.update(changed, cache.addressesOf(changed));
        const after = heldBy(cache);
        for (const one of NAMES) {
          expect([...cache.addressesOf(one)].sort()).toEqual(after.get(one));
          if (String(after.get(one)) !== String(before.get(one))) expect(told).toContain(one);
        }
        for (const address of ADDRESSES) {
          const selected = (suffix: string) =>
            NAMES.some((one) => one.endsWith(suffix) && after.get(one)!.includes(address));
          const keys = [...(selected(".x.") ? ["*.x"] : []), ...(selected("c.y.") ? ["c.y"] : [])];
          expect(labels.labelsOf(address).map(({ key }) => key)).toEqual(keys);
        }
        before = after;
      }
    }),
    { numRuns: 500 },
  );
});

test("an answer that is in force, or in use, is never given up by collecting", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const cache = new FqdnCache();
      const expiry = new Map<string, number>();
      const used = new Set<string>();
      let nowMs = Date.parse("2026-01-01T00:00:00Z");
      for (const each of steps) {
        nowMs += each.passed;
        if (each.what !== "record" && each.what !== "seen" && each.what !== "collect") continue;
        take(cache, each, nowMs);
        if (each.what === "record") {
          for (const address of each.addresses) {
            const key = `${each.id} ${each.name} ${address}`;
            expiry.set(key, Math.max(expiry.get(key) ?? 0, nowMs + each.ttl * 1000));
          }
        }
        if (each.what === "seen") {
          used.clear();
          for (const address of each.inUse) used.add(`${each.id} ${address}`);
        }
        if (each.what !== "collect") continue;
        for (const [key, until] of expiry) {
          const [owner, of, address] = key.split(" ") as [string, string, string];
          const isHeld = cache.addressesOf(of).includes(address);
          if (until >= nowMs) expect(isHeld).toBe(true);
          else if (!isHeld) {
            expect(used.has(`${owner} ${address}`)).toBe(false);
            expiry.delete(key);
          }
        }
      }
    }),
    { numRuns: 500 },
  );
});
