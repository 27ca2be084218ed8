import { expect, it } from "vitest";
import { loopTurns } from "./flow-view.ts";

it("is one number until the loop does something else", async () => {
  const turn = loopTurns();
  const first = turn();
  expect(turn()).toBe(first);
  await Promise.resolve();
  const second = turn();
  expect(second).not.toBe(first);
  expect(turn()).toBe(second);
  await new Promise((resolve) => setImmediate(resolve));
  expect(turn()).not.toBe(second);
});
