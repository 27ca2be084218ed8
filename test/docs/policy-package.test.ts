import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Answer } from "../../src/policy/scenario.ts";
import { ROOT, run } from "../support/lab.ts";

/** The library as somebody gets it who installs the package: packed, unpacked beside a program of theirs, nothing else there. */
const scratch = mkdtempSync(join(tmpdir(), "shieldgate-package-"));
const installed = join(scratch, "node_modules/shieldgate");
const withNode = join(ROOT, "scripts/with-node.sh");
const scenario = JSON.parse(readFileSync(join(ROOT, "examples/02-policy-library/world.jsonl"), "utf8")) as object;
const OUTCOMES = { read: "forwarded", delete: "dropped", outsider: "dropped", probe: "forwarded" };

const PROGRAM = `
import { type Answer, evaluateScenario, readScenario } from "shieldgate/policy";
export function outcomes(value: unknown): Record<string, Answer["final"]> {
  const read = readScenario(value);
  if (!read.ok) throw new Error(read.errors[0]!.message);
  return Object.fromEntries(evaluateScenario(read.scenario).map(({ id, final }) => [id, final]));
}
`;

beforeAll(async () => {
  const steps = [
    `cd ${ROOT} && node scripts/build.ts policy`,
    `cd ${ROOT} && npm pack --ignore-scripts --offline --pack-destination ${scratch}`,
    `mkdir -p ${installed} && tar -xzf ${scratch}/shieldgate-*.tgz -C ${installed} --strip-components=1`,
  ];
  for (const step of steps) {
    const { code, stderr } = await run("sh", [withNode, "sh", "-c", step]);
    expect([code, code === 0 ? "" : stderr], step).toEqual([0, ""]);
  }
  writeFileSync(join(scratch, "program.ts"), PROGRAM);
});
afterAll(() => rmSync(scratch, { recursive: true }));

test("the package holds the library and no sources", () => {
  const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
  expect(files).toEqual(
    expect.arrayContaining([
      "dist/policy/index.js",
      "dist/policy/index.d.ts",
      "LICENSE",
      "dist/policy/THIRD-PARTY.txt",
    ]),
  );
  expect(files.filter((path) => /^(?:src|test|node_modules)|[^d]\.ts$/.test(path))).toEqual([]);
});

test("the bundle imports nothing", async () => {
  const { metafile } = await build({
    entryPoints: [join(installed, "dist/policy/index.js")],
    bundle: true,
    platform: "neutral",
    format: "esm",
    metafile: true,
    write: false,
  });
  expect(Object.values(metafile.inputs).flatMap(({ imports }) => imports)).toEqual([]);
  expect(readFileSync(join(installed, "dist/policy/index.js"), "utf8")).not.toMatch(/["'](?:node:|fs["'])/);
});

test("Node imports it by its name", async () => {
  const code = `import { outcomes } from "./program.ts"; console.log(JSON.stringify(outcomes(${JSON.stringify(scenario)})));`;
  const result = await run("sh", [withNode, "node", "--input-type=module", "--eval", code], process.env, scratch);
  expect(result.stderr).toBe("");
  expect(JSON.parse(result.stdout)).toEqual(OUTCOMES);
});

test("a browser runs it, without process, require or any other object of Node's", async () => {
  const bundle = await build({
    stdin: { contents: PROGRAM, loader: "ts", resolveDir: scratch },
    bundle: true,
    platform: "browser",
    format: "iife",
    globalName: "program",
    write: false,
  });
  const code = bundle.outputFiles[0]!.text;
  const answer = runInNewContext(`${code}\nJSON.stringify(program.outcomes(JSON.parse(given)))`, {
    given: JSON.stringify(scenario),
  }) as string;
  expect(JSON.parse(answer) as Record<string, Answer["final"]>).toEqual(OUTCOMES);
});

describe.each([
  ["nodenext", "nodenext"],
  ["esnext", "bundler"],
])("declarations with module %s", (module, moduleResolution) => {
  const directory = join(scratch, moduleResolution);
  beforeAll(() => {
    mkdirSync(join(directory, "node_modules"), { recursive: true });
    symlinkSync(installed, join(directory, "node_modules/shieldgate"));
  });

  const check = async (program: string) => {
    const compilerOptions = { target: "es2022", module, moduleResolution, strict: true, noEmit: true, types: [] };
    writeFileSync(join(directory, "package.json"), '{"type":"module"}');
    writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
    writeFileSync(join(directory, "program.ts"), program);
    return run("sh", [withNode, "tsc", "-p", directory]);
  };

  test("they compile and say what is wrong", async () => {
    expect(await check(PROGRAM)).toMatchObject({ code: 0, stdout: "" });
    const wrong = await check(PROGRAM.replace('Answer["final"]>', "number>"));
    expect(wrong.stdout).toContain("TS2322");
  });
});
