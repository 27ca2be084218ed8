import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Retry } from "./retry.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a failing task is tried again with growing waits, shown meanwhile, and forgotten when it succeeds", async () => {
  const retry = new Retry(() => undefined);
  let left = 3;
  const task = vi.fn(async () => {
    if (left-- > 0) throw new Error("away");
  });
  retry.run("a", task);
  await vi.advanceTimersByTimeAsync(49);
  expect(task).toHaveBeenCalledTimes(1);
  expect(retry.failing()).toEqual({ a: { failures: 1, lastError: "away" } });
  await vi.advanceTimersByTimeAsync(1);
  expect(task).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(100);
  expect(task).toHaveBeenCalledTimes(3);
  await vi.advanceTimersByTimeAsync(200);
  expect(task).toHaveBeenCalledTimes(4);
  expect(retry.failing()).toEqual({});
});

test("a task asked for while it runs runs once more, with what was asked last", async () => {
  const retry = new Retry(() => undefined);
  const seen: string[] = [];
  for (const name of ["first", "second", "third"]) {
    retry.run("a", async () => {
      seen.push(name);
    });
  }
  await vi.advanceTimersByTimeAsync(0);
  expect(seen).toEqual(["first", "third"]);
});

test("a cancelled task is not tried again", async () => {
  const retry = new Retry(() => undefined);
  const task = vi.fn(async () => {
    throw new Error("away");
  });
  retry.run("a", task);
  await vi.advanceTimersByTimeAsync(0);
  retry.cancel("a");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(task).toHaveBeenCalledTimes(1);
});
