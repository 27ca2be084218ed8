import { describe, expect, test } from "vitest";
import type { L7Facts } from "../../src/policy/judge-l7.ts";
import type { Scenario } from "../../src/policy/scenario.ts";
import type { ScenarioEndpoint } from "../../src/policy/scenario-format.ts";
import { Cluster } from "../../src/prove/cluster.ts";
import { diffOf, type PolicyDiff } from "../../src/prove/diff/diff.ts";
import type { DiffParty } from "../../src/prove/diff/parties.ts";
import { judgeConnection } from "../../src/prove/explain.ts";
import { type Inventory, takeInventory } from "../../src/prove/inventory.ts";
import { KnownDocuments } from "../../src/prove/manifest.ts";
import { protocolOf } from "../../src/prove/target.ts";
import { firstReplaced, type Said, saidOf } from "../support/diff-answer.ts";
import { randomScenario } from "../support/policy-scenarios.ts";
import { manifestsOf, questionOf, withoutWhatManifestsCannotSay } from "../support/scenario-manifests.ts";

const PLACES = [
  ["TCP", 79],
  ["TCP", 80],
  ["TCP", 81],
  ["TCP", 443],
  ["TCP", 8080],
  ["TCP", 65_535],
  ["UDP", 53],
  ["UDP", 8500],
  ["SCTP", 80],
  ["ICMP", 8],
] as const;

type Place = (typeof PLACES)[number];

function judge(cluster: Cluster, from: string, to: string, [protocol, port]: Place, facts: L7Facts) {
  const party = (name: string) => ({ title: name, name, ports: [] });
  const question = { from: party(from), to: party(to), protocol: protocolOf(protocol), port, facts };
  return judgeConnection(cluster, question).verdict;
}

const seen = { opened: 0, closed: 0, same: 0, part: 0 };

/** Compares one place of one connection, for every request, with what both worlds say of it by themselves. */
function check(said: Said, before: readonly string[], after: readonly string[], where: string): void {
  if (said.unknown) return;
  for (const [index, was] of before.entries()) {
    const is = after[index]!;
    if (was === "denied" && is === "allowed") expect(said.opened, `${where}: opened`).toBe(true);
    if (was === "allowed" && is === "denied") expect(said.closed, `${where}: closed`).toBe(true);
    if (was !== is) expect(said.opened || said.closed, `${where}: ${was}, then ${is}`).toBe(true);
  }
  if (said.isWhole) expect(before.join(), `${where}: no change at all`).not.toBe(after.join());
  if (said.isWhole && said.opened) expect(new Set(before), where).toEqual(new Set(["denied"]));
  if (said.isWhole && said.closed) expect(new Set(after), where).toEqual(new Set(["denied"]));
  if (said.opened) seen.opened++;
  else if (said.closed) seen.closed++;
  else seen.same++;
  if (!said.isWhole && (said.opened || said.closed)) seen.part++;
}

describe("diff against asking both worlds", () => {
  test("for random policies, everybody whom it knows and every port", { timeout: 120_000 }, () => {
    for (let seed = 0; seed < 16; seed++) {
      const world = withoutWhatManifestsCannotSay(randomScenario(seed, { isValid: true }));
      const other = withoutWhatManifestsCannotSay(randomScenario(seed + 1000, { isValid: true }));
      // Every second time one set is most of the other.
      const policies = seed % 2 === 0 ? other.policies : firstReplaced(world.policies, other.policies);
      // As the command reads them: what both have is the same object.
      const settings = { config: world.config ?? {}, known: new KnownDocuments() };
      const inventoryOf = (scenario: Scenario): Inventory =>
        takeInventory([{ file: "all.yaml", text: manifestsOf(scenario) }], settings);
      const [before, after] = [inventoryOf(world), inventoryOf({ ...world, policies })];
      const diff = diffOf(before, after);
      const asked = [...world.queries, ...other.queries].map((query) => questionOf(query).facts ?? {});
      const facts = [...new Map(asked.map((each) => [JSON.stringify(each), each])).values()].slice(0, 6);
      const [was, is] = [new Cluster(before), new Cluster(after)];
      const people = diff.parties.filter(({ kind }) => kind === "workload" || kind === "entity");
      for (const from of people) {
        for (const to of people) {
          if (from.kind === "entity" && to.kind === "entity") continue;
          for (const place of PLACES) {
            const said = saidOf(
              diff,
              (party) => party === from,
              (party) => party === to,
              place,
            );
            const verdicts = (cluster: Cluster) =>
              [{}, ...facts].map((each) => judge(cluster, from.name, to.name, place, each));
            check(said, verdicts(was), verdicts(is), `seed ${seed}: ${from.title} -> ${to.title} ${place.join(" ")}`);
          }
        }
      }
    }
    expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(100);
  });

  test("for every pair of small sets, also for those whom no manifest describes", { timeout: 120_000 }, () => {
    const sets = smallSets();
    const inventories = sets.map((policies) =>
      takeInventory([{ file: "all.yaml", text: manifestsOf({ ...SMALL_WORLD, policies }) }]),
    );
    const clusters = inventories.map(
      (inventory) =>
        new Cluster(inventory, { endpoints: PASSERS_BY, fqdnCache: { "api.example.com": ["198.51.100.7"] } }),
    );
    const verdicts = clusters.map((cluster) =>
      PAIRS.map(([from, to]) =>
        SMALL_PLACES.map((place) => SMALL_FACTS.map((facts) => judge(cluster, from, to, place, facts))),
      ),
    );
    const count = { ...seen };
    for (const [first, before] of inventories.entries()) {
      for (const [second, after] of inventories.entries()) {
        if ((first + second) % 6 !== 0) continue;
        const diff = diffOf(before, after);
        for (const [index, [from, to]] of PAIRS.entries()) {
          for (const [at, place] of SMALL_PLACES.entries()) {
            const said = saidOf(
              diff,
              (party) => stands(party, from, diff),
              (party) => stands(party, to, diff),
              place,
            );
            const where = `${JSON.stringify(sets[first])}\n${JSON.stringify(sets[second])}\n${from} -> ${to} ${place.join(" ")}`;
            check(said, verdicts[first]![index]![at]!, verdicts[second]![index]![at]!, where);
          }
        }
      }
    }
    expect(seen.opened - count.opened).toBeGreaterThan(1000);
    expect(seen.closed - count.closed).toBeGreaterThan(1000);
  });
});

