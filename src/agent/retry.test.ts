import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Retry } from "./retry.ts";

const newRetry = () =>
  new Retry({ log: () => undefined, now: Date.now, isStanding: (name) => name.startsWith("standing") });

beforeEach(() => {
  vi.useFakeTimers({ now: 1000 });
});
afterEach(() => {
  vi.useRealTimers();
});

test("a failing task is tried again with growing waits, shown meanwhile, and forgotten when it succeeds", async () => {
  const retry = newRetry();
  let left = 3;
  const task = vi.fn(async () => {
    if (left-- > 0) throw new Error("away");
  });
  retry.run("a", task);
  await vi.advanceTimersByTimeAsync(49);
  expect(task).toHaveBeenCalledTimes(1);
  expect(retry.status().get("a")).toMatchObject({ consecutiveFailures: 1, lastError: "away", failedAt: 1000 });
  await vi.advanceTimersByTimeAsync(1);
  expect(task).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(100);
  expect(task).toHaveBeenCalledTimes(3);
  await vi.advanceTimersByTimeAsync(200);
  expect(task).toHaveBeenCalledTimes(4);
  expect(retry.status().size).toBe(0);
});

test("a standing task stays listed with what has become of it, until it is cancelled", async () => {
  const retry = newRetry();
  let left = 2;
  const task = async () => {
    if (left-- > 0) throw new Error("away");
  };
  retry.run("standing", task);
  await vi.advanceTimersByTimeAsync(1000);
  expect(retry.status().get("standing")).toEqual({
    ...{ successes: 1, failures: 2, consecutiveFailures: 0, lastError: "" },
    ...{ failedAt: 1050, succeededAt: 1150 },
  });
  retry.run("standing", task);
  await vi.advanceTimersByTimeAsync(0);
  expect(retry.status().get("standing")).toMatchObject({ successes: 2, succeededAt: 2000 });
  retry.cancel("standing");
  expect(retry.status().size).toBe(0);
});

test("a task asked for while it runs runs once more, with what was asked last", async () => {
  const retry = newRetry();
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
  const retry = newRetry();
  const task = vi.fn(async () => {
    throw new Error("away");
  });
  retry.run("a", task);
  await vi.advanceTimersByTimeAsync(0);
  retry.cancel("a");
  await vi.advanceTimersByTimeAsync(10_000);
  expect(task).toHaveBeenCalledTimes(1);
});
