import { RE2JS } from "re2js";
import { describe, expect, it } from "vitest";
import { isPlainRegex, tokenize } from "./http-regex-token.ts";

const ASCII = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));

function setOf(expression: string): string | undefined {
  const [token, ...more] = tokenize(expression);
  if (more.length > 0 || token?.kind !== "set") return undefined;
  return ASCII.filter((_, code) => token.set[code] === 1).join("");
}

describe("a set of characters", () => {
  it.each([
    ...[".", "\\d", "\\D", "\\w", "\\W", "\\s", "\\S"],
    ...["[a]", "[abc]", "[^abc]", "[a-c]", "[^a-c]", "[a-cx-z]", "[a-a]", "[-a]", "[a-]", "[a\\-z]", "[+--]"],
    ...[
      "[]a]",
      "[^]a]",
      "[\\]a]",
      "[\\d_]",
      "[^\\d]",
      "[\\D]",
      "[\\w.-]",
      "[\\s\\d]",
      "[^\\W]",
      "[!-\\/]",
      "[\\[-\\]]",
    ],
    ...["[.]", "[$^]", "[a^]", "[|()]", "[ -~]", "[\\w\\s]", "[a\\d-]"],
  ])("of %s is what RE2 takes it for", (expression) => {
    const engine = RE2JS.compile(expression);
    expect(setOf(expression)).toBe(ASCII.filter((character) => engine.matches(character)).join(""));
  });

  it.each(["[[:alpha:]]", "[\\pL]", "[\\p{Greek}]", "[é]", "[a-é]", "[a-\\x7a]", "[\\x61]", "[\\n]"])(
    "%s is left to the engine, as a whole",
    (expression) => {
      expect(RE2JS.compile(expression)).toBeDefined();
      expect(tokenize(`${expression}a`)).toEqual([{ kind: "other" }, { kind: "character", code: 97 }]);
    },
  );
});

describe("tokens", () => {
  const short = (expression: string) =>
    tokenize(expression).map((token) =>
      token.kind === "character"
        ? String.fromCharCode(token.code)
        : token.kind === "repeat"
          ? `${token.min}..${token.max}`
          : token.kind,
    );

  it.each([
    ["a*", ["a", "0..Infinity"]],
    ["a+?", ["a", "1..Infinity"]],
    ["a?", ["a", "0..1"]],
    ["a??", ["a", "0..1"]],
    ["a{3}", ["a", "3..3"]],
    ["a{3,}", ["a", "3..Infinity"]],
    ["a{0,12}?b", ["a", "0..12", "b"]],
    ["a{,3}", ["a", "{", ",", "3", "}"]],
    ["a{x", ["a", "{", "x"]],
    ["a{03}", ["a", "{", "0", "3", "}"]],
    ["^(a|b)$", ["begin", "open", "a", "or", "b", "close", "end"]],
    ["(?:a)", ["open", "a", "close"]],
    ["(?P<n>a)(?<m>b)", ["open", "a", "close", "open", "b", "close"]],
    ["(?i:a)", ["open", "a", "close"]],
    ["(?i)a", ["other", "a"]],
    ["\\.\\/\\\\", [".", "/", "\\"]],
    ["\\pLa\\p{Greek}a\\PN", ["other", "a", "other", "a", "other"]],
    ["\\x41a\\x{41}a\\101a\\n", ["other", "a", "other", "a", "other", "a", "other"]],
    ["\\A\\b\\z", ["other", "other", "other"]],
    ["é~", ["other", "~"]],
    ["[a]b[^c]", ["set", "b", "set"]],
  ])("of %s", (expression, want) => {
    expect(short(expression)).toEqual(want);
  });

  it("may be trusted without quoted parts and flags", () => {
    const plain = ["a", "(?:a)", "(?P<n>a)", "\\q"];
    expect(plain.map(isPlainRegex)).toEqual([true, true, true, true]);
    expect(["\\Qa\\E", "(?i)a", "(?s:a)", "a(?U)b", "(?-m)a"].map(isPlainRegex)).toEqual(Array(5).fill(false));
  });
});
