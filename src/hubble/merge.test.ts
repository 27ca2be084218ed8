import { expect, it } from "vitest";
import { createMerge } from "./merge.ts";
import type { RawResponse } from "./raw-flows.ts";

const at = (seconds: number, nanos = 0): RawResponse => ({ bytes: new Uint8Array(), seconds, nanos, isFlow: true });

it("wakes its reader once for what all lanes get in a turn", async () => {
  const merge = createMerge(60, () => 0);
  const [one, two] = [merge.lane(), merge.lane()];
  let woken = false;
  expect(merge.next()).toBe("wait");
  const ready = merge.ready(new AbortController().signal).then(() => {
    woken = true;
  });
  one.push([at(2), at(3, 1)]);
  for (let i = 0; i < 10; i++) await Promise.resolve();
  expect(woken).toBe(false);
  two.push([at(1), at(3)]);
  await ready;
  expect([merge.next(), merge.next(), merge.next(), merge.next()]).toEqual([at(1), at(2), at(3), "wait"]);
  const again = merge.ready(new AbortController().signal);
  await new Promise((resolve) => setImmediate(resolve));
  two.push([at(4)]);
  await again;
  expect([merge.next(), merge.next()]).toEqual([at(3, 1), "wait"]);
});

it("gives what has no time first, and nothing waits longer than the window", () => {
  let nowMs = 0;
  const merge = createMerge(60, () => nowMs);
  merge.lane().push([at(4)]);
  const lane = merge.lane();
  merge.lane();
  lane.push([at(Number.NaN), at(5)]);
  nowMs = 59;
  expect(merge.next()).toBe("wait");
  nowMs = 60;
  const given = Array.from({ length: 4 }, () => merge.next());
  expect(given).toEqual([at(Number.NaN), at(4), at(5), "wait"]);
});

it("holds a sender back while its lane is full", async () => {
  const merge = createMerge(0, () => 0);
  const lane = merge.lane();
  lane.push(Array.from({ length: 8192 }, (_, i) => at(i)));
  let hasRoom = false;
  const room = lane.room().then(() => {
    hasRoom = true;
  });
  for (let i = 0; i < 4096; i++) expect(merge.next()).toEqual(at(i));
  await Promise.resolve();
  expect(hasRoom).toBe(false);
  merge.next();
  await room;
});
