import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, it } from "vitest";
import { cpuMs } from "../../test/support/cpu-time.ts";
import { formMatcher, textForms } from "./http-text.ts";

const compileText = (expression: string) => formMatcher(textForms(expression));
const kinds = (expression: string) => textForms(expression).map(({ kind, prefix }) => `${kind} ${prefix}`);

describe("textForms", () => {
  it.each<[string, string[]]>([
    ["/a", ["exact /a"]],
    ["^/a$", ["exact /a"]],
    ["x\\.example\\.com", ["exact x.example.com"]],
    ["GET|POST", ["exact GET", "exact POST"]],
    ["/(a|b)/.*", ["rest /a/", "rest /b/"]],
    ["/a(/.*)?", ["rest /a/", "exact /a"]],
    ["/a/[0-9]+/b", ["test /a/"]],
    ["/a/.*c(d|e)+", ["test /a/"]],
    ["/ab*", ["test /a"]],
    ["/ab{2}|/c.*d+", ["test "]],
    ["/ab*(cd)+", ["test /a"]],
    ["(?i)/a", ["test "]],
    ["\\Qa\\E", ["test "]],
    ["a{01}", ["exact a{01}"]],
  ])("%j: %j", (expression, want) => {
    expect(kinds(expression)).toEqual(want);
  });
});

const atom = fc.constantFrom(
  ..."abc/1-".split(""),
  ..."abc/1-".split(""),
  ".",
  "\\.",
  "\\/",
  "\\d",
  "\\W",
  "\\s",
  "[a-c]",
  "[^/]",
  "[^a\\d]",
  "[]b]",
  "[b-]",
  "[\\w-]",
  "[^]a]",
  "[[:alpha:]]",
  "\\pL",
  "\\b",
  "\n",
  "é",
  "^",
  "$",
  "(?i)",
  "\\Qa|\\E",
  "\\x61",
  "{",
  "a{01}",
);
const quantifier = fc.constantFrom("", "", "", "", "*", "+", "?", "*?", "{2}", "{0,2}", "{1,}", "{0}");
const expression = fc.letrec<{ regex: string; branch: string; item: string }>((tie) => ({
  regex: fc.array(tie("branch"), { minLength: 1, maxLength: 3 }).map((branches) => branches.join("|")),
  branch: fc.array(tie("item"), { maxLength: 5 }).map((items) => items.join("")),
  item: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.tuple(atom, quantifier).map(([text, times]) => text + times),
    fc.constant(".*"),
    fc
      .tuple(fc.constantFrom("(", "(?:", "(?P<n>", "(?i:", "(?s:"), tie("regex"), quantifier)
      .map(([open, inner, times]) => `${open}${inner})${times}`),
  ),
})).regex;
const character = fc.constantFrom(
  "a",
  "a",
  "b",
  "c",
  "/",
  "1",
  "-",
  ".",
  "\n",
  "é",
  "A",
  "\u{1f600}",
  "\ud800",
  "{",
  "_",
  " ",
);
const text = fc.string({ unit: character, maxLength: 8 });

function compiled(source: string): RE2JS | undefined {
  try {
    return RE2JS.compile(source);
  } catch {
    return undefined;
  }
}

describe("formMatcher", () => {
  it("says what the regex engine says", () => {
    const check = (source: string, samples: readonly string[]) => {
      const engine = compiled(source);
      fc.pre(engine !== undefined);
      const matches = compileText(source);
      for (const sample of samples) {
        const want = engine.testExact(sample);
        expect([source, sample, matches(sample)]).toEqual([source, sample, want]);
        const isFound = textForms(source).some((form) => sample.startsWith(form.prefix) && form.matches(sample));
        expect([source, sample, isFound]).toEqual([source, sample, want]);
      }
    };
    fc.assert(fc.property(expression, fc.array(text, { minLength: 4, maxLength: 12 }), check), { numRuns: 600 });
  });

  it("meets the texts of sets, globs and alternatives", () => {
    const cases: readonly [string, readonly string[], readonly string[]][] = [
      ["/a/[^/]+/b", ["/a/x/b", "/a/é/b", "/a/\u{1f600}/b"], ["/a//b", "/a/x/y/b", "/a/x/b\n"]],
      [".*/x/.*/y", ["/x//y", "a/x/b/x/y/y"], ["/x/y", "/x/\n/y", "/x//y/"]],
      ["/[a-z]{2,3}", ["/ab", "/abc"], ["/a", "/abcd", "/ab1"]],
      ["(a|b)*c", ["c", "abbac"], ["abd", ""]],
      [".", ["a", "é", "\u{1f600}"], ["\n", "ab", ""]],
      ["a.*a", ["aa", "a-a"], ["a"]],
      ["/ab*(cd)+xyz?", ["/acdxy", "/abcdcdxyz"], ["/axy", "/acdx"]],
      ["(cd)+(wxyz)?ab", ["cdab", "cdwxyzab"], ["cd"]],
      ["a.*b.*c", ["abc", "a-b-b-c"], ["a--c", "ac"]],
    ];
    for (const [source, good, bad] of cases) {
      const matches = compileText(source);
      expect([source, good.filter((sample) => !matches(sample)), bad.filter(matches)]).toEqual([source, [], []]);
    }
  });

  it.each(["(a+)+b", "(a|aa)*b", "(.*)*x", ".*a.*a.*a.*a.*a.*b", "(a?){500}b", "([a-z]*a){30}c", "(a|b)*a(a|b){400}"])(
    "ends soon: %j",
    (source) => {
      const matches = compileText(source);
      const hostile = "a".repeat(16_000);
      const started = cpuMs();
      expect(matches(`${hostile}!`)).toBe(false);
      expect(cpuMs() - started).toBeLessThan(2000);
    },
  );
});
