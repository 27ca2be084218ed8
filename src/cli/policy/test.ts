import { existsSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Writable } from "node:stream";
import { firstTests } from "../../prove/first-tests.ts";
import { IncrementalTests } from "../../prove/incremental-tests.ts";
import { KnownDocuments, type ManifestText } from "../../prove/manifest.ts";
import { readTestFile, type TestFile } from "../../prove/test-file.ts";
import {
  type TestReport,
  testCounts,
  testGithub,
  testJson,
  testJunit,
  testTap,
  testText,
} from "../../prove/test-formats.ts";
import type { ClusterReader } from "./cluster-inventory.ts";
import { isOfCluster, readWorld, tellProblems } from "./inventory.ts";
import { hasAnswer, leftOutOf, marked } from "./left-out.ts";
import type { ManifestOptions } from "./manifest-options.ts";
import { isStream, readSources, TEST_FILE } from "./sources.ts";
import { runWatching } from "./watch.ts";

export interface TestCommandOptions extends ManifestOptions {
  readonly output?: string;
  readonly watch?: boolean;
  /** Run only tests whose name holds it, in any case of letters. */
  readonly filter?: string;
  /** The file to write. */
  readonly init?: string;
}

const FORMATS: Readonly<Record<string, (report: TestReport) => string>> = {
  text: testText,
  json: testJson,
  junit: testJunit,
  tap: testTap,
  github: testGithub,
};

/**
 * Runs files of tests. The exit code: 0 passed, 1 failed, 2 where a test cannot be asked or the input cannot be trusted. With
 * `watch` it runs them again after each change, until the signal; with `init` it writes a first file.
 */
export async function testCommand(
  paths: readonly string[],
  options: TestCommandOptions,
  out: Writable,
  complain: (text: string) => void,
  readCluster: ClusterReader,
  signal: AbortSignal = new AbortController().signal,
): Promise<number> {
  const { output = "text", watch = false, init } = options;
  if (!Object.hasOwn(FORMATS, output)) throw new Error(`-o ${output}: one of ${Object.keys(FORMATS).join(", ")}`);
  if (init !== undefined && options.filter !== undefined)
    throw new Error("--init writes every test: leave out --filter");
  if (init !== undefined) return writeFirst(init, paths, options, complain, readCluster);
  const before: Before = { known: new KnownDocuments(), files: new Map(), runs: new Map() };
  if (!watch) return (await runOnce(paths, options, { out, complain, readCluster, before })).result;
  const stream = [...paths, ...(options.file ?? [])].find(isStream);
  if (stream !== undefined) throw new Error(`a pipe cannot be watched: leave out ${stream}`);
  return runWatching(
    {
      run: () => {
        before.known.letGo();
        return runOnce(paths, options, { out, complain, readCluster, before });
      },
      paths: [...paths, ...(options.file ?? [])],
      onWaiting: () => out.write("-- waiting for changes\n"),
    },
    signal,
  );
}

/** What earlier runs read and found out. */
interface Before {
  readonly known: KnownDocuments;
  /** Files of tests, by name. */
  readonly files: Map<string, { readonly text: string; readonly read: TestFile }>;
  /** By the manifests that are asked. */
  readonly runs: Map<string, IncrementalTests>;
}

interface Surroundings {
  readonly out: Writable;
  readonly complain: (text: string) => void;
  readonly readCluster: ClusterReader;
  readonly before: Before;
}

function testFileOf({ file, text }: ManifestText, { files }: Before): TestFile {
  const known = files.get(file);
  const read = known?.text === text ? known.read : readTestFile({ file, text });
  files.set(file, { text, read });
  return read;
}

