import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { isWholeName } from "../../policy/dns-pattern.ts";
import { compileDnsRules } from "../../policy/dns-rule.ts";
import { compileHttpRules } from "../../policy/http-rule.ts";
import { compileServerNames, serverNameExpression, serverNameProblem } from "../../policy/server-name.ts";
import { DNS_QUESTION, type RequestRule, uncoveredRequest } from "./request-language.ts";

const path = (expression: string, more: Partial<RequestRule> = {}): RequestRule => ({
  path: expression,
  demands: [],
  ...more,
});
const shown = (rule: RequestRule, ...others: RequestRule[]) => {
  const found = uncoveredRequest(rule, others);
  return typeof found === "object" ? found.request : found;
};

describe("a rule is covered by others", () => {
  it.each([
    ["written in another way", path("/(a|b)"), [path("/a|/b")]],
    ["taken apart", path("/(a|b)"), [path("/a"), path("/b")]],
    ["by one that is wider", path("/v1/[a-f]+"), [path("/v1/.*")]],
    ["by every path", path("/a"), [{ demands: [] }]],
    [
      "by its two halves of methods",
      path("/a", { method: "GET|PUT" }),
      [path("/a", { method: "GET" }), path("/.*", { method: "P.*" })],
    ],
    ["with anchors", path("^/a$"), [path("/a")]],
    ["whatever its case", path("(?i)/k"), [path("/[kK\\x{212a}]")]],
    [
      "by one that wants fewer headers",
      path("/a", { demands: ["header X: 1", "header Y"] }),
      [path("/a", { demands: ["header Y"] })],
    ],
    ["for hosts", path("/", { host: "a.example" }), [path("/", { host: "[ab]\\.example|a.example" })]],
  ])("%s", (_, rule, others) => expect(uncoveredRequest(rule, others)).toBeUndefined());

  it.each([
    ["GET /b", path("/(a|b)"), [path("/a")]],
    ["GET /", path("/.*"), [path("/.+")]],
    ["PUT /a", path("/a", { method: "GET|PUT" }), [path("/a", { method: "GET" })]],
    ["GET /a (host b)", path("/a", { host: "a|b" }), [path("/a", { host: "a" })]],
    ["GET /a (header X)", path("/a", { demands: ["header X"] }), [path("/a", { demands: ["header Y"] })]],
    ["GET /A", path("(?i)/a"), [path("/a")]],
    ["GET /aa", path("/a+"), [path("/a"), path("/aaa+")]],
  ])("not %s", (request, rule, others) => expect(shown(rule, ...others)).toBe(request));

  it("not decided where an expression looks at words, or has too many states", () => {
    expect(shown(path("/a\\b"), path("/a"))).toBe("unknown");
    expect(shown(path("/.*"), path("/(a|b)*a(a|b){14}"))).not.toBeUndefined();
    expect(shown(path("/(a|b)*"), path("/(a|b)*a(a|b){14}|/(a|b)*b(a|b){14}|/(a|b){0,14}"))).toBe("unknown");
  });
});

const atoms = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "(?i:a)", "ab");
const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3 },
    atoms,
    fc.tuple(tie("expression"), tie("expression")).map((parts) => parts.join("")),
    fc.tuple(tie("expression"), tie("expression")).map((parts) => `(${parts.join("|")})`),
    fc.tuple(tie("expression"), fc.constantFrom("*", "+", "?", "{2}")).map(([inner, times]) => `(${inner})${times}`),
  ),
}));
const rules = fc.record({
  path: fc.oneof(
    expression,
    expression.map((inner) => `^${inner}$`),
  ),
  method: fc.option(fc.constantFrom("a", "b", "a|b", ".*"), { nil: undefined }),
});
const TEXTS = [1, 2, 3, 4].flatMap((length) =>
  Array.from({ length: 3 ** length }, (_, number) =>
    Array.from({ length }, (_, place) => "abA"[Math.floor(number / 3 ** place) % 3]).join(""),
  ),
);

