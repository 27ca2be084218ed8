/** Mistakes in CustomResourceDefinitions: in schemas, in the rules within, and in what stands beside them. */
import type { Fields } from "../../src/kube/object.ts";
import { asked, type Mistake } from "./api-mistake.ts";

interface Beside {
  readonly group?: string;
  readonly annotations?: Fields;
  readonly version?: Fields;
}

/** What is accepted is shown without its status, which another program writes there. */
const BARE = { Accept: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1" };

function defined(
  title: string,
  spec: Fields,
  { group = "x.example", annotations = {}, version = {} }: Beside = {},
): Mistake {
  const schema = { openAPIV3Schema: { type: "object", properties: { spec } } };
  const { request } = asked(title, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All", {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `ws.${group}`, annotations },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural: "ws", kind: "W" },
      versions: [{ name: "v1", served: true, storage: true, schema, ...version }],
    },
  });
  return { title, request: { ...request, headers: BARE } };
}

const text = { type: "string" };
const whole = { type: "integer" };
/** A schema of one field. */
const field = (a: Fields): Fields => ({ type: "object", properties: { a } });
/** A list by the key k. */
const keyed = (items: Fields, more: Fields = { "x-kubernetes-list-map-keys": ["k"] }): Fields => ({
  type: "array",
  "x-kubernetes-list-type": "map",
  items,
  ...more,
});
const OBJECT = { type: "object" };
const APPROVAL = "api-approved.kubernetes.io";
const FIELDS = {
  n: whole,
  s: text,
  o: { type: "object", properties: { x: whole } },
  p: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  l: { type: "array", maxItems: 5, items: { type: "object", properties: { a: text } } },
};
const ruled = (title: string, rule: string, more: Fields = {}): Mistake =>
  defined(title, { type: "object", properties: FIELDS, "x-kubernetes-validations": [{ rule, ...more }] });

const PATTERN = "self.matches('^[a-z]+$')";
const matching = (more: Fields = {}): Fields => ({ ...text, ...more, "x-kubernetes-validations": [{ rule: PATTERN }] });
const many = (items: Fields, more: Fields = {}): Fields => ({ type: "array", items, ...more });
/** A list of so many, each compared with each, costs nearly what one rule may. */
const listed = (maxItems: number): Fields => many(many(matching({ maxLength: 400 }), { maxItems }), { maxItems });
const EACH_WITH_EACH = "self.all(x, self.all(y, x == y))";
/** With several rules: in one list, since Kubernetes looks at fields in any order. */
const compared = (maxItems: number, rules = 1): Fields => {
  const validations = Array.from({ length: rules }, () => ({ rule: EACH_WITH_EACH }));
  return many(whole, { maxItems, "x-kubernetes-validations": validations });
};
/** A list without bounds, but each item takes so many bytes that a request has no room for many. */
const large = (maxLength: number): Fields =>
  many({
    type: "object",
    required: ["key-of-some-length"],
    properties: {
      "key-of-some-length": { type: "object", required: ["x"], properties: { x: { ...text, maxLength } } },
    },
    "x-kubernetes-validations": [{ rule: "self.key__dash__of__dash__some__dash__length.x.matches('^[a-z]+$')" }],
  });

/** Rules that may cost too much, and others that may not, close to the limits. */
const COSTLY: readonly Mistake[] = [
  defined("a rule of each text of a list", field(many(matching()))),
  defined("a rule of each text of a list that has a bound", field(many(matching(), { maxItems: 20 }))),
  defined("a rule of each text that has a bound", field(many(matching({ maxLength: 20 })))),
  defined("nothing wrong: both have bounds", field(many(matching({ maxLength: 20 }), { maxItems: 20 }))),
  defined(
    "a rule of each text of a map",
    field({ type: "object", additionalProperties: matching({ maxLength: 200 }) }),
  ),
  defined(
    "nothing wrong: a rule of each text of a small map",
    field({ type: "object", maxProperties: 90, additionalProperties: matching({ maxLength: 200 }) }),
  ),
  defined("a rule of lists in lists without bounds", field(many(many(matching({ maxLength: 900 }), { maxItems: 9 })))),
  defined("a rule of lists in lists", field(listed(200))),
  defined("nothing wrong: a rule of short lists in lists", field(listed(100))),
  defined("a loop in a loop", field(many(whole, { "x-kubernetes-validations": [{ rule: EACH_WITH_EACH }] }))),
  defined("a loop in a loop that is a bit too large", field(compared(1450))),
  defined("nothing wrong: a loop in a loop", field(compared(1200))),
  defined("rules that cost too much together", field(compared(1300, 12))),
  defined("rules of which some cost too much", field(compared(3000, 3))),
  defined("nothing wrong: rules that may just cost so much", field(compared(1200, 9))),
  defined("a rule's message that costs too much", {
    ...field(many(text)),
    "x-kubernetes-validations": [{ rule: "size(self.a) > 1", messageExpression: "self.a.join(', ') + self.a[0]" }],
  }),
  defined(
    "nothing wrong: values of an enumeration",
    field(many({ ...matching(), enum: ["a", "bc"] }, { maxItems: 99 })),
  ),
  defined("nothing wrong: large items are few", field(large(81))),
  defined("large items that are not few enough", field(large(160))),
];

