/**
 * `npm test`: the gates, then every test that this machine can run. Prints where the time went and what was skipped with
 * its reason; the last line is `N passed, N failed` (and `, N skipped`).
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Summary } from "./support/reporter.ts";
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
const FAILED: Summary = { passed: 0, failed: 1, skipped: [], files: [] };

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
      const summary = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Summary) : FAILED;
      // it may break without a test that did
      resolve(code === 0 || summary.failed > 0 ? summary : { ...summary, failed: 1 });
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
  const others = runTests("others", ["--project", "unit", "--project", "oracle"], file);
  const machine = await runTests("machine", ["--project", "machine"]);
  const all = [await others, machine];
  closeSync(file);
  process.stdout.write(readFileSync(path));
  return [...all, await runTests("alone", ["--project", "alone"])];
}

const words = process.argv.slice(2);
const parts = words.length > 0 ? [await runTests("chosen", words)] : await runAll();
const summary: Summary = {
  passed: parts.reduce((sum, part) => sum + part.passed, 0),
  failed: parts.reduce((sum, part) => sum + part.failed, 0),
  skipped: parts.flatMap((part) => part.skipped),
  files: parts.flatMap((part) => part.files),
};
rmSync(scratch, { recursive: true });

const slowest = [...summary.files].sort((a, b) => b.milliseconds - a.milliseconds).slice(0, 15);
console.log("\nWhere the time went:");
console.log(`  ${(gatesMs / 1000).toFixed(1).padStart(6)} s  gates`);
for (const file of slowest) console.log(`  ${(file.milliseconds / 1000).toFixed(1).padStart(6)} s  ${file.path}`);
console.log(`  ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  in all`);

const reasons = Map.groupBy(summary.skipped, (skip) => skip.reason);
if (reasons.size > 0) console.log("\nSkipped:");
for (const [reason, tests] of reasons)
  console.log(`  ${tests.length} × ${reason} (${tests[0]!.test}${tests.length > 1 ? ", …" : ""})`);

const passed = summary.passed + gates.filter((gate) => gate.ok).length;
const failed = summary.failed + gates.filter((gate) => !gate.ok).length;
const skipped = summary.skipped.length > 0 ? `, ${summary.skipped.length} skipped` : "";
console.log(`\n${passed} passed, ${failed} failed${skipped}`);
process.exitCode = failed === 0 ? 0 : 1;
