import fc from "fast-check";
import { expect, test } from "vitest";
import { afterActions } from "../../src/policy/http-header.ts";
import type { HttpHeader, HttpRequestFacts } from "../../src/policy/http-request.ts";
import { httpVerdict } from "../../src/policy/judge-l7.ts";
import type { HttpRule } from "../../src/policy/l7-rule.ts";
import type { Somebody } from "../../src/policy/scenario-world.ts";
import { Cluster } from "../../src/prove/cluster.ts";
import { diffOf } from "../../src/prove/diff/diff.ts";
import { type Inventory, takeInventory } from "../../src/prove/inventory.ts";

const TOKEN = { namespace: "x", name: "token" };
const pod = (app: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: app, namespace: "x", labels: { app } },
  spec: { containers: [{ name: "main" }] },
});
const WORLD = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "x" } },
  pod("a"),
  pod("b"),
  { apiVersion: "v1", kind: "Secret", metadata: TOKEN, stringData: { value: "2" } },
];

type MatchInPolicy = Omit<NonNullable<HttpRule["headerMatches"]>[number], "secret"> & { secret?: typeof TOKEN };
type RuleInPolicy = Omit<HttpRule, "headerMatches"> & { headerMatches?: MatchInPolicy[] };

const match: fc.Arbitrary<MatchInPolicy> = fc.record(
  {
    name: fc.constantFrom("X", "y"),
    value: fc.constantFrom("1", "2", "1,2"),
    secret: fc.constant(TOKEN),
    mismatch: fc.constantFrom("LOG", "ADD", "DELETE", "REPLACE", "ADD"),
  },
  { requiredKeys: ["name"] },
) as fc.Arbitrary<MatchInPolicy>;
const rule = fc.record(
  {
    path: fc.constantFrom("/a", "/b", "/(a|b)", "/b|/c", "/.*"),
    method: fc.constantFrom("GET", "GET|PUT"),
    headers: fc.constantFrom(["X"], ["X: 1"], ["y: 1"]),
    headerMatches: fc.array(match, { maxLength: 2 }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<RuleInPolicy>;
/** Of each policy that is there the rules; without rules every request passes. */
const side = fc.array(fc.array(rule, { maxLength: 3 }), { minLength: 1, maxLength: 2 });

type Side = readonly (readonly RuleInPolicy[])[];

/** Another side altogether, one that is most of the first, and the first in another order. */
const PAIRS: readonly ((first: Side, second: Side) => Side)[] = [
  (_, second) => second,
  (first, second) => [...first.slice(0, -1), ...second.slice(-1)],
  (first) => first.map((rules) => rules.toReversed()).toReversed(),
];

/** Who judges what a sends to b: the rules of b, and those of a where it has some. */
interface Ends {
  readonly ingress: Side;
  readonly egress?: Side;
}

function inventoryOf({ ingress, egress = [] }: Ends): Inventory {
  const policy = (direction: string, peers: string, app: string, http: readonly RuleInPolicy[], index: number) => ({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: `${direction}-${index}`, namespace: "x" },
    spec: {
      endpointSelector: { matchLabels: { app } },
      [direction]: [
        {
          [peers]: [{}],
          toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], ...(http.length === 0 ? {} : { rules: { http } }) }],
        },
      ],
    },
  });
  const objects = [
    ...ingress.map((http, index) => policy("ingress", "fromEndpoints", "b", http, index)),
    ...egress.map((http, index) => policy("egress", "toEndpoints", "a", http, index)),
  ];
  const inventory = takeInventory([
    { file: "all.json", text: JSON.stringify({ apiVersion: "v1", kind: "List", items: [...WORLD, ...objects] }) },
  ]);
  expect(inventory.problems).toEqual([]);
  return inventory;
}

const HEADERS = ["X", "y"].map((name): readonly (readonly HttpHeader[])[] => [
  [],
  ...["1", "2", "3", "1,2"].map((value) => [{ name, value }]),
  ["1", "2"].map((value) => ({ name, value })),
]);
const REQUESTS: HttpRequestFacts[] = ["GET", "PUT", "POST"].flatMap((method) =>
  ["/a", "/b", "/c", "/", "a"].flatMap((path) =>
    HEADERS[0]!.flatMap((xs) =>
      HEADERS[1]!.slice(0, -1).map((ys) => ({ method, path, host: "", headers: [...xs, ...ys] })),
    ),
  ),
);

