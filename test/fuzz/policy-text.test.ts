import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { readPlainYaml } from "../../src/policy/plain-yaml.ts";
import { readPolicyText, resolveScalar } from "../../src/policy/policy-text.ts";
import { isMapPlace, isObjectPlace, placesIn, shapeOf, withValue } from "../support/document-places.ts";
import { wholeDocuments } from "../support/policy-documents.ts";
import { randomScenario } from "../support/policy-scenarios.ts";

const YAML = { version: "1.1", lineWidth: 0 } as const;
const WRITERS: readonly (readonly [string, (value: unknown) => string])[] = [
  ["YAML in blocks", (value) => stringify(value, { ...YAML, aliasDuplicateObjects: false })],
  ["YAML in braces", (value) => stringify(value, { ...YAML, aliasDuplicateObjects: false, collectionStyle: "flow" })],
  ["JSON", (value) => JSON.stringify(value)],
  ["JSON on many lines", (value) => JSON.stringify(value, null, 2)],
];

/** What is wrong with a text, each with its line; the readers must agree that something is. */
function refusalsOf(text: string): string[] {
  const read = readPolicyText(text);
  if (read.ok) return [];
  expect(readPlainYaml(text, resolveScalar), text).toBeUndefined();
  return read.errors.map(({ line, message }) => `${line}: ${message}`);
}

const policies: readonly unknown[] = [
  ...wholeDocuments(),
  ...Array.from({ length: 60 }, (_, seed) => randomScenario(seed).policies).flat(),
].map((policy) => JSON.parse(JSON.stringify(policy)) as unknown);

describe.each(WRITERS)("a policy as %s", (_what, write) => {
  it("is read as the policy, whoever reads it", () => {
    for (const policy of policies) {
      const text = write(policy);
      const read = readPolicyText(text);
      expect(read.ok ? read.documents.map(({ value }) => value) : read.errors, text).toEqual([policy]);
      const plain = readPlainYaml(text, resolveScalar);
      if (plain !== undefined) expect(plain.value, text).toEqual(policy);
    }
  });

  it("is refused where a key stands twice, and the key is named", () => {
    const twin = "twin-of-a-key";
    for (const document of wholeDocuments()) {
      const shapes = new Map(placesIn(document).map((place) => [shapeOf(place.steps.slice(-2)), place]));
      const maps = [...shapes.values()].filter((place) => isObjectPlace(place) || isMapPlace(place));
      for (const { steps, value } of maps) {
        const [key] = Object.keys(value as object);
        if (key === undefined) continue;
        // Another word of the same length, so that the text is the same but for it.
        const marked = write(withValue(document, [...steps, twin], 1));
        const text = marked.replace(twin, /^\w+$/.test(key) ? key : JSON.stringify(key)).replace(/""(.*?)""/, '"$1"');
        expect(refusalsOf(text).join(), text).toContain(`key ${JSON.stringify(key)} is given twice`);
      }
    }
  });
});

it("a document that says more than JSON can is refused, on the line where it does", () => {
  const [document] = wholeDocuments();
  const lines = WRITERS[0]![1](document).split("\n");
  const marks = [
    ["&a ", "an anchor"],
    ["*a ", "an alias"],
    ["!!str ", "a tag"],
    ["!x ", "a tag"],
  ] as const;
  let tried = 0;
  for (const [index, line] of lines.entries()) {
    const value = /^([ -]*[\w./-]+: )(\S.*)$/.exec(line);
    if (value === null) continue;
    tried++;
    for (const [mark, name] of marks) {
      const text = lines.with(index, value[1]! + mark + (mark.startsWith("*") ? "" : value[2]!)).join("\n");
      expect(refusalsOf(text)[0] ?? "accepted", text).toMatch(new RegExp(`^${index + 1}: ${name}`));
    }
  }
  expect(tried).toBeGreaterThan(40);
});

const DEEP: readonly (readonly [string, (depth: number) => string])[] = [
  ["brackets", (depth) => "[".repeat(depth) + "]".repeat(depth)],
  ["braces", (depth) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`],
  ["brackets that never close", (depth) => "[".repeat(depth)],
  ["dashes on one line", (depth) => `${"- ".repeat(depth)}a`],
  ["question marks on one line", (depth) => `${"? ".repeat(depth)}a`],
  ["lines of keys", (depth) => Array.from({ length: depth }, (_, level) => `${" ".repeat(level)}a:`).join("\n")],
  ["lines of dashes", (depth) => Array.from({ length: depth }, (_, level) => `${" ".repeat(level)}-`).join("\n")],
  ["brackets below keys", (depth) => `a:\n b:\n  ${"[".repeat(depth)}${"]".repeat(depth)}`],
];

describe.each(DEEP)("nesting by %s", (what, nest) => {
  // Lines that are indented deeper and deeper are soon too long.
  const deepest = what.startsWith("lines") ? 1_400 : 100_000;

  it("is read up to some depth, and refused beyond it whatever the depth", () => {
    expect(refusalsOf(nest(65)).length).toBeGreaterThan(0);
    for (const depth of [66, 200, 1_000, deepest]) {
      expect(refusalsOf(nest(depth)).join(), `${depth} levels`).toMatch(/nested (more than|too)/);
    }
  });
});
