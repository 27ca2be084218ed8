import { describe, expect, test } from "vitest";
import { FqdnCache, type FqdnLimits } from "./fqdn-cache.ts";

const NAME = "api.example.com.";
const T0 = Date.parse("2026-01-01T00:00:00Z");

function answer(addresses: readonly string[], ttl = 30, name = NAME) {
  return { name, addresses, ttl };
}

/** A cache in which endpoint 1 got an answer at T0 that ran out, and was found to have, 31 s later. */
function withZombie(limits: FqdnLimits = {}): FqdnCache {
  const cache = new FqdnCache(limits);
  cache.record(1, answer(["192.0.2.1"]), T0);
  expect(cache.collect(T0 + 31_000)).toEqual([]);
  return cache;
}

/** Two rounds over connections, none of which is to an address that a name gave. */
function twoIdleRounds(cache: FqdnCache, fromMs: number): void {
  for (const startMs of [fromMs, fromMs + 10_000]) cache.connectionsSeen([], startMs, startMs + 10_000);
}

describe("answers", () => {
  test("give the name its addresses; only a change is told", () => {
    const cache = new FqdnCache();
    expect(cache.record(1, answer(["192.0.2.1", "192.0.2.2"]), T0)).toEqual([NAME]);
    expect(cache.addressesOf(NAME)).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect(cache.record(1, answer(["192.0.2.2"]), T0 + 1)).toEqual([]);
    expect(cache.record(1, answer(["192.0.2.3"]), T0 + 2)).toEqual([NAME]);
    expect(cache.addressesOf(NAME)).toEqual(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    expect(cache.record(1, answer([]), T0 + 3)).toEqual([]);
    expect([...cache.names()]).toEqual([NAME]);
  });

  test("count for the whole node, until the last endpoint that knows the address is gone", () => {
    const cache = new FqdnCache();
    cache.record(1, answer(["192.0.2.1"]), T0);
    expect(cache.record(2, answer(["192.0.2.1"]), T0)).toEqual([]);
    expect(cache.namesOf(2, "192.0.2.1")).toEqual([NAME]);
    expect(cache.namesOf(3, "192.0.2.1")).toEqual([]);
    expect(cache.removeEndpoint(1)).toEqual([]);
    expect(cache.removeEndpoint(2)).toEqual([NAME]);
    expect(cache.addressesOf(NAME)).toEqual([]);
  });

  test("several names of one address", () => {
    const cache = new FqdnCache();
    cache.record(1, answer(["192.0.2.1"]), T0);
    cache.record(1, answer(["192.0.2.1"], 30, "a.example.com."), T0);
    expect(cache.namesOf(1, "192.0.2.1")).toEqual(["a.example.com.", NAME]);
  });
});

describe("what ran out", () => {
  test("stays until two rounds saw no connection, and goes then", () => {
    const cache = withZombie();
    expect(cache.addressesOf(NAME)).toEqual(["192.0.2.1"]);
    cache.connectionsSeen([], T0 + 40_000, T0 + 50_000);
    expect(cache.collect(T0 + 45_000)).toEqual([]);
    cache.connectionsSeen([], T0 + 50_000, T0 + 60_000);
    expect(cache.collect(T0 + 55_000)).toEqual([NAME]);
    expect(cache.addressesOf(NAME)).toEqual([]);
    expect(cache.namesOf(1, "192.0.2.1")).toEqual([]);
  });

  test("has not run out while a longer answer stands, however old the first", () => {
    const cache = new FqdnCache();
    cache.record(1, answer(["192.0.2.1"], 300), T0);
    cache.record(1, answer(["192.0.2.1"], 30), T0 + 1000);
    cache.collect(T0 + 100_000);
    twoIdleRounds(cache, T0 + 110_000);
    expect(cache.collect(T0 + 200_000)).toEqual([]);
    cache.collect(T0 + 301_000);
    twoIdleRounds(cache, T0 + 302_000);
    expect(cache.collect(T0 + 320_000)).toEqual([NAME]);
  });

  test("stays while a connection lives, whatever the time, and goes two rounds after it ended", () => {
    const cache = withZombie();
    for (let round = 1; round <= 5; round++) {
      const startMs = T0 + 40_000 + round * 10_000;
      cache.connectionsSeen([[1, "192.0.2.1"]], startMs, startMs + 10_000);
      expect(cache.collect(startMs + 1)).toEqual([]);
    }
    cache.connectionsSeen([[2, "192.0.2.1"]], T0 + 200_000, T0 + 210_000);
    expect(cache.collect(T0 + 200_001)).toEqual([NAME]);
  });

  test("stays for a connection to another address of its name", () => {
    const cache = new FqdnCache();
    cache.record(1, answer(["192.0.2.1", "192.0.2.2"]), T0);
    cache.collect(T0 + 31_000);
    for (const startMs of [T0 + 40_000, T0 + 50_000]) {
      cache.connectionsSeen([[1, "192.0.2.2"]], startMs, startMs + 10_000);
    }
    expect(cache.collect(T0 + 55_000)).toEqual([]);
    expect(cache.addressesOf(NAME)).toEqual(["192.0.2.1", "192.0.2.2"]);
    twoIdleRounds(cache, T0 + 60_000);
    expect(cache.collect(T0 + 75_000)).toEqual([NAME]);
  });

  test("is kept for the grace period without any connection", () => {
    const cache = withZombie({ idleGraceMs: 60_000 });
    twoIdleRounds(cache, T0 + 70_000);
    expect(cache.collect(T0 + 85_000)).toEqual([]);
    cache.connectionsSeen([[1, "192.0.2.1"]], T0 + 90_000, T0 + 99_000);
    cache.connectionsSeen([], T0 + 149_000, T0 + 150_000);
    expect(cache.collect(T0 + 149_500)).toEqual([]);
    cache.connectionsSeen([], T0 + 151_000, T0 + 160_000);
    expect(cache.collect(T0 + 152_000)).toEqual([NAME]);
  });

  test("is no zombie any more when it is asked for again", () => {
    const cache = withZombie();
    expect(cache.record(1, answer(["192.0.2.1"], 300), T0 + 32_000)).toEqual([]);
    twoIdleRounds(cache, T0 + 40_000);
    expect(cache.collect(T0 + 60_000)).toEqual([]);
    expect(cache.addressesOf(NAME)).toEqual(["192.0.2.1"]);
    expect([...cache.list()][0]).toMatchObject({ zombies: [] });
  });

  test("of one endpoint stays for the answer that another has", () => {
    const cache = withZombie();
    cache.record(2, answer(["192.0.2.1"], 3000), T0);
    twoIdleRounds(cache, T0 + 40_000);
    expect(cache.collect(T0 + 60_000)).toEqual([]);
    expect(cache.namesOf(1, "192.0.2.1")).toEqual([]);
    expect(cache.addressesOf(NAME)).toEqual(["192.0.2.1"]);
  });
});

describe("limits", () => {
  test("a TTL below the least counts as that", () => {
    const cache = new FqdnCache({ minTtl: 100 });
    cache.record(1, answer(["192.0.2.1"], 5), T0);
    cache.collect(T0 + 99_000);
    expect([...cache.list()][0]!.lookups).toMatchObject([{ ttl: 100, expiryMs: T0 + 100_000 }]);
    cache.collect(T0 + 101_000);
    expect([...cache.list()][0]!.lookups).toEqual([]);
  });

  test("of too many addresses of a name the soonest to run out become zombies, of which a name keeps as many", () => {
    const cache = new FqdnCache({ maxAddressesPerName: 2 });
    for (let last = 1; last <= 5; last++) cache.record(1, answer([`192.0.2.${last}`], 30 + last), T0);
    expect(cache.addressesOf(NAME)).toHaveLength(5);
    expect(cache.collect(T0 + 1000)).toEqual([NAME]);
    expect(cache.addressesOf(NAME).toSorted()).toEqual(["192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"]);
    expect([...cache.list()][0]!.zombies.map(({ address }) => address)).toEqual(["192.0.2.2", "192.0.2.3"]);
  });

  test("beyond what an endpoint may hold nothing new is learned, until something ran out", () => {
    const cache = new FqdnCache({ maxHeld: 2 });
    cache.record(1, answer(["192.0.2.1"]), T0);
    expect(cache.record(1, answer(["192.0.2.2", "192.0.2.3"], 60), T0)).toEqual([NAME]);
    expect(cache.isFull(1)).toBe(true);
    expect(cache.record(1, answer(["192.0.2.4"], 60, "other.example.com."), T0)).toEqual([]);
    expect([...cache.names()]).toEqual([NAME]);
    expect(cache.addressesOf(NAME)).toEqual(["192.0.2.1", "192.0.2.2"]);
    // What is held is still renewed, and other endpoints have room of their own.
    cache.record(1, answer(["192.0.2.2"], 600), T0 + 1000);
    cache.record(2, answer(["192.0.2.5"]), T0);
    cache.collect(T0 + 100_000);
    expect([...cache.list()][0]!.lookups).toMatchObject([{ addresses: ["192.0.2.2"], ttl: 600 }]);
    expect(cache.isFull(1)).toBe(false);
    expect(cache.record(1, answer(["192.0.2.4"]), T0 + 100_000)).toEqual([NAME]);
  });

  test("of too many zombies those that were seen alive longest ago go", () => {
    const cache = new FqdnCache({ maxDeferredDeletes: 2 });
    for (let last = 1; last <= 3; last++) cache.record(1, answer([`192.0.2.${last}`], 30, `${last}.example.com.`), T0);
    cache.collect(T0 + 31_000);
    expect([...cache.list()][0]!.zombies).toHaveLength(2);
    const none = new FqdnCache({ maxDeferredDeletes: 0 });
    none.record(1, answer(["192.0.2.1"]), T0);
    expect(none.collect(T0 + 31_000)).toEqual([NAME]);
  });

  test("the one with a connection is kept before the others", () => {
    const cache = new FqdnCache({ maxDeferredDeletes: 1 });
    cache.record(1, answer(["192.0.2.1"], 10, "1.example.com."), T0);
    cache.collect(T0 + 11_000);
    cache.connectionsSeen([[1, "192.0.2.1"]], T0 + 20_000, T0 + 30_000);
    cache.record(1, answer(["192.0.2.2"], 10, "2.example.com."), T0 + 5000);
    cache.connectionsSeen([[1, "192.0.2.1"]], T0 + 30_000, T0 + 40_000);
    // What comes now is taken to be alive as of the last round, so that it is due later and stays.
    expect(cache.collect(T0 + 31_000)).toEqual(["1.example.com."]);
  });
});

describe("forgetting on demand", () => {
  test("takes the names that match, zombies with connections too, and leaves what is newer", () => {
    const cache = withZombie();
    cache.connectionsSeen([[1, "192.0.2.1"]], T0 + 32_000, T0 + 42_000);
    cache.record(1, answer(["192.0.2.2"]), T0 + 33_000);
    cache.record(1, answer(["192.0.2.3"], 30, "other.example.com."), T0 + 33_000);
    cache.record(2, answer(["192.0.2.4"]), T0 + 40_000);
    expect(cache.forget((name) => name === NAME, T0 + 40_000)).toEqual([NAME]);
    expect(cache.addressesOf(NAME)).toEqual(["192.0.2.4"]);
    expect(cache.forget(() => true, T0 + 41_000)).toEqual(["other.example.com.", NAME]);
    expect([...cache.names()]).toEqual([]);
  });
});
