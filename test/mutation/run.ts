/**
 * `npm run mutation`: changes the policy engine in one place at a time and lists the changes that no test notices.
 *   --share 0.1    about how much of each file is changed; absent = everything
 *   --seed 1       which part that is
 *   --files a,b    files by name, e.g. `column,precedence`; else all of src/policy and src/model/selector.ts
 *   --minutes 60   when to stop; what was seen until then is told
 * Stryker's instrumenter puts all mutants into a copy outside the checkout, each behind a switch; `judge.ts` turns them on.
 */
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, setPriority } from "node:os";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { Coverage, Judgement, Question } from "./judge.ts";
import { type Mutant, reportOf, survivorLines, tableLines } from "./report.ts";
import { type LineRange, sampleRanges } from "./sample.ts";

const EXTRA = { "@stryker-mutator/instrumenter": "10.1.1", expect: "30.2.0" };
const COPIED = ["src", "test", "examples", "package.json", "tsconfig.json"];
/** It asks the generator of scenarios, not the engine. */
const LEFT_OUT = "test/property/policy-scenarios.test.ts";
const TESTS = [
  "src/policy/**/*.test.ts",
  "src/model/*.test.ts",
  "test/conformance/conformance.test.ts",
  "test/property/policy*.test.ts",
];

const root = join(import.meta.dirname, "../..");
const copy = join(process.env["SHIELDGATE_HOME"] ?? join(homedir(), ".shieldgate"), "cache/mutation");
const judged = join(copy, "mutants.jsonl");

/** The sources, beside the checkout's packages and two of their own. */
function prepare(): void {
  const tools = join(copy, "tools");
  mkdirSync(tools, { recursive: true });
  for (const name of [...COPIED, "node_modules"]) rmSync(join(copy, name), { recursive: true, force: true });
  for (const name of COPIED) cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  const wanted = JSON.stringify({ private: true, dependencies: EXTRA });
  const manifest = join(tools, "package.json");
  if (existsSync(join(tools, ".installed")) && readFileSync(manifest, "utf8") === wanted) return;
  writeFileSync(manifest, wanted);
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: tools, stdio: "inherit" });
  writeFileSync(join(tools, ".installed"), "");
}

function sources(only: readonly string[]): Map<string, string> {
  const paths = [...globSync("src/policy/**/*.ts", { cwd: root }), "src/model/selector.ts"].filter(
    (path) => !path.endsWith(".test.ts") && basename(path) !== "index.ts",
  );
  const chosen = only.length === 0 ? paths : paths.filter((path) => only.includes(basename(path, ".ts")));
  return new Map(chosen.map((path) => [path, readFileSync(join(root, path), "utf8")]));
}

interface Place {
  readonly line: number;
  readonly column: number;
}
/** Stryker's own words; it counts from 0. */
interface Planted {
  readonly id: string;
  readonly fileName: string;
  readonly mutatorName: string;
  readonly replacement: string;
  readonly location: { readonly start: Place; readonly end: Place };
}

/** Puts the mutants into the copy. Texts of errors are not worth a test each. */
async function plant(files: ReadonlyMap<string, string>, ranges: ReadonlyMap<string, LineRange[]>): Promise<Planted[]> {
  const path = join(copy, "tools/node_modules/@stryker-mutator/instrumenter/dist/src/instrumenter.js");
  const { Instrumenter } = await import(pathToFileURL(path).href);
  const log = { debug() {}, info() {}, isDebugEnabled: () => false };
  const asked = [...files].map(([name, content]) => ({
    name,
    content,
    mutate: ranges.get(name)!.map(({ first, last }) => ({
      start: { line: first - 1, column: 0 },
      end: { line: last - 1, column: 10_000 },
    })),
  }));
  const options = { plugins: null, excludedMutations: ["StringLiteral"], ignorers: [] };
  const { files: planted, mutants } = await new Instrumenter(log).instrument(asked, options);
  for (const { name, content } of planted) writeFileSync(join(copy, name), content);
  return mutants;
}

