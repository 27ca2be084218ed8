/** Rules whose estimated cost is told: each in a list that may have so many items that the estimate is too high, and shown. */
import type { Fields } from "../../src/kube/object.ts";
import type { ApiConnection } from "./api-exchange.ts";
import { RULED_FIELDS, RULES } from "./cel-cases.ts";

const BOUNDED = {
  ...RULED_FIELDS,
  u: { type: "string" },
  e: { type: "string", enum: ["one", "three"] },
  b: { type: "boolean" },
  d: { type: "string", format: "duration" },
  bytes: { type: "string", format: "byte", maxLength: 30 },
  any: { "x-kubernetes-int-or-string": true, maxLength: 10 },
  o: { type: "object", properties: { x: { type: "string", maxLength: 5 }, y: { type: "integer" } } },
  os: { type: "array", maxItems: 6, items: { type: "object", properties: { k: { type: "string", maxLength: 9 } } } },
  ns: { type: "array", maxItems: 7, items: { type: "integer" } },
  texts: { type: "object", maxProperties: 3, additionalProperties: { type: "string", maxLength: 11 } },
};

const MORE_RULES = `self.n == 3
self.n > 1 || self.n < 0
self.s == 'abc' && self.s != self.e
self.s < self.e
has(self.s) ? self.s == 'a' : self.n == 1
!has(self.o) || self.o.x == 'abc'
self.e in ['one', 'two', 'three']
self.s in self.list
'a' in self.texts
size(self.list) > 2 && self.list.size() < 5
self.os.all(o, o.k != 'a')
self.os.all(a, self.os.exists(b, a.k == b.k))
self.os.map(o, o.k).exists(k, k == 'a')
self.os.filter(o, o.k == 'a').size() == 1
self.os.exists_one(o, has(o.k) && o.k.startsWith('a'))
self.list.map(x, x + 'b').all(y, y.contains('ab'))
self.list[0] == self.texts['a']
self.texts.all(k, self.texts[k] == k)
self.list + ['a'] == ['b', 'a']
(self.list + self.list).all(x, x == 'a')
self.s + 'abc' + self.e == 'x'
self.s.matches('^[a-z]+$')
self.s.contains('abc') || self.s.endsWith('abc')
self.s.replace('a', 'bcd') == 'x'
self.s.replace('ab', 'b').startsWith('x')
self.s.split(',').size() == 2 && self.s.split(',', 3)[0] == 'a'
self.list.join(',') == 'a'
self.list.join().size() > 3
self.s.upperAscii().trim().substring(1).indexOf('a') == 1
self.s.lastIndexOf('a') > 2
self.ns.sum() == 3 && self.ns.max() > self.ns.min()
self.list.isSorted() && self.ns.isSorted()
self.list.max() == 'a'
self.n + 1 == self.n * 2 - 3
int(self.s) == 2 && string(self.n) == '3' && double(self.n) > 1.5
self.any == 3 || self.any == '3'
type(self.any) == int ? self.any < 5 : self.any.matches('[0-9]+')
self.b && !self.b
self.d == self.d
self.at.getFullYear() == 2000
{'a': 1, 'b': 2}['a'] == self.n
[1, 2, 3].all(x, x > self.n)
[self.s, self.e].exists(x, x == 'a')
dyn(self.s) == dyn(self.e)
isURL(self.s) && url(self.s).getScheme() == 'http'
url(self.s) == url(self.s)
self.?o.x.orValue('a') == 'b'
self.o.?y.hasValue()
[?self.?s, 'x'].size() == 1
{?'a': self.?s}.size() == 0
self.list[?0] == optional.of('a')
self.list.transformList(i, v, v + string(i)).size() == 2
self.texts.transformMap(k, v, v + k).size() == 1
self.texts.transformMapEntry(k, v, {v: k}).size() == 1
self.list.all(i, v, i > 3 || v == 'a')
self.bytes == b'abc'
self.s.find('[a-z]+') == 'a' && self.s.findAll('b').size() == 1
'%s'.format([self.s]) == 'a'
self.u == 'abc'
self.n == oldSelf.n`.split("\n");

const COSTED: readonly string[] = [...MORE_RULES, ...RULES.map(([rule]) => rule)];

/** A definition with a rule for each of the items of a list. */
function defined(rule: string, maxItems: number): Fields {
  const keyed = { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"] };
  const properties = { ...BOUNDED, id: { type: "string", maxLength: 4 } };
  const ruled = { type: "object", required: ["id"], properties, "x-kubernetes-validations": [{ rule }] };
  const schema = { type: "object", properties: { l: { type: "array", maxItems, ...keyed, items: ruled } } };
  return {
    ...{ apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", metadata: { name: "cs.x.example" } },
    spec: {
      ...{ group: "x.example", scope: "Cluster", names: { plural: "cs", kind: "C" } },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
}

/** What a server says to each, in lists of three lengths, so that one of them shows what it costs. */
export async function saidOfCosts(server: ApiConnection): Promise<[rule: string, ...said: string[]][]> {
  const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All";
  const said: [string, ...string[]][] = [];
  for (const rule of COSTED) {
    const answers: string[] = [];
    for (const maxItems of [1_000_000, 30_000, 1000]) {
      const { code, text } = await server.ask({ method: "POST", path, body: defined(rule, maxItems) });
      const { message = "" } = JSON.parse(text) as { message?: string };
      const factors = [
        ...message.matchAll(/(rule cost|total for entire OpenAPIv3 schema) exceeds budget by factor of ([^(]*) \(/g),
      ];
      answers.push(
        `${code} ${factors.length > 0 ? factors.map(([, , factor]) => factor).join() : code < 300 ? "" : message}`,
      );
    }
    said.push([rule, ...answers]);
  }
  return said;
}
