import { describe, expect, test } from "vitest";
import { checkRanks } from "../tidy/ranks.ts";
import { checkSizes } from "../tidy/sizes.ts";
import { checkWords } from "../tidy/words.ts";

/** Each gate is given one planted fault, and its clean twin: a gate that cannot fail guards nothing. */
const source = (path: string, text: string) => [{ path, text }];

describe("the rank gate", () => {
  test.each([
    ["a model that imports the engine", "src/model/a.ts", 'import { x } from "../policy/b.ts";\n'],
    ["parts of one rank that know each other", "src/kube/a.ts", 'import type { x } from "../datapath/b.ts";\n'],
    ["an engine that reads files", "src/policy/a.ts", 'import { readFileSync } from "node:fs";\n'],
    ["an engine that looks at the clock", "src/policy/a.ts", "export const now = () => Date.now();\n"],
    ["a prover that reads files", "src/prove/a.ts", 'import { readFileSync } from "node:fs";\n'],
    ["an engine that proves", "src/policy/a.ts", 'import { x } from "../prove/b.ts";\n'],
    ["a bare import", "src/flow/a.ts", 'import "../kube/b.ts";\n'],
    ["a dynamic import", "src/kube/a.ts", 'const x = await import("../agent/b.ts");\n'],
    ["a folder without a rank", "src/stuff/a.ts", "export const x = 1;\n"],
    ["an import of tests", "src/agent/a.ts", 'import { x } from "../../test/support/b.ts";\n'],
  ])("catches %s", (_, path, text) => {
    expect(checkRanks(source(path, text))).toHaveLength(1);
  });

  test("lets imports point down", () => {
    const text = 'import { x } from "../policy/b.ts";\nimport { y } from "./c.ts";\n// Date.now() is not called here\n';
    expect(checkRanks(source("src/agent/a.ts", text))).toEqual([]);
    expect(checkRanks(source("src/flow/a.ts", text.replace("../policy", "../model")))).toEqual([]);
  });
});

describe("the size gate", () => {
  const lines = (count: number) => "x;\n".repeat(count);
  test.each([
    ["a long file", "src/agent/a.ts", lines(401)],
    ["a long function", "src/agent/a.ts", `export function f() {\n${"  x;\n".repeat(69)}}\n`],
    [
      "a long method",
      "src/agent/a.ts",
      `class A {\n  private async f(): Promise<void> {\n${"    x;\n".repeat(69)}  }\n}\n`,
    ],
    ["a long arrow function", "src/agent/a.ts", `const f = async () => {\n${"  x;\n".repeat(69)}};\n`],
    [
      "a long function with wrapped parameters",
      "src/agent/a.ts",
      `function f(\n  a: string,\n): void {\n${"  x;\n".repeat(69)}}\n`,
    ],
    ["a long C function", "bpf/a.c", `static int f(void)\n{\n${"\tx;\n".repeat(69)}}\n`],
    ["a long README of a folder", "src/agent/README.md", lines(26)],
  ])("catches %s", (_, path, text) => {
    expect(checkSizes(source(path, text))).toHaveLength(1);
  });

  test("lets the limits be reached", () => {
    expect(checkSizes(source("src/agent/a.ts", lines(400)))).toEqual([]);
    expect(checkSizes(source("src/agent/a.ts", `export function f() {\n${"  x;\n".repeat(68)}}\n`))).toEqual([]);
  });
});

describe("the word gate", () => {
  test.each([
    ["a file of utils", "src/agent/utils.ts", ""],
    ["a file of helpers", "test/support/test-helpers.ts", ""],
    ["a Manager", "src/agent/a.ts", "export class PolicyManager {}\n"],
    ["a note to do it later", "src/agent/a.ts", "// TODO: later\n"],
    ["a focused test", "src/agent/a.test.ts", "test.only('x', () => {});\n"],
    ["a place outside the project", "docs/a.md", "see ../shared/DESIGN.md\n"],
    ["a download address in the lockfile", "package-lock.json", '"resolved": "https://x"\n'],
    ["an any", "src/agent/a.ts", "export const f = (x: any) => x;\n"],
  ])("catches %s", (_, path, text) => {
    expect(checkWords(source(path, text))).toHaveLength(1);
  });

  test("lets the field's words stand", () => {
    expect(checkWords(source("src/agent/endpoint.ts", "export class Repository {}\n"))).toEqual([]);
  });
});
