/** Rules of definitions, each with a value that keeps it and one that does not. */
import type { SchemaNode } from "../../src/kube/schema/node.ts";
import type { ApiConnection, ApiRequest } from "./api-exchange.ts";

const text: SchemaNode = { type: "string", maxLength: 64 };
const whole: SchemaNode = { type: "integer" };
/** Bounded, so that Kubernetes can tell what rules about them cost at most. */
export const RULED_FIELDS: NonNullable<SchemaNode["properties"]> = {
  n: whole,
  f: { type: "number" },
  s: text,
  list: { type: "array", items: text, maxItems: 8 },
  map: { type: "object", additionalProperties: whole, maxProperties: 4 },
  at: { type: "string", format: "date-time" },
  "a-b": text,
  for: text,
};

export const RULES: readonly (readonly [rule: string, good: object, bad: object])[] = [
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
    "quantity(self.s).isInteger() && quantity(self.s).asInteger() == 2000 && sign(quantity(self.s)) == 1",
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
    "cidr(self.s).containsCIDR('10.1.0.0/16') && cidr(self.s).masked() == cidr('10.0.0.0/8')",
    { s: "10.0.0.0/8" },
    { s: "11.0.0.0/8" },
  ],
  [
    "self.list.isSorted() && self.list.max() == 'b' && self.list.min() == 'a'",
    { list: ["a", "b"] },
    { list: ["b", "a"] },
  ],
  ["self.s.find('[0-9]+') == '12' && self.s.findAll('[0-9]+').size() == 2", { s: "a12b3" }, { s: "a12" }],
  ["!format.dns1123Label().validate(self.s).hasValue()", { s: "a-b" }, { s: "a_b" }],
  ["format.named('uuid').value().validate(self.s).orValue([]).size() == 0", { s: "0".repeat(32) }, { s: "0" }],
  [
    "!format.named('nope').hasValue() && !format.dns1035LabelPrefix().validate(self.s).hasValue()",
    { s: "a-" },
    { s: "1a-" },
  ],
  ["!format.uri().validate(self.s).hasValue()", { s: "https://a/b?c" }, { s: "a b" }],
  [
    "sets.contains(self.list, ['a', 'b']) && !sets.intersects(self.list, ['c'])",
    { list: ["b", "a"] },
    { list: ["a", "b", "c"] },
  ],
  ["sets.equivalent(self.list, ['a', 'b', 'a'])", { list: ["b", "a"] }, { list: ["a"] }],
  [
    "isSemver(self.s) && semver(self.s).isLessThan(semver('1.10.0')) && semver(self.s).minor() == 9",
    { s: "1.9.0" },
    { s: "1.10.0-a" },
  ],
  ["semver(self.s).compareTo(semver('1.0.0-alpha.10')) == -1", { s: "1.0.0-alpha.9" }, { s: "1.0.0-alpha.a" }],
  ["semver(self.s, true) == semver('1.2.0') && !isSemver(self.s)", { s: "v1.2" }, { s: "v1.3" }],
  ["self.?s.orValue('none') == 'none'", {}, { s: "x" }],
  ["self.?map.a.orValue(0) == 1 && self.map[?'b'].hasValue()", { map: { a: 1, b: 2 } }, { map: { a: 1 } }],
  [
    "self.list[?1].optMap(x, x == 'b').or(optional.of(false)) == optional.of(true)",
    { list: ["a", "b"] },
    { list: ["a"] },
  ],
  ["self.?map.or(optional.of({'b': 1})).b.orValue(0) == 1", { map: { b: 1 } }, { map: { a: 1 } }],
  ["self.?map.optFlatMap(m, m[?'a']) != optional.none()", { map: { a: 1 } }, { map: {} }],
  ["optional.ofNonZeroValue(self.n).hasValue() ? self.?n.value() > 1 : true", { n: 0 }, { n: 1 }],
  ["self.list.all(i, v, i == 0 || v >= self.list[i - 1])", { list: ["a", "b"] }, { list: ["b", "a"] }],
  [
    "self.map.exists(k, v, k == 'b' && v == 2) && self.map.existsOne(k, v, v > 1)",
    { map: { a: 1, b: 2 } },
    { map: { b: 1 } },
  ],
  [
    "self.map.transformMap(k, v, v > 0, v * 2) == {'a': 2} && self.list.transformList(i, v, v)[0] == 'i'",
    { map: { a: 1, b: 0 }, list: ["i"] },
    { map: { a: 2 }, list: ["i"] },
  ],
  ["[?self.?s, 'b', ?optional.none()] == ['a', 'b']", { s: "a" }, {}],
  ["[1, ?self.list[?0].optMap(x, x.size())].size() == 2", { list: ["a"] }, { list: [] }],
  ["{?'a': self.?s, 'b': self.n > 1 ? 'x' : 'y'} == {'a': 's', 'b': 'x'}", { s: "s", n: 2 }, { n: 2 }],
  ["{'k': [?self.?n]}.k.size() == 1 && {?(self.n > 0 ? 'p' : 'q'): self.?s}.size() == 0", { n: 1 }, { n: 1, s: "s" }],
  [
    "self.map.transformMapEntry(k, v, v > 1, {string(v): k}) == {'2': 'b'} && self.list.transformMapEntry(i, v, {v: i})['x'] == 0",
    { map: { a: 1, b: 2 }, list: ["x"] },
    { map: { a: 2, b: 3 }, list: ["x"] },
  ],
  [
    "'%s has %d'.format([self.s, self.n]) == 'a has 1' // .?a in a comment, and '.?a' in a text",
    { s: "a", n: 1 },
    { s: "a", n: 2 },
  ],
];

const GROUP = "cel.example.com";

/** A kind whose field `rN` has the rule of that number. */
function definition(): ApiRequest {
  const properties = Object.fromEntries(
    RULES.map(([rule], index) => [
      `r${index}`,
      { type: "object", properties: RULED_FIELDS, "x-kubernetes-validations": [{ rule }] },
    ]),
  );
  const names = { plural: "ruleds", singular: "ruled", kind: "Ruled", listKind: "RuledList" };
  const schema = { openAPIV3Schema: { type: "object", properties } };
  return {
    method: "POST",
    path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    body: {
      ...{ apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" },
      metadata: { name: `ruleds.${GROUP}` },
      spec: {
        ...{ group: GROUP, scope: "Cluster", names },
        versions: [{ name: "v1", served: true, storage: true, schema }],
      },
    },
  };
}

/** What a server says of the definition, then of the good and the bad value of each rule. */
export async function saidOfRules(server: ApiConnection): Promise<object[]> {
  const defined = await server.ask(definition());
  const { details } = JSON.parse(defined.text) as { details?: object };
  if (defined.code >= 300) throw new Error(`the definition of rules: ${JSON.stringify(details)}`);
  const path = `/apis/${GROUP}/v1/ruleds`;
  for (let tries = 0; tries < 100 && (await server.ask({ method: "GET", path })).code === 404; tries++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  const said: object[] = [];
  for (const [index, [rule, ...values]] of RULES.entries())
    for (const value of values) {
      const metadata = { generateName: "a-" };
      const body = { apiVersion: `${GROUP}/v1`, kind: "Ruled", metadata, [`r${index}`]: value };
      const { code, text } = await server.ask({ method: "POST", path: `${path}?dryRun=All`, body });
      const { message } = JSON.parse(text) as { message?: string };
      said.push({ rule, value, code, message: message?.replace(/"a-\w+"/, '"a-"') });
    }
  return said;
}
