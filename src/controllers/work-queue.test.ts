import { expect, test, vi } from "vitest";
import { WorkQueue } from "./work-queue.ts";

const turn = (ms = 1): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("a burst of wishes for one key is one run, and one more for those that came meanwhile", async () => {
  const gate = Promise.withResolvers<void>();
  const work = vi.fn(() => gate.promise);
  const queue = new WorkQueue({ work, onError: () => {} });
  for (let index = 0; index < 5; index++) queue.add("a");
  await turn();
  expect(work).toHaveBeenCalledTimes(1);
  queue.add("a");
  queue.add("a");
  await turn();
  expect(work).toHaveBeenCalledTimes(1);
  gate.resolve();
  await turn();
  expect(work).toHaveBeenCalledTimes(2);
});

test("a failure is told and tried again", async () => {
  const work = vi.fn().mockRejectedValueOnce(new Error("no")).mockResolvedValue(undefined);
  const onError = vi.fn();
  const queue = new WorkQueue({ work, onError });
  queue.add("a");
  await turn(30);
  expect(onError).toHaveBeenCalledTimes(1);
  expect(work).toHaveBeenCalledTimes(2);
});

test("no more keys are worked on at once than allowed", async () => {
  const gate = Promise.withResolvers<void>();
  let [now, most] = [0, 0];
  const work = async (): Promise<void> => {
    most = Math.max(most, ++now);
    await gate.promise;
    now--;
  };
  const queue = new WorkQueue({ work, onError: () => {}, parallel: 2 });
  for (const key of ["a", "b", "c", "d"]) queue.add(key);
  await turn();
  gate.resolve();
  await turn(5);
  expect(most).toBe(2);
});

test("the earliest of several late wishes counts, and none comes after the stop", async () => {
  const work = vi.fn(async () => {});
  const queue = new WorkQueue({ work, onError: () => {} });
  queue.addAfter("a", 1000);
  queue.addAfter("a", 5);
  await turn(25);
  expect(work).toHaveBeenCalledTimes(1);
  queue.addAfter("a", 5);
  queue.stop();
  await turn(25);
  expect(work).toHaveBeenCalledTimes(1);
});

test("only collects keys until it is opened", async () => {
  const seen: string[] = [];
  const queue = new WorkQueue({
    closed: true,
    onError: () => {},
    work: async (key) => {
      seen.push(key);
    },
  });
  queue.add("a");
  queue.add("a");
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(seen).toEqual([]);
  queue.open();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(seen).toEqual(["a"]);
});