const SMALL_WORLD: Scenario = {
  id: "small",
  policies: [],
  endpoints: ["a", "b"].map((app) => ({
    name: app,
    namespace: "x",
    labels: { app },
    namespaceLabels: {},
    serviceAccount: "default",
  })),
  queries: [],
};

const PASSERS_BY: readonly ScenarioEndpoint[] = [
  ["new", "x", { app: "new" }] as const,
  ["tiered", "x", { app: "new", tier: "t" }] as const,
  ["stranger", "y", { app: "new" }] as const,
].map(([name, namespace, labels]) => ({ name, namespace, labels, namespaceLabels: {}, serviceAccount: "default" }));

/** By whom the diff speaks of them: the first of these whom it knows. */
const STANDS_FOR: Readonly<Record<string, readonly string[]>> = {
  "x/pod/a": ["x/pod/a"],
  "x/pod/b": ["x/pod/b"],
  "x/new": ["x/any pod with app=new", "x/any other pod"],
  "x/tiered": ["x/any pod with app=new,tier=t", "x/any pod with app=new", "x/any pod with tier=t", "x/any other pod"],
  "y/stranger": ["any other namespace/any pod with app=new", "any other namespace/any other pod"],
  "10.1.2.3": ["10.1.0.0/16", "10.0.0.0/8", "entity:world"],
  "10.9.9.9": ["10.0.0.0/8", "entity:world"],
  "192.0.2.1": ["entity:world"],
  "198.51.100.7": ["fqdn:api.example.com", "entity:world"],
};

/** Where it knows none of them, some workload of the namespace is like them to all policies: it is one of these. */
function stands({ title, namespace }: DiffParty, name: string, { parties }: PolicyDiff): boolean {
  const wanted = STANDS_FOR[name]!.find((each) => parties.some((party) => party.title === each));
  return wanted === undefined ? namespace === name.split("/")[0] : title === wanted;
}

const PAIRS = Object.keys(STANDS_FOR).flatMap((from) =>
  Object.keys(STANDS_FOR)
    .filter((to) => /^[xy]/.test(from + to) || /^[xy]/.test(to))
    .filter((to) => from !== "198.51.100.7" && (/^[xy]/.test(from) || /^[xy]/.test(to)))
    .map((to) => [from, to] as const),
);
const SMALL_PLACES = [PLACES[0], PLACES[1], PLACES[2], PLACES[6], PLACES[9]];
const SMALL_FACTS: readonly L7Facts[] = [
  {},
  { http: { method: "GET", path: "/", host: "", headers: [] } },
  { http: { method: "PUT", path: "/x", host: "", headers: [] } },
];

function policy(name: string, spec: object): object {
  return { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: { name, namespace: "x" }, spec };
}

/** Sets of none, one or two of these, and one of three. */
function smallSets(): object[][] {
  const b = { endpointSelector: { matchLabels: { app: "b" } } };
  const everybody = { endpointSelector: {} };
  const port = (number: string, more: object = {}) => [{ ports: [{ port: number, protocol: "TCP" }], ...more }];
  const all = [
    policy("a-to-b", { ...b, ingress: [{ fromEndpoints: [{ matchLabels: { app: "a" } }], toPorts: port("80") }] }),
    policy("get", {
      ...b,
      ingress: [{ fromEndpoints: [{}], toPorts: port("80", { rules: { http: [{ method: "GET" }] } }) }],
    }),
    policy("new", { ...b, ingress: [{ fromEndpoints: [{ matchLabels: { app: "new" } }] }] }),
    policy("tier", { ...b, ingressDeny: [{ fromEndpoints: [{ matchLabels: { tier: "t" } }], toPorts: port("81") }] }),
    policy("prefix", { ...b, ingress: [{ fromCIDRSet: [{ cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] }] }] }),
    policy("names", { ...everybody, egress: [{ toFQDNs: [{ matchName: "api.example.com" }] }, { toEndpoints: [{}] }] }),
    policy("not-a", {
      ...everybody,
      ingress: [{ fromEndpoints: [{ matchExpressions: [{ key: "app", operator: "NotIn", values: ["a"] }] }] }],
    }),
    policy("strangers", { ...b, ingress: [{ fromEntities: ["cluster"], toPorts: port("80") }] }),
    policy("auth", { ...b, ingress: [{ fromEndpoints: [{}], authentication: { mode: "required" } }] }),
  ];
  const pairs = all.flatMap((one, index) => all.slice(index + 1).map((two) => [one, two]));
  return [[], ...all.map((one) => [one]), ...pairs];
}
