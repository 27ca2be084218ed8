import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, it } from "vitest";
import { cpuMs } from "../../test/support/cpu-time.ts";
import { checkRegex, compileHttpRule, compileHttpRules, type HttpRequestFacts, judgeHttpRules } from "./http-rule.ts";
import type { HttpRule } from "./l7-rule.ts";

const request = {
  method: "GET",
  path: "/a?b=1",
  host: "x.example:80",
  headers: [
    { name: "X-Team", value: "a" },
    { name: "x-team", value: "b" },
  ],
};

describe("compileHttpRule", () => {
  it.each<[HttpRule, boolean]>([
    [{}, true],
    [{ method: "GET" }, true],
    [{ method: "get" }, false],
    [{ method: "GE" }, false],
    [{ method: "GET|POST" }, true],
    [{ path: "/a" }, false],
    [{ path: "/a.*" }, true],
    [{ path: "/a\\?b=[0-9]" }, true],
    [{ path: "a.*" }, false],
    [{ path: "/b.*" }, false],
    [{ host: "x.example:80" }, true],
    [{ host: "x\\.example" }, false],
    [{ headers: ["x-team"] }, true],
    [{ headers: ["X-TEAM: a,b"] }, true],
    [{ headers: ["X-Team: a"] }, false],
    [{ headers: ["X-Team a,b"] }, true],
    [{ headers: ["x-team", "x-other"] }, false],
    [{ method: "GET", path: "/zzz" }, false],
    [{ headers: [":path /a?b=1", "Host: x.example:80"] }, true],
    [{ headers: ["X-Team:"] }, false],
    [{ headerMatches: [{ name: "X-Team" }] }, true],
    [{ headerMatches: [{ name: "X-Team", value: "a,b" }] }, true],
    [{ headerMatches: [{ name: "X-Team", value: "a" }] }, false],
    [{ headerMatches: [{ name: "X-Team", value: "a", mismatch: "LOG" }] }, true],
    [{ headerMatches: [{ name: "X-Other", mismatch: "REPLACE" }] }, true],
    [{ headerMatches: [{ name: "X-Team", secret: "ns/s" }] }, false],
    [{ headerMatches: [{ name: "X-Team", secret: "ns/s", mismatch: "LOG" }] }, false],
    [{ headerMatches: [{ name: "X-Team", secret: "ns/s", value: "a,b" }] }, true],
  ])("%j: %s", (rule, want) => {
    expect(compileHttpRule(rule)(request)).toBe(want);
  });

  it("does not let a line feed through the fast path", () => {
    expect(compileHttpRule({ path: "/a.*" })({ ...request, path: "/a\nb" })).toBe(false);
  });

  it("allows when any rule allows", () => {
    expect(compileHttpRules([{ method: "POST" }, { path: "/a.*" }])(request)).toBe(true);
    expect(compileHttpRules([])(request)).toBe(false);
  });

  it("takes linear time where backtracking would explode", () => {
    const matches = compileHttpRule({ path: "/(a+)+b" });
    const started = cpuMs();
    expect(matches({ ...request, path: `/${"a".repeat(20_000)}` })).toBe(false);
    expect(cpuMs() - started).toBeLessThan(1000);
  });

  it.each(["(", "a{2,1}", "(?=a)", "(?<!a)b", "\\1", "\\C", "a".repeat(5000)])("refuses %j", (expression) => {
    expect(() => checkRegex(expression)).toThrow();
  });
});

describe("checkRegex", () => {
  it.each([
    "(a{100}){10}".repeat(10),
    "(\\pL|x){1000}".repeat(4),
    ".{1000}".repeat(500),
    "(?i:\\pL{1000})".repeat(200),
  ])("refuses soon what would be a large program: %#", (expression) => {
    const started = cpuMs();
    expect(() => checkRegex(expression)).toThrow(/instructions/);
    expect(cpuMs() - started).toBeLessThan(500);
  });

  it.each(["[a-z0-9]{1,63}", "([0-9a-f]{8,64}/){1,15}", "(?i)/a.*", "\\Q(\\E", "[[:alpha:]]", "[]a]", "\\pL+", "a|b|"])(
    "takes %j",
    (expression) => {
      expect(() => checkRegex(expression)).not.toThrow();
    },
  );

  it.each([`${"[\\p{a}".repeat(500)}`, "[[:".repeat(1000), "(?P<".repeat(1000)])("refuses soon %#", (expression) => {
    const started = cpuMs();
    expect(() => checkRegex(expression)).toThrow();
    expect(cpuMs() - started).toBeLessThan(500);
  });
});

const methods = fc.constantFrom("GET", "PUT", "GET|PUT", "G.*", "P[A-Z]+", "(PUT|POST)", "[^G].*");
const paths = fc.constantFrom(
  "/a",
  "/a/b",
  "/a/.*",
  "/.*",
  ".*",
  "/a/[0-9]+",
  "/a/[0-9]+/b",
  "/(a|b)/.*b",
  "/a(/.*)?",
  "/ab",
  ".*b",
  "(a|/)+b?",
  "^/a/b$",
  "/[^/]*/b",
);
const hosts = fc.constantFrom("x\\.y", "x.y", ".*y", "x.*", "y");
const part = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined });
const rules = fc.array(
  fc.record({
    method: part(methods),
    path: part(paths),
    host: part(hosts),
    headers: part(fc.constantFrom<string[]>(["h"], ["h: 1"], ["h: 1", "k"])),
  }),
  { maxLength: 12 },
);
const requests = fc.record({
  method: fc.constantFrom("GET", "PUT", "POST", "GETX", ""),
  path: fc.constantFrom(
    "/a",
    "/a/b",
    "/a/12",
    "/a/12/b",
    "/b/b",
    "/ab",
    "/",
    "",
    "/a/\nb",
    "/a/é/b",
    "/é/b",
    "//b",
    "b",
  ),
  host: fc.constantFrom("x.y", "xzy", "y", ""),
  headers: fc.constantFrom(
    [],
    [{ name: "H", value: "1" }],
    [
      { name: "K", value: "" },
      { name: "h", value: "1" },
    ],
  ),
});

