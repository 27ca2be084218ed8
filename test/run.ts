/**
 * `npm test`: the gates, then every test that this machine can run. Prints where the time went and what was skipped with
 * its reason; the last line is `N passed, N failed` (and `, N skipped`).
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
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
const summaryPath = join(scratch, "summary.json");
const reporters = ["--reporter=default", `--reporter=${join(root, "test/support/reporter.ts")}`];
const vitest = spawnSync(join(root, "node_modules/.bin/vitest"), ["run", ...reporters, ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, SHIELDGATE_TEST_SUMMARY: summaryPath },
});
const summary: Summary = existsSync(summaryPath)
  ? (JSON.parse(readFileSync(summaryPath, "utf8")) as Summary)
  : { passed: 0, failed: 1, skipped: [], files: [] };
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
const failed =
  summary.failed + gates.filter((gate) => !gate.ok).length + (vitest.status !== 0 && summary.failed === 0 ? 1 : 0);
const skipped = summary.skipped.length > 0 ? `, ${summary.skipped.length} skipped` : "";
console.log(`\n${passed} passed, ${failed} failed${skipped}`);
process.exitCode = failed === 0 ? 0 : 1;