test("asking every short request says the same", () => {
  const seen = { covered: 0, open: 0 };
  fc.assert(
    fc.property(rules, fc.array(rules, { minLength: 1, maxLength: 3 }), (one, several) => {
      const ruleOf = ({ path, method }: { path: string; method: string | undefined }) =>
        method === undefined ? { path } : { path, method };
      const matches = compileHttpRules([ruleOf(one)]);
      const others = compileHttpRules(several.map(ruleOf));
      const isOpen = (method: string, path: string) => {
        const request = { method, path, host: "", headers: [] };
        return matches(request) && !others(request);
      };
      const asked = (rule: typeof one): RequestRule => ({ ...ruleOf(rule), demands: [] });
      const found = uncoveredRequest(asked(one), several.map(asked));
      if (found === "unknown") throw new Error("undecided");
      if (found === undefined) {
        seen.covered++;
        for (const method of ["a", "b", "c"]) for (const text of TEXTS) expect(isOpen(method, text)).toBe(false);
      } else {
        seen.open++;
        const [method = "", path = ""] = found.request.split(" ");
        expect(isOpen(method, path)).toBe(true);
      }
    }),
    { numRuns: 400 },
  );
  expect(Math.min(seen.covered, seen.open)).toBeGreaterThan(30);
});

const serverNames = (pattern: string, more: Partial<RequestRule> = {}): RequestRule => ({
  server: serverNameExpression(pattern),
  isConnection: true,
  demands: [],
  ...more,
});

describe("server names", () => {
  it("are covered by those with the same TLS only, and by rules of every client", () => {
    const every: RequestRule = { isConnection: true, demands: [] };
    expect(uncoveredRequest(serverNames("a.b"), [serverNames("*.B.")])).toBeUndefined();
    expect(uncoveredRequest(serverNames("a.b"), [every])).toBeUndefined();
    expect(shown(every, serverNames("*"))).toBe("no server name");
    expect(shown(serverNames("a.b"), serverNames("a.b", { tls: "x" }))).toBe("server a.b");
    expect(shown(serverNames("**.b"), serverNames("*.b"))).toBe("server a.a.b");
  });

  it("of rules about requests are part of the request", () => {
    const asked = (pattern: string) => path("/a", { server: serverNameExpression(pattern), tls: "x" });
    expect(uncoveredRequest(asked("a.b"), [asked("*.b")])).toBeUndefined();
    expect(shown(asked("*.b"), asked("c.b"))).toBe("GET /a (server a.b)");
  });

  test.each<[string, (patterns: readonly string[]) => (name: string) => boolean, Partial<RequestRule>]>([
    ["server", compileServerNames, {}],
    ["name", (all) => compileDnsRules(all.map((matchPattern) => ({ matchPattern }))), { tls: DNS_QUESTION }],
  ])("asking for every short %s says the same", (word, compile, more) => {
    const patterns = fc
      .array(fc.constantFrom("a", "b", "*", "**", ".", "B"), { minLength: 1, maxLength: 6 })
      .map((pieces) => pieces.join(""))
      .filter((pattern) => serverNameProblem(pattern) === undefined);
    const names = [1, 2, 3, 4, 5, 6].flatMap((length) =>
      Array.from({ length: 3 ** length }, (_, number) =>
        Array.from({ length }, (_, place) => "ab."[Math.floor(number / 3 ** place) % 3]).join(""),
      ).filter(isWholeName),
    );
    const seen = { covered: 0, open: 0 };
    fc.assert(
      fc.property(patterns, fc.array(patterns, { minLength: 1, maxLength: 3 }), (one, several) => {
        const [matches, others] = [compile([one]), compile(several)];
        const isOpen = (name: string) => matches(name) && !others(name);
        const found = uncoveredRequest(
          serverNames(one, more),
          several.map((pattern) => serverNames(pattern, more)),
        );
        if (found === "unknown") throw new Error("undecided");
        if (found === undefined) {
          seen.covered++;
          expect(names.filter(isOpen)).toEqual([]);
        } else {
          seen.open++;
          expect(found.request.startsWith(`${word} `)).toBe(true);
          expect(isOpen(found.request.slice(word.length + 1))).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
    expect(Math.min(seen.covered, seen.open)).toBeGreaterThan(30);
  });
});