describe("compileHttpRules", () => {
  it("says what trying the rules one after another says", () => {
    const isWhole = (expression: string | undefined, text: string) =>
      expression === undefined || RE2JS.compile(expression).testExact(text);
    const check = (all: readonly HttpRule[], asked: HttpRequestFacts) => {
      const first = all.findIndex(
        ({ method, path, host, headers }) =>
          isWhole(method, asked.method) &&
          isWhole(path, asked.path) &&
          isWhole(host, asked.host) &&
          compileHttpRule({ headers: headers ?? [] })(asked),
      );
      const compiled = compileHttpRules(all);
      expect(compiled(asked)).toBe(first !== -1);
      expect(judgeHttpRules(compiled, asked).rule).toBe(first === -1 ? undefined : first);
    };
    fc.assert(fc.property(rules, requests, check), { numRuns: 1000 });
  });

  it("knows the methods beyond those that have an index of their own", () => {
    const all = Array.from({ length: 40 }, (_, i) => ({ method: `M${i}`, path: "/a.*" }));
    const compiled = compileHttpRules([...all, { path: "/b" }]);
    expect(judgeHttpRules(compiled, { ...request, method: "M39" }).rule).toBe(39);
    expect(judgeHttpRules(compiled, { ...request, method: "M3" }).rule).toBe(3);
    expect(judgeHttpRules(compiled, { ...request, method: "M40" }).rule).toBeUndefined();
    expect(judgeHttpRules(compiled, { ...request, method: "M40", path: "/b" }).rule).toBe(40);
  });
});

describe("judgeHttpRules", () => {
  const secrets = new Map([["ns/s", "token"]]);
  const judge = (all: readonly HttpRule[]) => judgeHttpRules(compileHttpRules(all), request, secrets);
  const act = (headerMatch: NonNullable<HttpRule["headerMatches"]>[number]) =>
    judge([{ headerMatches: [headerMatch] }]);

  it.each([
    ["LOG", [{ kind: "log", name: "x-team", value: "c" }]],
    ["ADD", [{ kind: "add", name: "x-team", value: "c" }]],
    ["DELETE", [{ kind: "delete", name: "x-team" }]],
    ["REPLACE", [{ kind: "replace", name: "x-team", value: "c" }]],
  ] as const)("%s acts on a header with another value", (mismatch, actions) => {
    expect(act({ name: "X-Team", value: "c", mismatch })).toEqual({ allowed: true, rule: 0, actions });
    expect(act({ name: "X-Team", value: "a,b", mismatch })).toEqual({ allowed: true, rule: 0, actions: [] });
  });

  it("has nothing to delete when the header is missing", () => {
    expect(act({ name: "X-Other", value: "c", mismatch: "DELETE" }).actions).toEqual([]);
    expect(act({ name: "X-Other", mismatch: "DELETE" }).actions).toEqual([]);
    expect(act({ name: "X-Other", mismatch: "ADD" }).actions).toEqual([{ kind: "add", name: "x-other", value: "" }]);
  });

  it("takes a secret's value before the written one, and marks it", () => {
    const action = { kind: "replace", name: "x-team", value: "token", isSecret: true };
    expect(act({ name: "X-Team", secret: "ns/s", value: "a,b", mismatch: "REPLACE" }).actions).toEqual([action]);
    expect(act({ name: "X-Team", secret: "ns/none", value: "a,b", mismatch: "REPLACE" }).actions).toEqual([]);
    expect(act({ name: "X-Team", secret: "ns/none", mismatch: "REPLACE" })).toEqual({ allowed: false, actions: [] });
    expect(act({ name: "X-Team", secret: "ns/s" }).allowed).toBe(false);
  });

  it("tries every rule, and shows each the headers that the ones before it left", () => {
    const replace: HttpRule = { headerMatches: [{ name: "x-new", value: "1", mismatch: "REPLACE" }] };
    const log: HttpRule = { method: "GET", headerMatches: [{ name: "y", value: "2", mismatch: "LOG" }] };
    const verdict = judge([{ headers: ["x-new 1"] }, log, replace]);
    expect(verdict.rule).toBe(0);
    expect(verdict.actions.map(({ kind }) => kind)).toEqual(["replace", "log"]);
    expect(judge([{ method: "PUT", ...replace }]).allowed).toBe(false);
  });

  it("does what a rule's other headers want though the rule fails by one", () => {
    const failing: HttpRule = {
      headerMatches: [
        { name: "x-new", value: "1", mismatch: "ADD" },
        { name: "x", secret: "ns/none" },
      ],
    };
    expect(judge([failing])).toEqual({ allowed: false, actions: [{ kind: "add", name: "x-new", value: "1" }] });
    expect(judge([failing, {}]).actions).toHaveLength(1);
  });
});
