import { expect, it } from "vitest";
import { Limits } from "../../src/model/limits.ts";
import { BlockCounter, type BlockCounts, countCalls } from "../support/count-work.ts";
import {
  isMapPlace,
  isObjectPlace,
  type Place,
  pathOf,
  placesIn,
  shapeOf,
  withValue,
} from "../support/document-places.ts";
import { wholeDocuments } from "../support/policy-documents.ts";

const blocks = new BlockCounter();
const { checkRegex, compileRegex } = await import("../../src/policy/http-regex.ts");
const { parsePolicy } = await import("../../src/policy/parse.ts");
const { readPlainYaml } = await import("../../src/policy/plain-yaml.ts");
const { readPolicyText, resolveScalar } = await import("../../src/policy/policy-text.ts");

/** Hostile sizes, by what they cost in steps; a clock would tell of the machine. */

const FEW = 100;
/** Four times as many may cost six times as much, for the sake of what grows with a logarithm; a square would be sixteen. */
const TIMES = 4;
const MOST = 6;

/** Undefined where the work grows as the input does. */
function growth(what: string, work: (count: number) => void): string | undefined {
  // What is made once, and remembered, costs nothing below.
  work(TIMES * FEW);
  const [few, many] = [FEW, TIMES * FEW].map((count) => countCalls(() => work(count)));
  const isFine = many! <= MOST * few!;
  return isFine ? undefined : `${what}: ${FEW} cost ${few} steps, ${TIMES * FEW} cost ${many}`;
}

/** Blocks of our sources that were entered more often than the input grew. */
function grownBlocks(few: BlockCounts, many: BlockCounts): string[] {
  // A block without a count of its own was entered as often as what it stands in.
  const grown = [...many].filter(([name, count]) => count > Math.max(FEW * FEW, MOST * (few.get(name) ?? Infinity)));
  return grown.map(([name, count]) => `${name}: ${few.get(name)} became ${count}`);
}

const read = (document: unknown) => void parsePolicy(document, { nodeSelectorLabels: true });
const entriesOf = (count: number, value: unknown) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, value]));

/** What stands in the place, very often. */
function enlarged(place: Place, count: number): readonly (readonly [string, unknown])[] {
  const { value } = place;
  if (Array.isArray(value) && value.length > 0)
    return [
      ["elements", Array.from({ length: count }, (_, index) => value[index % value.length])],
      ["wrong elements", Array.from({ length: count }, () => 7)],
    ];
  if (isMapPlace(place)) return [["labels", entriesOf(count, "x")]];
  if (isObjectPlace(place)) return [["unknown fields", { ...(value as object), ...entriesOf(count, 7) }]];
  return typeof value === "string" ? [["characters", "a".repeat(100 * count)]] : [];
}

/** Each place that readers tell apart, in documents of any size. */
const cases = (() => {
  const seen = new Set<string>();
  const found: { readonly what: string; readonly work: (count: number) => void }[] = [];
  for (const document of wholeDocuments()) {
    for (const place of placesIn(document)) {
      // Readers go by what a field is called and what it stands in.
      const shape = shapeOf(place.steps.slice(-3));
      if (seen.has(shape)) continue;
      seen.add(shape);
      for (const [index, [what]] of enlarged(place, 1).entries()) {
        const work = (count: number) => read(withValue(document, place.steps, enlarged(place, count)[index]![1]));
        found.push({ what: `${what} at ${pathOf(place.steps)}`, work });
      }
    }
  }
  return found;
})();

it("a policy that is larger at any place costs as much more as it is larger", () => {
  expect(cases.map(({ what, work }) => growth(what, work)).filter((each) => each !== undefined)).toEqual([]);
  expect(cases.length).toBeGreaterThan(100);
});

it("no loop of the parser runs more often than the policy is larger", () => {
  const all = (count: number) => () => {
    for (const { work } of cases) work(count);
  };
  all(TIMES * FEW)();
  const few = blocks.count(all(FEW));
  expect(few.size).toBeGreaterThan(100);
  expect(grownBlocks(few, blocks.count(all(TIMES * FEW)))).toEqual([]);
});

it("what is nested without end is answered wherever it stands", () => {
  const nest = (wrap: (inner: unknown) => unknown) => {
    let value: unknown = [];
    for (let level = 0; level < 100_000; level++) value = wrap(value);
    return value;
  };
  const values = [nest((inner) => ({ a: inner })), nest((inner) => [inner])];
  for (const document of wholeDocuments())
    for (const { steps } of placesIn(document)) {
      for (const value of values) expect(() => read(withValue(document, steps, value)), pathOf(steps)).not.toThrow();
    }
});

it.each<[string, (count: number) => string]>([
  ["keys", (count) => Array.from({ length: count }, (_, index) => `k${index}: 1\n`).join("")],
  ["items", (count) => `a:\n${"- b: 1\n  c: x\n".repeat(count)}`],
  ["keys of one map in braces", (count) => JSON.stringify(entriesOf(count, 1))],
  ["items of one list in brackets", (count) => `a: [${"1, ".repeat(count)}1]\n`],
  ["keys that are given twice", (count) => "a: 1\n".repeat(count)],
  ["documents", (count) => "a: 1\n---\n".repeat(count)],
  ["errors", (count) => "a: b: c\n".repeat(count)],
  ["characters of a text", (count) => `a: ${"x".repeat(100 * count)}\n`],
  ["characters in quotes", (count) => `a: "${"x\\n".repeat(30 * count)}"\n`],
  ["lines of a text", (count) => `a: |\n${"  x\n".repeat(count)}`],
  ["blanks", (count) => `a: 1\n${" \n".repeat(count)}b: 2\n`],
  ["comments", (count) => "# x\n".repeat(count)],
])("a text with more %s costs as much more", (what, text) => {
  const ways = [
    (count: number) => readPolicyText(text(count)),
    (count: number) => readPlainYaml(text(count), resolveScalar),
  ];
  expect(ways.map((way) => growth(what, way))).toEqual([undefined, undefined]);
});

it("an expression that explodes is refused, and what is accepted stays small", () => {
  const nested = (inner: string, times: number, depth: number) =>
    Array.from({ length: depth }).reduce<string>((text) => `(${text}){${times}}`, inner);
  const hostile = [
    ...[2, 3, 5, 9].map((depth) => nested("a", 10, depth)),
    ...[1, 2, 3].map((depth) => nested("\\pL", 100, depth)),
    // RE2 takes a thousand repeats, of something long as well.
    ...[100, 600, 999].map((times) => `(abcdefghij){${times}}`),
    nested("a?", 50, 2) + nested("a", 50, 2),
    `${"(".repeat(1_500)}a${")*".repeat(1_500)}`,
    `(${"a|".repeat(2_000)}b)*`,
    "(a*)*(a*)*b",
    "a{1000}{1000}",
    "x".repeat(Limits.RegexLength + 1),
  ];
  for (const expression of hostile) {
    let cost = Infinity;
    try {
      cost = checkRegex(expression);
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      expect(error, expression).not.toBeInstanceOf(RangeError);
    }
    if (cost < Infinity) expect(compileRegex(expression).programSize()).toBeLessThanOrEqual(Limits.RegexProgramSize);
  }
});
