import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, it } from "vitest";
import { compileServerNames, serverNameProblem } from "./server-name.ts";

describe("compileServerNames", () => {
  it.each<[string, string | undefined, boolean]>([
    ["cilium.io", "CILIUM.io", true],
    ["Cilium.io.", "cilium.io", true],
    ["cilium.io", "cilium.io.", false],
    ["cilium.io", undefined, false],
    ["cilium.io", "", false],
    ["*.cilium.io", "www.cilium.io", true],
    ["*.cilium.io", "a.b.cilium.io", false],
    ["*cilium.io", "subcilium.io", true],
    ["**.cilium.io", "a.b.cilium.io", true],
    ["***.cilium.io", "a.b.cilium.io", true],
    ["**.cilium.io", "cilium.io", false],
    ["***.test-*.**.cilium.io", "x.y.test-1.z.cilium.io", true],
    ["a.**.io", "a.b.c.io", false],
    ["*", "a.b.c", true],
    ["**.", "a.b.c", true],
    ["*", "a..c", false],
    ["*", "a b", false],
    ["*", undefined, false],
    ["k.io", "\u212A.io", false],
  ])("%j, %j: %s", (pattern, asked, want) => {
    expect(compileServerNames([pattern])(asked)).toBe(want);
  });

  it("allows what any pattern allows, and nothing without patterns", () => {
    expect(compileServerNames(["a.io", "*.b.io"])("x.b.io")).toBe(true);
    expect(compileServerNames([])("x.b.io")).toBe(false);
  });

  it("agrees with the regular expression that a pattern means", () => {
    const character = "[-a-z0-9_]";
    const piece = fc.string({ unit: fc.constantFrom("a", "b", "*", "-"), minLength: 1, maxLength: 4 });
    const labels = fc.array(piece, { minLength: 1, maxLength: 4 });
    const asked = fc.string({ unit: fc.constantFrom("a", "b", "-", ".", "."), maxLength: 10 });
    const check = (deep: string, parts: readonly string[], name: string) => {
      const rest = parts.join(".").replace(/\*+/g, "*");
      // They mean something else: each name, or labels in front.
      if (deep === "" && (rest === "*" || /^\*{2,}$/.test(parts[0]!))) return;
      const prefix = deep === "" ? "" : `${character}+([.]${character}+)*[.]`;
      const body = rest.replaceAll(".", "[.]").replaceAll("*", `${character}{0,}`);
      const regex = RE2JS.compile(prefix + body);
      expect(compileServerNames([`${deep}${parts.join(".")}`])(name)).toBe(name !== "" && regex.testExact(name));
    };
    fc.assert(fc.property(fc.constantFrom("", "**.", "***."), labels, asked, check), { numRuns: 1500 });
  });
});

describe("serverNameProblem", () => {
  it.each(["a", "*", "**.a.io", "a*b.io."])("takes %j", (pattern) => {
    expect(serverNameProblem(pattern)).toBeUndefined();
  });

  it.each(["", ".a", "a..b", "a b", "a/b", "a".repeat(256)])("refuses %j", (pattern) => {
    expect(serverNameProblem(pattern)).toBeDefined();
  });
});
