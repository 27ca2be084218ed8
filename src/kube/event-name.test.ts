import { expect, it } from "vitest";
import { eventName } from "./event-name.ts";

it("names events of one moment in their order, and two processes differently", () => {
  // later than any other test's: names of a process only go up
  const now = 4_000_000_000_000;
  const names = Array.from({ length: 100 }, () => eventName("pod", now));
  expect(new Set(names).size).toBe(100);
  expect([...names].sort()).toEqual(names);
  // What another process with the same clock would have begun with, had it no nanoseconds of its own.
  expect(names.map((name) => BigInt(`0x${name.split(".")[1]}`) / 1_000_000n)).toContain(BigInt(now));
  const later = BigInt(`0x${eventName("pod", now + 1000).split(".")[1]}`);
  const again = BigInt(`0x${eventName("pod", now + 2000).split(".")[1]}`);
  expect([later, again].some((ns) => ns % 1_000_000n !== 0n)).toBe(true);
});
