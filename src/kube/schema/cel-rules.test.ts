import { beforeAll, expect, it } from "vitest";
import { RULED_FIELDS, RULES } from "../../../test/support/cel-cases.ts";
import { loadRules } from "./cel.ts";
import { ruleErrors } from "./cel-rules.ts";
import type { SchemaNode } from "./node.ts";

const text: SchemaNode = { type: "string" };
const whole: SchemaNode = { type: "integer" };
const properties = RULED_FIELDS;

/** What the rule says of a value that was another one before. */
function said(rule: string, self: object, old?: object, more: object = {}): string | undefined {
  const node: SchemaNode = { type: "object", properties, "x-kubernetes-validations": [{ rule, ...more }] };
  return ruleErrors(node, self, old)[0]?.message;
}

beforeAll(() => loadRules({ rule: "self.list.all(x, x == '')" }));

it.each(RULES)("keeps and breaks %s", (rule, good, bad) => {
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

it("knows an optional old value as one", () => {
  const rule = "oldSelf.n.orValue(0) <= self.n && oldSelf.?list[?0].optMap(x, x == 'a').orValue(true)";
  const asked = (self: object, old?: object) => said(rule, self, old, { optionalOldSelf: true });
  expect(asked({ n: 0 })).toBeUndefined();
  expect(asked({ n: -1 })).toContain(rule);
  expect(asked({ n: 2 }, { n: 1, list: ["a"] })).toBeUndefined();
  expect(asked({ n: 2 }, { n: 1, list: ["b"] })).toContain(rule);
});

it("gives up a rule that turns too often, and asks no more", () => {
  const rule = "self.list.all(a, self.list.all(b, self.list.all(c, a != b + c)))";
  const rules = [{ rule }, { rule: "false" }];
  const node: SchemaNode = { type: "object", properties, "x-kubernetes-validations": rules };
  const list = Array.from({ length: 110 }, () => "a");
  expect(ruleErrors(node, { list }, undefined).map(({ message }) => message)).toEqual([
    `Invalid value: "object": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: ${rule}`,
  ]);
  expect(ruleErrors(node, { list: list.slice(0, 90) }, undefined)).toHaveLength(1);
});

it("a key that an expression makes twice is told", () => {
  const rule = "self.map.transformMapEntry(k, v, {v: k}).size() == 2";
  expect(said(rule, { map: { a: 1, b: 2 } })).toBeUndefined();
  expect(said(rule, { map: { a: 1, b: 1 } })).toContain("insert failed: key 1 already exists evaluating rule");
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