/** A process that judges, and another one after each end. */
class Judge {
  private child: ChildProcess | undefined;

  /** `undefined`: it took longer, and was ended. */
  ask<Answer>(question: Question, milliseconds: number): Promise<Answer | undefined> {
    this.child ??= fork(
      join(copy, "test/mutation/judge.ts"),
      globSync(TESTS, { cwd: copy, exclude: [LEFT_OUT] }).sort(),
      {
        cwd: copy,
        env: { SG_PROPERTY_RUNS: "40", ...process.env },
        stdio: ["ignore", "ignore", "inherit", "ipc"],
      },
    );
    const child = this.child;
    return new Promise((resolve) => {
      const end = (answer?: Answer) => {
        clearTimeout(timer);
        child.removeAllListeners();
        if (answer === undefined) this.end();
        resolve(answer);
      };
      const timer = setTimeout(end, milliseconds);
      child.once("message", (answer) => end(answer as Answer));
      child.once("exit", () => end());
      child.send(question);
    });
  }

  end(): void {
    this.child?.kill("SIGKILL");
    this.child = undefined;
  }
}

async function judge(judges: Judge, { id }: Planted, { tests, static: atStart }: Coverage): Promise<Mutant["status"]> {
  const covering = tests.filter(({ hits }) => id in hits).sort((a, b) => a.took - b.took);
  if (covering.length === 0) return atStart.includes(id) ? "Ignored" : "NoCoverage";
  const hitLimit = 1000 + 100 * Math.max(...covering.map(({ hits }) => hits[id]!));
  const took = covering.reduce((sum, each) => sum + each.took, 0);
  const question = { mutant: id, tests: covering.map((test) => test.id), hitLimit };
  const ask = () => judges.ask<Judgement>(question, 30_000 + 10 * took);
  let judgement = await ask();
  if (judgement?.isTainted) {
    // What it left behind, or one before it: only a fresh process knows.
    judges.end();
    judgement = await ask();
    if (judgement?.isTainted) judges.end();
  }
  if (judgement === undefined) return "Timeout";
  return judgement.isKilled ? "Killed" : "Survived";
}

const { values } = parseArgs({
  options: {
    share: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    files: { type: "string", default: "" },
    minutes: { type: "string", default: "60" },
  },
});
const end = Date.now() + Number(values.minutes) * 60_000;
setPriority(10);
prepare();
const files = sources(values.files.split(",").filter(Boolean));
const mutants = await plant(files, sampleRanges(files, Number(values.share), Number(values.seed)));
const judges = new Judge();
const coverage = await judges.ask<Coverage>({}, 1_800_000);
if (coverage === undefined) throw new Error("the tests without any mutant took more than half an hour, or ended Node");
console.error(`${mutants.length} mutants, ${coverage.tests.length} tests`);
for (const name of coverage.failing) console.error(`left out, as it fails without any mutant: ${name}`);
writeFileSync(judged, "");
for (const [index, mutant] of mutants.entries()) {
  if (Date.now() > end) break;
  const status = await judge(judges, mutant, coverage);
  const from1 = ({ line, column }: Place) => ({ line: line + 1, column: column + 1 });
  const location = { start: from1(mutant.location.start), end: from1(mutant.location.end) };
  const { fileName, mutatorName, replacement } = mutant;
  // Written down as it is judged, so that a run that is cut off has told something.
  appendFileSync(judged, `${JSON.stringify({ path: fileName, mutatorName, replacement, status, location })}\n`);
  if (index % 200 === 199) console.error(`${index + 1} judged`);
}
judges.end();
const lines = readFileSync(judged, "utf8").split("\n").filter(Boolean);
const found = reportOf(lines, (path) => files.get(path)!);
console.log([...survivorLines(found), ...tableLines(found)].join("\n"));
