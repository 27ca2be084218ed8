import fc from "fast-check";
import { RE2JS } from "re2js";
import { describe, expect, it } from "vitest";
import { cpuMs } from "../../test/support/cpu-time.ts";
import { dnsNameProblem, dnsPatternProblem } from "./dns-pattern.ts";
import { compileDnsRules, compileFqdn } from "./dns-rule.ts";
import type { DnsRule } from "./l7-rule.ts";

const CHARACTER = "[-a-zA-Z0-9_]";

/** The documented translation of a pattern to a regular expression, for comparison. */
function translated(pattern: string): string {
  return pattern
    .replaceAll(".", "[.]")
    .replace(/^\*{2,}\[\.\]/, `(${CHARACTER}+([.]${CHARACTER}+)#)[.]`)
    .replace(/\*+/g, `${CHARACTER}*`)
    .replace("#", "*");
}

const letters = fc.constantFrom("a", "b", "c", "-", "_", "A");
const nameText = fc.string({
  unit: fc.oneof(letters, fc.constant("."), fc.constantFrom("\\", "\n", "é")),
  maxLength: 12,
});
const label = fc.string({ unit: letters, minLength: 1, maxLength: 3 });
const plainName = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join("."));
const starred = fc.string({ unit: fc.oneof(letters, fc.constantFrom("*", "**")), minLength: 1, maxLength: 4 });
const pattern = fc
  .tuple(
    fc.constantFrom("", "", "*.", "**.", "***."),
    fc.array(fc.oneof(label, starred), { minLength: 1, maxLength: 4 }),
  )
  .chain(([prefix, labels]) => fc.constantFrom(`${prefix}${labels.join(".")}`, `${prefix}${labels.join(".")}.`));
const name = fc.oneof(plainName, nameText);

describe("compileDnsRules", () => {
  it.each<[DnsRule, string, boolean]>([
    [{ matchName: "Cilium.io" }, "cilium.IO.", true],
    [{ matchName: "cilium.io." }, "cilium.io", true],
    [{ matchName: "cilium.io" }, "www.cilium.io", false],
    [{ matchPattern: "*.cilium.io" }, "www.cilium.io", true],
    [{ matchPattern: "*.cilium.io" }, "a.b.cilium.io", false],
    [{ matchPattern: "*.cilium.io" }, "cilium.io", false],
    [{ matchPattern: "*cilium.io" }, "subcilium.io", true],
    [{ matchPattern: "*cilium.io" }, "cilium.io", true],
    [{ matchPattern: "sub*.cilium.io" }, "sub.cilium.io", true],
    [{ matchPattern: "sub*.cilium.io" }, "www.cilium.io", false],
    [{ matchPattern: "**.cilium.io" }, "a.b.cilium.io", true],
    [{ matchPattern: "**.cilium.io" }, "cilium.io", false],
    [{ matchPattern: "**.cilium.io" }, ".cilium.io", false],
    [{ matchPattern: "**.cilium.io" }, "a..cilium.io", false],
    [{ matchPattern: "**.c*.io" }, "a.b.cilium.io", true],
    [{ matchPattern: "**.c*.io" }, ".b.cilium.io", false],
    [{ matchPattern: "*.cilium.io" }, ".cilium.io", true],
    [{ matchPattern: "a.**.io" }, "a.b.c.io", false],
    [{ matchPattern: "a*b*c.io" }, "aXbYbZc.io", true],
    [{ matchPattern: "ab*bc.io" }, "abc.io", false],
    [{ matchPattern: "a*ab*b.io" }, "axxab.io", false],
    [{ matchPattern: "*" }, "any\\thing é", true],
    [{ matchPattern: "*." }, "any", true],
    [{ matchPattern: "*.*" }, "\u212A.io", false],
    [{ matchName: "k.io" }, "\u212A.io", false],
    [{ matchName: "a.io", matchPattern: "b.*" }, "a.io", true],
    [{ matchName: "a.io", matchPattern: "b.*" }, "b.io", true],
    [{}, "", false],
    [{}, "a", false],
  ])("%j, %j: %s", (rule, asked, want) => {
    expect(compileDnsRules([rule])(asked)).toBe(want);
  });

  it("permits nothing without rules", () => {
    expect(compileDnsRules([])("a")).toBe(false);
  });

  it("agrees with the regular expressions that the patterns mean", () => {
    const check = (patterns: readonly string[], asked: string) => {
      const proper = patterns.filter((text) => !/^\*+\.?$/.test(text));
      const lower = proper.map((text) => `${text.toLowerCase().replace(/\.$/, "")}.`);
      const wanted = `${/[^\0-\x7f]/.test(asked) ? asked : asked.toLowerCase()}`.replace(/(?<!\.)$/, ".");
      const regex = RE2JS.compile(`(?:${lower.map(translated).join("|")})`);
      const matches = compileDnsRules(proper.map((matchPattern) => ({ matchPattern })));
      expect(matches(asked)).toBe(proper.length > 0 && regex.testExact(wanted));
    };
    fc.assert(fc.property(fc.array(pattern, { minLength: 1, maxLength: 4 }), name, check), { numRuns: 1500 });
  });
});

describe("compileFqdn", () => {
  it.each<[DnsRule, string, boolean]>([
    [{ matchName: "A.io", matchPattern: "b.io" }, "a.io.", true],
    [{ matchName: "A.io", matchPattern: "b.io" }, "b.io.", false],
    [{ matchPattern: "*" }, "a.b", true],
    [{ matchPattern: "**" }, "", true],
    [{ matchPattern: "*" }, "a..b", false],
    [{ matchPattern: "*" }, ".a", false],
    [{ matchPattern: "*" }, "a\\b", false],
    [{ matchPattern: "*.io" }, "a.IO", true],
    [{}, "", true],
    [{}, "a", false],
  ])("%j, %j: %s", (fqdn, answered, want) => {
    expect(compileFqdn(fqdn)(answered)).toBe(want);
  });
});

describe("what is wrong with a name or pattern", () => {
  it.each(["a", "a.b", "a.b.", "_x-1.A"])("takes %j", (text) => {
    expect(dnsNameProblem(text)).toBeUndefined();
    expect(dnsPatternProblem(`*.${text}`)).toBeUndefined();
  });

  it.each(["", ".", "a..b", ".a", "a b", "é", "a\n", "a".repeat(256)])("refuses %j", (text) => {
    expect(dnsNameProblem(text)).toBeDefined();
    expect(dnsPatternProblem(text)).toBeDefined();
  });

  it("refuses a star in a name only", () => {
    expect(dnsNameProblem("*.a")).toBeDefined();
    expect(dnsPatternProblem("**.a*")).toBeUndefined();
  });

  it("needs linear time for many stars and for a long name that is no name", () => {
    const matches = compileDnsRules([{ matchPattern: `${"*a".repeat(100)}b.io` }]);
    const started = cpuMs();
    expect(matches(`${"a".repeat(100_000)}.io`)).toBe(false);
    expect(dnsPatternProblem(`${"a".repeat(254)}!`)).toBeDefined();
    expect(cpuMs() - started).toBeLessThan(500);
  });
});