/** `read` = every path that the outcome hangs on. */
async function runOnce(
  paths: readonly string[],
  options: TestCommandOptions,
  { out, complain, readCluster, before }: Surroundings,
): Promise<{ result: number; read: readonly string[] }> {
  const { output = "text", filter } = options;
  const { texts, problems } = await readSources(paths, { tests: true });
  const files = texts
    .filter(({ file }) => TEST_FILE.test(file) || paths.includes(file))
    .map((text) => testFileOf(text, before));
  const leftOut: string[] = [];
  for (const { file, line, message } of [...problems, ...files.flatMap((each) => each.problems)]) {
    leftOut.push(`${file}:${line}`);
    complain(`${file}:${line}: error: ${message}`);
  }
  if (files.length === 0)
    throw new Error("which tests? Give files of the name *.policytest.yaml, or folders with them (--init writes one)");
  const read = [...paths];
  const reports: TestReport[] = [];
  const sound = files.filter((each) => each.problems.length === 0).map((file) => chosen(file, filter));
  if (filter !== undefined && sound.every(({ tests }) => tests.length === 0))
    throw new Error(`--filter ${filter}: no test has that in its name`);
  for (const [key, group] of Map.groupBy(sound, (file) => JSON.stringify(manifestsOf(file, options)))) {
    const given = manifestsOf(group[0]!, options);
    read.push(...given);
    const inventory = await readWorld(given, { ...options, file: [] }, readCluster, { known: before.known });
    const run = before.runs.get(key) ?? new IncrementalTests();
    before.runs.set(key, run);
    tellProblems(inventory, complain);
    leftOut.push(...leftOutOf([inventory]));
    if (!hasAnswer([inventory])) continue;
    reports.push(
      run.run(
        inventory,
        group.flatMap(({ tests }) => tests),
      ),
    );
  }
  const report = {
    results: reports.flatMap(({ results }) => results),
    // what some of the tests leave untested says nothing
    coverage: filter === undefined ? reports.flatMap(({ coverage }) => coverage) : [],
  };
  out.write(marked(FORMATS[output]!(report), output, leftOut));
  const { failed, error } = testCounts(report);
  return { result: leftOut.length > 0 || error > 0 ? 2 : failed > 0 ? 1 : 0, read };
}

function chosen(file: TestFile, filter: string | undefined): TestFile {
  if (filter === undefined) return file;
  const wanted = filter.toLowerCase();
  return { ...file, tests: file.tests.filter(({ name }) => name.toLowerCase().includes(wanted)) };
}

/** The manifests that a file of tests asks, beside a cluster's: those given, else (without a cluster) those it names, else its folder. */
function manifestsOf({ file, manifests }: TestFile, options: TestCommandOptions): readonly string[] {
  const folder = dirname(file);
  const { file: given = [] } = options;
  if (given.length > 0 || isOfCluster(options)) return given;
  return manifests.length > 0 ? manifests.map((path) => join(folder, path)) : [folder];
}

/** Writes a file of tests from what the manifests allow now. A file that is there stays. */
async function writeFirst(
  file: string,
  paths: readonly string[],
  options: TestCommandOptions,
  complain: (text: string) => void,
  readCluster: ClusterReader,
): Promise<number> {
  if (!TEST_FILE.test(file)) throw new Error(`--init ${file}: call it something.policytest.yaml, so that it is found`);
  if (options.watch === true) throw new Error("--init writes a file once: leave out --watch");
  if (existsSync(file)) throw new Error(`--init ${file}: the file is there and stays: name another, or remove it`);
  const inventory = await readWorld(paths, options, readCluster);
  if (!tellProblems(inventory, complain)) return 2;
  if (inventory.workloads.length === 0) throw new Error("these files describe no workload (Deployment, Pod, …)");
  const manifests = [...paths, ...(options.file ?? [])].filter((path) => path !== "-");
  const text = firstTests(
    inventory,
    manifests.map((path) => relative(dirname(file), path) || "."),
  );
  writeFileSync(file, text, { flag: "wx" });
  const how = isOfCluster(options) ? " with the same cluster" : "";
  complain(`wrote ${file}: \`shieldgate policy test ${file}\`${how} runs it`);
  return 0;
}
