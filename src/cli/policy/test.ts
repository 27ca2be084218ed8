import { dirname, join } from "node:path";
import type { Writable } from "node:stream";
import { runTests } from "../../prove/run-tests.ts";
import { readTestFile } from "../../prove/test-file.ts";
import {
  type TestReport,
  testCounts,
  testGithub,
  testJson,
  testJunit,
  testTap,
  testText,
} from "../../prove/test-formats.ts";
import { readInventory, tellProblems } from "./inventory.ts";
import type { ManifestOptions } from "./manifest-options.ts";
import { readSources, TEST_FILE } from "./sources.ts";

export interface TestCommandOptions extends ManifestOptions {
  readonly output?: string;
}

const FORMATS: Readonly<Record<string, (report: TestReport) => string>> = {
  text: testText,
  json: testJson,
  junit: testJunit,
  tap: testTap,
  github: testGithub,
};

/** Runs files of tests. The exit code: 0 passed, 1 failed, 2 where a test cannot be asked or the input cannot be trusted. */
export async function testCommand(
  paths: readonly string[],
  options: TestCommandOptions,
  out: Writable,
  complain: (text: string) => void,
): Promise<number> {
  const { output = "text", file: manifests = [] } = options;
  if (!Object.hasOwn(FORMATS, output)) throw new Error(`-o ${output}: one of ${Object.keys(FORMATS).join(", ")}`);
  const { texts, problems } = await readSources(paths, { tests: true });
  const files = texts.filter(({ file }) => TEST_FILE.test(file) || paths.includes(file)).map(readTestFile);
  let isSound = true;
  for (const { file, line, message } of [...problems, ...files.flatMap((each) => each.problems)]) {
    isSound = false;
    complain(`${file}:${line}: error: ${message}`);
  }
  if (files.length === 0)
    throw new Error("which tests? Give files of the name *.policytest.yaml, or folders with them");
  const reports: TestReport[] = [];
  for (const { file, manifests: own, tests } of files.filter((each) => each.problems.length === 0)) {
    const folder = dirname(file);
    const given = manifests.length > 0 ? manifests : own.length > 0 ? own.map((path) => join(folder, path)) : [folder];
    const inventory = await readInventory(given, { ...options, file: [] });
    if (tellProblems(inventory, complain)) reports.push(runTests(inventory, tests));
    else isSound = false;
  }
  const report = {
    results: reports.flatMap(({ results }) => results),
    coverage: reports.flatMap(({ coverage }) => coverage),
  };
  out.write(FORMATS[output]!(report));
  const { failed, error } = testCounts(report);
  if (!isSound || error > 0) return 2;
  return failed > 0 ? 1 : 0;
}
