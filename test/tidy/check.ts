/** `npm run check`: every gate, at once, in seconds. Exits 1 with what is wrong and where. */
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkRanks } from "./ranks.ts";
import { checkSizes } from "./sizes.ts";
import { readSources, type Violation } from "./sources.ts";
import { checkWords } from "./words.ts";

export interface GateResult {
  readonly name: string;
  readonly ok: boolean;
  readonly output: string;
  readonly milliseconds: number;
}

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

function tool(name: string, program: string, args: readonly string[]): Promise<GateResult> {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(join(root, "node_modules/.bin", program), args, { cwd: root });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr.on("data", (chunk) => {
      output += chunk;
    });
    child.on("error", (error) => resolve({ name, ok: false, output: error.message, milliseconds: 0 }));
    child.on("close", (code) => resolve({ name, ok: code === 0, output, milliseconds: performance.now() - started }));
  });
}

function own(name: string, violations: readonly Violation[]): GateResult {
  const output = violations.map((v) => `${v.path}:${v.line}: ${v.message}`).join("\n");
  return { name, ok: violations.length === 0, output, milliseconds: 0 };
}

/** Runs every gate. */
export async function runGates(): Promise<GateResult[]> {
  const sources = readSources(root);
  return Promise.all([
    tool("types", "tsc", ["-p", "."]),
    tool("lint and format", "biome", ["check", "--error-on-warnings", "."]),
    tool("dead code", "knip", ["--no-progress"]),
    own("ranks", checkRanks(sources)),
    own("sizes", checkSizes(sources)),
    own("words", checkWords(sources)),
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const results = await runGates();
  for (const result of results) {
    console.log(
      `${result.ok ? "ok  " : "FAIL"} ${result.name}${result.milliseconds ? ` (${Math.round(result.milliseconds)} ms)` : ""}`,
    );
    if (!result.ok) console.log(result.output.trimEnd());
  }
  process.exitCode = results.every((result) => result.ok) ? 0 : 1;
}
