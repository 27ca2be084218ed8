/**
 * `npm test`: the gates, then every test that this machine can run. Prints where the time went and what was skipped with
 * its reason; the last line is `N passed, N failed` (and `, N skipped`).
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FileSummary, Summary } from "./support/reporter.ts";
import { lookAgain } from "./support/second-look.ts";
import { runGates } from "./tidy/check.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const started = performance.now();

const gates = await runGates();
for (const gate of gates) {
  console.log(`${gate.ok ? "ok  " : "FAIL"} gate: ${gate.name}`);
  if (!gate.ok) console.log(gate.output.trimEnd());
}
const gatesMs = performance.now() - started;

const scratch = mkdtempSync(join(tmpdir(), "shieldgate-test-"));
const vitestPath = join(root, "node_modules/.bin/vitest");
const reporters = ["--reporter=default", `--reporter=${join(root, "test/support/reporter.ts")}`];
const UNTOLD: Summary = {
  files: [],
  loose: [{ test: "(run)", message: "ended without a test that failed: see above" }],
};

/** Runs the tests that the words choose. `behind`: they get only the processor's time that nobody else wants, and print to that file. */
function runTests(name: string, words: readonly string[], behind?: number): Promise<Summary> {
  const path = join(scratch, `${name}.json`);
  const command = [...(behind === undefined ? [] : ["nice", "-n", "19"]), vitestPath, "run", ...reporters, ...words];
  const child = spawn(command[0]!, command.slice(1), {
    cwd: root,
    stdio: behind === undefined ? "inherit" : ["ignore", behind, behind],
    env: { ...process.env, SHIELDGATE_TEST_SUMMARY: path },
    detached: behind !== undefined,
  });
  if (behind !== undefined) child.once("close", standBehind(child.pid!));
  return new Promise((resolve) => {
    child.on("close", (code) => {
      const summary = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Summary) : UNTOLD;
      // it may break without a test that did
      const told = code === 0 || summary.loose.length > 0 || summary.files.some((file) => file.faults.length > 0);
      resolve(told ? summary : { ...summary, loose: UNTOLD.loose });
    });
  });
}

/**
 * Kernels that group processes by session (sched(7), autogroup) weigh nice values only within a session, and every lab has
 * one of its own: so the whole group of this session leader is made as nice. It does not get a terminal's signals either: they
 * are passed on until the returned function is called, for a leader that has ended has no group.
 */
function standBehind(leader: number): () => void {
  const autogroup = `/proc/${leader}/autogroup`;
  if (existsSync(autogroup)) writeFileSync(autogroup, "19");
  const pass = (signal: NodeJS.Signals) => {
    process.kill(-leader, signal);
    process.exit(1);
  };
  process.once("SIGINT", pass).once("SIGTERM", pass);
  return () => process.off("SIGINT", pass).off("SIGTERM", pass);
}

/**
 * Much of what the tests of the machine do is waiting: meanwhile the others run, behind them in the processor's order, and
 * print when they are done. What looks at the whole machine comes last.
 */
async function runAll(): Promise<Summary[]> {
  const path = join(scratch, "others.txt");
  const file = openSync(path, "w");
  const others = runTests("others", ["--project", "unit", "--project", "counted", "--project", "oracle"], file);
  const machine = await runTests("machine", ["--project", "machine"]);
  const all = [await others, machine];
  closeSync(file);
  process.stdout.write(readFileSync(path));
  return [...all, await runTests("alone", ["--project", "alone"])];
}

function runAlone({ project, path }: FileSummary): Promise<Summary> {
  console.log(`\nOnce more, alone: ${path}`);
  return runTests(path.replaceAll("/", "-"), ["--project", project, path]);
}

function printFaults(title: string, files: readonly Pick<FileSummary, "path" | "faults">[]): void {
  const lines = files.flatMap(({ path, faults }) =>
    faults.map(({ test, message }) => `  ${path} > ${test}: ${message}`),
  );
  if (lines.length > 0) console.log(`\n${title}:\n${lines.join("\n")}`);
}

const words = process.argv.slice(2);
const parts = words.length > 0 ? [await runTests("chosen", words)] : await runAll();
const loose = parts.flatMap((part) => part.loose);
const first = parts.flatMap((part) => part.files);
const { files, unsteady } = words.length > 0 ? { files: first, unsteady: [] } : await lookAgain(first, runAlone);
rmSync(scratch, { recursive: true });

const slowest = [...files].sort((a, b) => b.milliseconds - a.milliseconds).slice(0, 15);
console.log("\nWhere the time went:");
console.log(`  ${(gatesMs / 1000).toFixed(1).padStart(6)} s  gates`);
for (const file of slowest) console.log(`  ${(file.milliseconds / 1000).toFixed(1).padStart(6)} s  ${file.path}`);
console.log(`  ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  in all`);

const reasons = Map.groupBy(
  files.flatMap((file) => file.skipped),
  (skip) => skip.reason,
);
if (reasons.size > 0) console.log("\nSkipped:");
for (const [reason, tests] of reasons)
  console.log(`  ${tests.length} × ${reason} (${tests[0]!.test}${tests.length > 1 ? ", …" : ""})`);

printFaults("Failed beside the others, passed alone (a race, or a full machine)", unsteady);
printFaults("Failed", [...files, { path: "the run", faults: loose }]);

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const passed = sum(files.map((file) => file.passed)) + gates.filter((gate) => gate.ok).length;
const failed = sum(files.map((file) => file.faults.length)) + loose.length + gates.filter((gate) => !gate.ok).length;
const skippedCount = sum(files.map((file) => file.skipped.length));
console.log(`\n${passed} passed, ${failed} failed${skippedCount > 0 ? `, ${skippedCount} skipped` : ""}`);
process.exitCode = failed === 0 ? 0 : 1;