/** By request what the server gets and what is noted; undefined = it is refused. The ingress end sees what the egress end sends. */
function outcomes(inventory: Inventory): (string | undefined)[] {
  const { engine } = new Cluster(inventory);
  const [a, b] = ["x/pod/a", "x/pod/b"].map((name) => engine.world.find(name)!) as [Somebody, Somebody];
  const ends = (["egress", "ingress"] as const).map((direction) => {
    const [subject, peer] = direction === "egress" ? [a, b] : [b, a];
    const policy = engine.policyOf(subject);
    if (policy instanceof Error) throw policy;
    return { policy, query: { direction, identity: peer.identity, protocol: 6, port: 80 } };
  });
  return REQUESTS.map((request) => {
    let sent = request;
    const notes: string[] = [];
    for (const { policy, query } of ends) {
      const { verdict, actions } = httpVerdict(policy, query, sent, engine.secrets);
      if (verdict !== "allow") return undefined;
      notes.push(...actions.filter(({ kind }) => kind === "log").map(({ name, value }) => `${name}=${value}`));
      sent = afterActions(sent, actions);
    }
    const headers = sent.headers.map(({ name, value }) => `${name.toLowerCase()}=${value}`);
    return JSON.stringify(
      [headers, notes].map((list) => ["x", "y"].map((name) => list.filter((text) => text.startsWith(name)))),
    );
  });
}

/** How often each kind of change was seen. */
const nothingSeen = () => ({ opened: 0, closed: 0, edited: 0, same: 0, undecided: 0 });

function compare(one: Ends, two: Ends, seen: ReturnType<typeof nothingSeen>): void {
  const [before, after] = [inventoryOf(one), inventoryOf(two)];
  const [was, is] = [outcomes(before), outcomes(after)];
  const wanted = { opened: false, closed: false, edited: false };
  for (const [index, old] of was.entries()) {
    const now = is[index];
    if (old === now) continue;
    wanted[old === undefined ? "opened" : now === undefined ? "closed" : "edited"] = true;
  }
  const { groups } = diffOf(before, after);
  const changes = groups
    .filter(
      ({ from, to }) => from.some(({ title }) => title === "x/pod/a") && to.some(({ title }) => title === "x/pod/b"),
    )
    .flatMap((group) => group.changes);
  const text = JSON.stringify([one, two, changes], undefined, 1);
  if (text.includes("compared as written")) {
    seen.undecided++;
    return;
  }
  const has = (kind: string) =>
    changes.some(
      (change) => change.kind === kind && !/cannot read|everything else$/.test(change.requests?.join() ?? ""),
    );
  const isL4 = [one, two].some((ends) =>
    Object.values(ends)
      .flat()
      .some(({ length }) => length === 0),
  );
  if (!isL4) for (const kind of ["opened", "closed"] as const) expect(has(kind), `${kind}: ${text}`).toBe(wanted[kind]);
  expect(has("edited"), `edited: ${text}`).toBe(wanted.edited);
  for (const kind of ["opened", "closed", "edited"] as const) if (wanted[kind]) seen[kind]++;
  if (changes.length === 0) seen.same++;
}

test("what changes of requests whose headers are edited is what asking for every one says", () => {
  const seen = nothingSeen();
  fc.assert(
    fc.property(side, side, fc.constantFrom(...PAIRS), (first, second, pair) =>
      compare({ ingress: first }, { ingress: pair(first, second) }, seen),
    ),
    { numRuns: 250 },
  );
  expect(seen.undecided).toBe(0);
  expect(Math.min(seen.opened, seen.closed, seen.edited, seen.same), JSON.stringify(seen)).toBeGreaterThan(30);
});

test("and where both ends edit, the one sees what the other sends", () => {
  const seen = nothingSeen();
  const small = fc.array(fc.array(rule, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 2 });
  const change = fc.constantFrom((first: Side) => first, ...PAIRS);
  fc.assert(
    fc.property(small, small, small, small, change, change, (egress, ingress, otherEgress, otherIngress, e, i) =>
      compare({ egress, ingress }, { egress: e(egress, otherEgress), ingress: i(ingress, otherIngress) }, seen),
    ),
    { numRuns: 150 },
  );
  expect(seen.undecided).toBe(0);
  expect(Math.min(seen.opened, seen.closed, seen.edited, seen.same), JSON.stringify(seen)).toBeGreaterThan(10);
});
