import { expect, it } from "vitest";
import { Zombies } from "./zombies.ts";

const LIMITS = { maxDeferredDeletes: 10, maxAddressesPerName: 0, idleGraceMs: 0 };

it("an address that runs out twice is due at the later time, whichever comes first", () => {
  for (const [first, second] of [
    [10, 20],
    [20, 10],
  ] as const) {
    const zombies = new Zombies(LIMITS);
    zombies.add("a.x.", "192.0.2.1", first);
    zombies.add("b.x.", "192.0.2.1", second);
    expect(zombies.list()).toEqual([{ address: "192.0.2.1", names: ["a.x.", "b.x."], aliveAtMs: 0, dueMs: 20 }]);
  }
});

it("an address that runs out again counts as seen in the round before", () => {
  const zombies = new Zombies(LIMITS);
  zombies.add("a.x.", "192.0.2.1", 10);
  zombies.seen([], 30, 40);
  zombies.add("b.x.", "192.0.2.1", 35);
  expect(zombies.list()[0]).toMatchObject({ aliveAtMs: 30, dueMs: 35 });
});

it("forgets what ran out by the time that is given, that time included, and leaves the rest", () => {
  const zombies = new Zombies(LIMITS);
  for (const [address, due] of Object.entries({ "192.0.2.1": 10, "192.0.2.2": 11 })) zombies.add("a.x.", address, due);
  expect(zombies.forget(() => true, 10)).toEqual([{ address: "192.0.2.1", names: ["a.x."] }]);
  expect(zombies.list().map(({ address }) => address)).toEqual(["192.0.2.2"]);
});

it("lists as alive only what a burial would leave", () => {
  const zombies = new Zombies(LIMITS);
  zombies.add("a.x.", "192.0.2.1", 10);
  zombies.add("b.x.", "192.0.2.2", 10);
  for (const at of [20, 30]) zombies.seen(["192.0.2.2"], at, at + 10);
  expect(zombies.alive().map(({ address }) => address)).toEqual(["192.0.2.2"]);
  expect(zombies.bury().map(({ address }) => address)).toEqual(["192.0.2.1"]);
});

it("gives an address back to the name of a new answer, unless it ran out only afterwards, and keeps its other names", () => {
  const zombies = new Zombies(LIMITS);
  for (const name of ["a.x.", "b.x."]) zombies.add(name, "192.0.2.1", 10);
  zombies.add("a.x.", "192.0.2.2", 20);
  expect(zombies.revive("a.x.", ["192.0.2.1", "192.0.2.2", "192.0.2.3"], 10)).toEqual(["192.0.2.1"]);
  expect(zombies.list().map(({ address, names }) => [address, names])).toEqual([
    ["192.0.2.1", ["b.x."]],
    ["192.0.2.2", ["a.x."]],
  ]);
  expect(zombies.revive("b.x.", ["192.0.2.1"], 10)).toEqual(["192.0.2.1"]);
  expect(zombies.list().map(({ address }) => address)).toEqual(["192.0.2.2"]);
  expect(zombies.revive("b.x.", ["192.0.2.2"], 30)).toEqual([]);
});