/** All of them are refused by Kubernetes, but where the title says that nothing is wrong. */
export const MISTAKEN_DEFINITIONS: readonly Mistake[] = [
  defined("a default of another type", field({ ...whole, default: "x" })),
  defined("a default that is too small", field({ ...whole, minimum: 3, default: 1 })),
  defined("a default that is none of the values", field({ ...text, enum: ["a"], default: "b" })),
  defined("a default with another field", field({ ...field(text), default: { y: 1 } })),
  defined("a default without what is required", field({ ...field(text), required: ["a"], default: {} })),
  defined("a default deep in a list", field({ type: "array", items: field({ ...whole, default: "t" }) })),
  defined("items without a type", keyed({ properties: { k: text }, required: ["k"] })),
  defined("a key that nobody requires", keyed({ type: "object", properties: { k: text } })),
  defined(
    "nothing wrong: a key with a default",
    keyed({ type: "object", properties: { k: { ...text, default: "" } } }),
  ),
  defined("a list by keys without keys", keyed({ type: "object", properties: { k: text } }, {})),
  defined("a key that is no field", keyed({ type: "object", properties: { z: text } })),
  defined("a key that is an object", keyed({ type: "object", required: ["k"], properties: { k: OBJECT } })),
  defined("a list of strings by keys", keyed(text)),
  defined("keys of a list that has none", { type: "array", items: OBJECT, "x-kubernetes-list-map-keys": ["k"] }),
  defined("another type of list", { type: "array", items: text, "x-kubernetes-list-type": "x" }),
  defined("a type of list on an object", { ...OBJECT, "x-kubernetes-list-type": "set" }),
  defined("a set of objects", { type: "array", items: OBJECT, "x-kubernetes-list-type": "set" }),
  defined("another type of map", { ...OBJECT, "x-kubernetes-map-type": "x" }),
  defined("fields without a type", { properties: { a: {} } }),
  defined("a list of nothing", { type: "array" }),
  defined("fields and free fields", { ...field(text), additionalProperties: text }),
  defined("another type of field", { type: "text" }),
  defined("a pattern that is none", { ...text, pattern: "(" }),
  defined("unique items", { type: "array", items: text, uniqueItems: true }),
  defined("a group of Kubernetes' own", OBJECT, { group: "x.k8s.io" }),
  defined("an approval that is none", OBJECT, { group: "x.k8s.io", annotations: { [APPROVAL]: "yes" } }),
  defined("nothing wrong: an approval", OBJECT, {
    group: "x.k8s.io",
    annotations: { [APPROVAL]: "unapproved, a lab" },
  }),
  defined("another type of column", OBJECT, {
    version: { additionalPrinterColumns: [{ name: "a", type: "x", jsonPath: "spec.a" }] },
  }),
  defined("a selectable field that is not there", field(text), {
    version: { selectableFields: [{ jsonPath: ".spec.z" }] },
  }),
  defined("a scale at no path", OBJECT, {
    version: { subresources: { scale: { specReplicasPath: "spec.r", statusReplicasPath: ".status.r" } } },
  }),
  ruled("a rule's field that is not there", "self.z == 1"),
  ruled("a rule's deep field that is not there", "self.o.y == 1"),
  ruled("a rule that asks for a field that is not there", "has(self.z)"),
  ruled("a rule's variable that is not there", "selff.n == 1"),
  ruled("a rule's item without such a field", "self.l.all(x, x.b == 'a')"),
  ruled("a rule's field of what is kept unknown", "self.p.z == 1"),
  ruled("a rule's old field that is not there", "self.n > oldSelf.z"),
  ruled("a rule that compares two types", "self.n == 'a'"),
  ruled("a rule that orders two types", "self.s > 1"),
  ruled("nothing wrong: a rule that orders two kinds of numbers", "self.n > 1.5"),
  ruled("a rule that adds two types", "self.n + self.s > 1"),
  ruled("a rule about the size of a number", "size(self.n) > 1"),
  ruled("a rule that goes through a number", "self.n.all(x, x)"),
  ruled("a rule that is a number", "self.n + 1"),
  ruled("a rule that ends too early", "self.n >"),
  ruled("a rule with a function that is not there", "self.s.foo()"),
  ruled("an empty rule", ""),
  ruled("a message that is a number", "self.n > 1", { messageExpression: "self.n" }),
  ruled("a message of a field that is not there", "self.n > 1", { messageExpression: "self.z" }),
  ruled("a message of two lines", "self.n > 1", { message: "a\nb" }),
  ruled("a blank message", "self.n > 1", { message: " " }),
  ruled("another reason", "self.n > 1", { reason: "X" }),
  ruled("a place that is not there", "self.n > 1", { fieldPath: ".z" }),
  ruled("an optional old value that is not used", "self.n > 1", { optionalOldSelf: true }),
  ruled("nothing wrong: an optional old value", "!oldSelf.hasValue() || oldSelf.value().n == self.n", {
    optionalOldSelf: true,
  }),
  ruled(
    "nothing wrong: amounts, addresses and patterns",
    "isQuantity(self.s) && ip(self.s).family() == 4 && self.s.find('a') == ''",
  ),
  ...COSTLY,
];
