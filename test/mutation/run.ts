/**
 * `npm run mutation`: changes the policy engine in one place at a time and lists the changes that no test notices.
 *   --share 0.1    about how much of each file is changed; 1 = everything, which takes hours
 *   --seed 1       which part that is
 *   --files a,b    files by name, e.g. `column,precedence`, or by how it begins, e.g. `parse*`; else all of src/policy and what it reads of src/model
 *   --minutes 60   when to stop; what was seen until then is told
 * Stryker does the work, in a copy outside the checkout, so that neither sources nor installed packages change.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, setPriority } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { reportOf, survivorLines, tableLines } from "./report.ts";
import { sampleRanges } from "./sample.ts";

const STRYKER = { "@stryker-mutator/core": "10.1.1", "@stryker-mutator/vitest-runner": "10.1.1" };
const COPIED = ["src", "test", "examples", "package.json", "package-lock.json", ".npmrc", "tsconfig.json"];

/** What the engine reads of `src/model`. */
const MODEL = [
  "selector",
  "label",
  "label-filter",
  "identity",
  "identity-scope",
  "well-known-identity",
  "icmp",
  "port",
].concat(["cidr", "cidr-label", "cidr-group-label", "prefix-keys", "protocol"]);

const root = join(import.meta.dirname, "../..");
const copy = join(process.env["SHIELDGATE_HOME"] ?? join(homedir(), ".shieldgate"), "cache/mutation");
const judged = join(copy, "mutants.jsonl");

function copySources(): void {
  mkdirSync(copy, { recursive: true });
  for (const name of COPIED) {
    rmSync(join(copy, name), { recursive: true, force: true });
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
}

/** Installs the packages of the checkout and Stryker, when one of them has changed. */
function install(): void {
  const manifest = JSON.parse(readFileSync(join(copy, "package.json"), "utf8"));
  manifest.devDependencies = { ...manifest.devDependencies, ...STRYKER };
  const text = JSON.stringify(manifest);
  const stamp = join(copy, "node_modules/.installed");
  writeFileSync(join(copy, "package.json"), text);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === text) return;
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"]);
  writeFileSync(stamp, text);
}

/** `minutes` = when it is ended, which is no error. */
function run(program: string, args: readonly string[], minutes?: number): void {
  const env = { SG_PROPERTY_RUNS: "40", ...process.env };
  const timeout = minutes === undefined ? undefined : minutes * 60_000;
  const { status, error } = spawnSync(program, args, { cwd: copy, env, stdio: ["ignore", 2, 2], timeout });
  if ((error as NodeJS.ErrnoException | undefined)?.code === "ETIMEDOUT") return;
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}`);
}

function sources(only: readonly string[]): Map<string, string> {
  const policy = readdirSync(join(copy, "src/policy"), { recursive: true }).map((name) => `src/policy/${name}`);
  const paths = [...policy, ...MODEL.map((name) => `src/model/${name}.ts`)].filter(
    (path) => path.endsWith(".ts") && !path.endsWith(".test.ts") && basename(path) !== "index.ts",
  );
  const isMeant = (name: string) =>
    only.some((each) => (each.endsWith("*") ? name.startsWith(each.slice(0, -1)) : name === each));
  const chosen = only.length === 0 ? paths : paths.filter((path) => isMeant(basename(path, ".ts")));
  return new Map(chosen.map((path) => [path, readFileSync(join(copy, path), "utf8")]));
}

function configuration(mutate: readonly string[]): object {
  return {
    mutate,
    // Texts of errors are not worth a test each.
    mutator: { excludedMutations: ["StringLiteral"] },
    testRunner: "vitest",
    plugins: ["@stryker-mutator/vitest-runner", join(copy, "test/mutation/stream.ts")],
    vitest: { configFile: "test/mutation/vitest.config.ts", related: false },
    coverageAnalysis: "perTest",
    // A constant would cost a run of all tests, half a minute; what tests run as well is shown to those.
    ignoreStatic: true,
    concurrency: 1,
    timeoutMS: 8_000,
    // The run without any mutant; five minutes were too few beside other work.
    dryRunTimeoutMinutes: 30,
    reporters: ["stream", "progress-append-only"],
    // Stryker would rewrite tsconfig.json with the API of a compiler that TypeScript 7 does not have.
    tsconfigFile: "none.json",
  };
}

const { values } = parseArgs({
  options: {
    share: { type: "string", default: "0.1" },
    seed: { type: "string", default: "1" },
    files: { type: "string", default: "" },
    minutes: { type: "string", default: "60" },
  },
});
setPriority(10);
copySources();
install();
const ranges = sampleRanges(
  sources(values.files.split(",").filter(Boolean)),
  Number(values.share),
  Number(values.seed),
);
writeFileSync(join(copy, "stryker.config.json"), JSON.stringify(configuration(ranges)));
writeFileSync(judged, "");
const stryker = "node_modules/@stryker-mutator/core/bin/stryker.js";
run(process.execPath, [stryker, "run", "stryker.config.json"], Number(values.minutes));
const lines = readFileSync(judged, "utf8").split("\n").filter(Boolean);
const found = reportOf(lines, (path) => readFileSync(join(copy, path), "utf8"));
console.log([...survivorLines(found), ...tableLines(found)].join("\n"));
