import { beforeAll, expect, it } from "vitest";
import { loadRules } from "./cel.ts";
import { ruleErrors } from "./cel-rules.ts";
import type { SchemaNode } from "./node.ts";

const text: SchemaNode = { type: "string" };
const whole: SchemaNode = { type: "integer" };
const properties: SchemaNode["properties"] = {
  n: whole,
  f: { type: "number" },
  s: text,
  list: { type: "array", items: text },
  map: { type: "object", additionalProperties: whole },
  at: { type: "string", format: "date-time" },
  "a-b": text,
  for: text,
};

/** What the rule says of a value that was another one before. */
function said(rule: string, self: object, old?: object, more: object = {}): string | undefined {
  const node: SchemaNode = { type: "object", properties, "x-kubernetes-validations": [{ rule, ...more }] };
  return ruleErrors(node, self, old)[0]?.message;
}

beforeAll(() => loadRules({ rule: "self.list.all(x, x == '')" }));

it.each([
  ["self.list.all(x, x.startsWith('a'))", { list: ["ab", "a"] }, { list: ["ab", "b"] }],
  ["self.list.exists_one(x, x == 'a') && size(self.list) < 3", { list: ["a"] }, { list: ["a", "a"] }],
  ["self.n % 2 == 0 ? self.f > 0.5 : self.n * 2 < 7", { n: 3 }, { n: 2, f: 0.5 }],
  ["self.f < 2.5", { f: 2 }, { f: 3 }],
  ["self.map.all(k, self.map[k] > 0 && k.matches('^[a-z]+$'))", { map: { a: 1 } }, { map: { A: 1 } }],
  ["'a' in self.map || !has(self.map)", {}, { map: { b: 1 } }],
  ["self.s.lowerAscii() + 'x' == 'ax'", { s: "A" }, { s: "B" }],
  ["self.at < timestamp('2025-01-01T00:00:00Z')", { at: "2024-01-01T00:00:00Z" }, { at: "2026-01-01T00:00:00Z" }],
  ["self.a__dash__b == 'x' && self.__for__ == 'y'", { "a-b": "x", for: "y" }, { "a-b": "x", for: "x" }],
  ["isIP(self.s) || isCIDR(self.s) && true", { s: "10.0.0.0/8" }, { s: "x" }],
  [
    "quantity(self.s).isGreaterThan(quantity('999m')) && quantity(self.s) == quantity('1000m')",
    { s: "1" },
    { s: "1001m" },
  ],
  ["quantity(self.s).isGreaterThan(quantity('1Ki'))", { s: "1025" }, { s: "1024" }],
  ["isQuantity(self.s) && quantity(self.s).add(1).compareTo(quantity('1Ki')) == 0", { s: "1023" }, { s: "1k" }],
  [
    "quantity(self.s).isInteger() && quantity(self.s).asInteger() == 2000 && quantity(self.s).sign() == 1",
    { s: "2k" },
    { s: "2m" },
  ],
  [
    "isURL(self.s) && url(self.s).getHostname() == 'a' && url(self.s).getEscapedPath() == '/b'",
    { s: "https://a:1/b" },
    { s: "a" },
  ],
  ["ip(self.s).family() == 6 && !ip(self.s).isLoopback()", { s: "fd00::1" }, { s: "::1" }],
  [
    "cidr(self.s).containsIP('10.1.0.1') && cidr(self.s).prefixLength() < 16",
    { s: "10.0.0.0/8" },
    { s: "10.1.0.0/16" },
  ],
  [
    "cidr(self.s).containsCIDR('10.1.0.0/16') && cidr(self.s).ip() != cidr(self.s).masked()",
    { s: "10.0.0.0/8" },
    { s: "11.0.0.0/8" },
  ],
  [
    "self.list.isSorted() && self.list.max() == 'b' && self.list.min() == 'a'",
    { list: ["a", "b"] },
    { list: ["b", "a"] },
  ],
  ["self.s.find('[0-9]+') == '12' && self.s.findAll('[0-9]+').size() == 2", { s: "a12b3" }, { s: "a12" }],
])("keeps and breaks %s", (rule, good, bad) => {
  expect(said(rule, good)).toBeUndefined();
  expect(said(rule, bad)).toBe(`Invalid value: "object": failed rule: ${rule}`);
});

it("asks rules about changes only where there was something before", () => {
  const rule = "self.n >= oldSelf.n";
  expect(said(rule, { n: 1 })).toBeUndefined();
  expect(said(rule, { n: 2 }, { n: 1 })).toBeUndefined();
  expect(said(rule, { n: 1 }, { n: 2 })).toContain(rule);
  const items: SchemaNode = {
    type: "object",
    properties: { k: text, v: whole },
    "x-kubernetes-validations": [{ rule: "self.v == oldSelf.v" }],
  };
  const keyed: SchemaNode = { type: "array", "x-kubernetes-list-map-keys": ["k"], items };
  const old = [
    { k: "a", v: 1 },
    { k: "b", v: 2 },
  ];
  expect(
    ruleErrors(
      keyed,
      [
        { k: "b", v: 3 },
        { k: "c", v: 1 },
      ],
      old,
    ).map(({ field }) => field),
  ).toEqual(["[0]"]);
  expect(ruleErrors({ ...keyed, "x-kubernetes-list-map-keys": undefined } as never, [{ k: "b", v: 3 }], old)).toEqual(
    [],
  );
});

it("asks rules with an optional old value of new values too", () => {
  const rule = "oldSelf.orValue(self).n <= self.n && (oldSelf.hasValue() || self.n == 1)";
  const asked = (self: object, old?: object) => said(rule, self, old, { optionalOldSelf: true });
  expect(asked({ n: 1 })).toBeUndefined();
  expect(asked({ n: 2 })).toContain(rule);
  expect(asked({ n: 2 }, { n: 1 })).toBeUndefined();
  expect(asked({ n: 1 }, { n: 2 })).toContain(rule);
});

it("says why, where, and what could not be told", () => {
  const rule = "self.n > 1 && self.list.size() > 0";
  expect(said(rule, { n: 1, list: [] }, undefined, { message: "more" })).toBe('Invalid value: "object": more');
  const messageExpression = "'not ' + string(self.n)";
  expect(said(rule, { n: 1, list: [] }, undefined, { messageExpression })).toBe('Invalid value: "object": not 1');
  expect(said(rule, { n: 1, list: [] }, undefined, { message: "m", reason: "FieldValueForbidden" })).toBe(
    "Forbidden: m",
  );
  expect(said(rule, { list: ["a"] }, undefined, { message: "m" })).toContain("no such key: n evaluating rule: m");
  const node = {
    type: "object",
    "x-kubernetes-validations": [{ rule: "self.n.size() == 1", fieldPath: ".n" }],
  } as const;
  expect(ruleErrors(node, { n: "ab" }, undefined, "spec")[0]?.field).toBe("spec.n");
});
