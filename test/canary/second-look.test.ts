import { expect, test } from "vitest";
import type { FileSummary, Summary } from "../support/reporter.ts";
import { lookAgain } from "../support/second-look.ts";

function file(path: string, ...faults: string[]): FileSummary {
  return {
    path,
    project: "machine",
    milliseconds: 1,
    passed: 2,
    faults: faults.map((test) => ({ test, message: "no" })),
    skipped: [],
  };
}

/** A second run that ends as told, and which files it was asked for. */
function second(...outcomes: Summary[]) {
  const asked: string[] = [];
  return {
    asked,
    run: async ({ path }: FileSummary) => {
      asked.push(path);
      return outcomes[asked.length - 1]!;
    },
  };
}

test("a fault that comes twice counts, one that comes once is told", async () => {
  const [steady, once, twice] = [file("a.test.ts"), file("b.test.ts", "late"), file("c.test.ts", "wrong")];
  const { run, asked } = second(
    { files: [file("b.test.ts")], loose: [] },
    { files: [file("c.test.ts", "wrong")], loose: [] },
  );
  const { files, unsteady } = await lookAgain([steady, once, twice], run);
  expect(asked).toEqual(["b.test.ts", "c.test.ts"]);
  expect(files.map(({ faults }) => faults.length)).toEqual([0, 0, 1]);
  expect(unsteady).toEqual([once]);
});

test("a second run that broke, or ran nothing, has not passed", async () => {
  const faulty = [file("a.test.ts", "x"), file("b.test.ts", "x"), file("c.test.ts", "x")];
  const { run } = second(
    { files: [], loose: [] },
    { files: [file("b.test.ts")], loose: [{ test: "(run)", message: "ended" }] },
    { files: [{ ...file("c.test.ts"), passed: 0 }], loose: [] },
  );
  expect(await lookAgain(faulty, run)).toEqual({ files: faulty, unsteady: [] });
});

test("where much fails, all of it counts at once", async () => {
  const faulty = ["a", "b", "c", "d", "e"].map((name) => file(name, "x"));
  const { run, asked } = second();
  expect(await lookAgain(faulty, run)).toEqual({ files: faulty, unsteady: [] });
  expect(asked).toEqual([]);
});
