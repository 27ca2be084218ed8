import { describe, expect, it } from "vitest";
import { checkRegex, compileHttpRule, compileHttpRules } from "./http-rule.ts";
import { compileRedirect } from "./judge-request.ts";
import type { HttpRule } from "./policy-map.ts";

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
    const started = performance.now();
    expect(matches({ ...request, path: `/${"a".repeat(20_000)}` })).toBe(false);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it.each(["(", "a{2,1}", "(?=a)", "(?<!a)b", "\\1", "a".repeat(5000)])("refuses %j", (expression) => {
    expect(() => checkRegex(expression)).toThrow();
  });
});

describe("compileRedirect", () => {
  const judge = compileRedirect({
    key: "ingress:TCP:80",
    direction: "ingress",
    protocol: 6,
    port: 80,
    parser: "http",
    rules: [
      { http: [{ method: "GET" }], deny: false, origin: 0 },
      { identities: [7], deny: false, origin: 1 },
      { identities: [8], deny: true, origin: 2 },
    ],
  });

  it.each([
    [5, "GET", true, 0],
    [5, "PUT", false, -1],
    [7, "PUT", true, 1],
    [8, "GET", false, 2],
  ])("peer %i, %s: %s", (identity, method, allowed, origin) => {
    expect(judge(identity, { ...request, method })).toEqual({ allowed, origin });
  });
});
