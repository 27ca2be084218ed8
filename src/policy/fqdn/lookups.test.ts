import { expect, it } from "vitest";
import { Lookups } from "./lookups.ts";

const answer = (addresses: readonly string[], expiryMs: number) => ({
  ...{ name: "a.x.", addresses, lookupMs: 0, expiryMs, ttl: expiryMs / 1000 },
});

it.each([
  [0, []],
  [1, ["192.0.2.1", "192.0.2.2"]],
  [2, ["192.0.2.1"]],
  [3, []],
])("at most %d addresses of a name are kept, 0 = no limit; the soonest to run out go: %j", (most, want) => {
  const lookups = new Lookups({ maxAddressesPerName: most, maxHeld: 100 });
  for (const last of [2, 3, 1]) lookups.record(answer([`192.0.2.${last}`], last * 1000));
  expect(lookups.expire(500).map(({ address }) => address)).toEqual(want);
});

it("nor more that come in one answer", () => {
  const lookups = new Lookups({ maxAddressesPerName: 2, maxHeld: 100 });
  lookups.record(answer(["192.0.2.1", "192.0.2.2", "192.0.2.3"], 1000));
  expect(lookups.expire(500)).toHaveLength(1);
});
