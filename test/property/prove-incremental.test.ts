import fc from "fast-check";
import { expect, test } from "vitest";
import { IncrementalTests } from "../../src/prove/incremental-tests.ts";
import { takeInventory } from "../../src/prove/inventory.ts";
import { KnownDocuments } from "../../src/prove/manifest.ts";
import { runTests, type TestRun } from "../../src/prove/run-tests.ts";
import { readTestFile } from "../../src/prove/test-file.ts";

/** Words that decide who is who: edits take them from each other's places. */
const APPS = ["web", "api", "db"] as const;
const PORTS = ["80", "443", "http"] as const;
const PREFIXES = ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.0/24"] as const;
const TEAMS = ["red", "blue"] as const;
const NAMESPACES = ["shop", "bank"] as const;

const of = fc.constantFrom;
const places = fc.record({ app: of(...APPS), namespace: of(...NAMESPACES) });

const pods = fc
  .tuple(of("one", "two", "three", "four"), places, of("80", "8080"))
  .map(([name, { app, namespace }, port]) => ({
    name: `pod ${namespace} ${name}`,
    text: `kind: Pod\napiVersion: v1\nmetadata: {name: ${name}, namespace: ${namespace}, labels: {app: ${app}}}\nspec: {containers: [{name: c, ports: [{name: http, containerPort: ${port}}]}]}\n`,
  }));

const namespaces = fc.tuple(of(...NAMESPACES), of(...TEAMS)).map(([name, team]) => ({
  name: `namespace ${name}`,
  text: `kind: Namespace\napiVersion: v1\nmetadata: {name: ${name}, labels: {team: ${team}}}\n`,
}));

const DECLARED = NAMESPACES.map((name) => ({
  name: `namespace ${name}`,
  text: `kind: Namespace\napiVersion: v1\nmetadata: {name: ${name}}\n`,
}));

const services = fc.tuple(places, of(...PORTS)).map(([{ app, namespace }, port]) => ({
  name: `service ${namespace}`,
  text: `kind: Service\napiVersion: v1\nmetadata: {name: front, namespace: ${namespace}}\nspec: {selector: {app: ${app}}, ports: [{port: 443, targetPort: ${port === "443" ? 80 : port}}]}\n`,
}));

const peers = fc.oneof(
  of(...APPS).map((app) => `{ENDPOINTS: [{matchLabels: {app: ${app}}}]}`),
  of(...TEAMS).map((team) => `{ENDPOINTS: [{matchLabels: {io.cilium.k8s.namespace.labels.team: ${team}}}]}`),
  of(...PREFIXES).map((prefix) => `{CIDR: [${prefix}]}`),
  of("world", "cluster").map((entity) => `{ENTITIES: [${entity}]}`),
);
const elements = fc.tuple(peers, fc.option(of(...PORTS)), fc.boolean()).map(([peer, port, isHttp]) => {
  if (port === null) return peer;
  const rules = isHttp ? ", rules: {http: [{method: GET}]}" : "";
  return peer.replace(/\}$/, `, toPorts: [{ports: [{port: "${port}", protocol: TCP}]${rules}}]}`);
});
const policies = fc
  .tuple(of("first", "second"), places, elements, elements, fc.boolean(), fc.nat(2))
  .map(([name, { app, namespace }, ingress, egress, isWide, comments]) => {
    const side = (text: string, word: string) =>
      text
        .replace("ENDPOINTS", `${word}Endpoints`)
        .replace("CIDR", `${word}CIDR`)
        .replace("ENTITIES", `${word}Entities`);
    const services = isWide ? `, {toServices: [{k8sService: {serviceName: front, namespace: ${namespace}}}]}` : "";
    return {
      name: `policy ${namespace} ${name}`,
      text: `${"# why\n".repeat(comments)}kind: CiliumNetworkPolicy\napiVersion: cilium.io/v2\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec:\n  endpointSelector: {matchLabels: {app: ${app}}}\n  ingress: [${side(ingress, "from")}]\n  egress: [${side(egress, "to")}${services}]\n`,
    };
  });

/** An edit puts an object in the place of the one of its name, or takes it away. */
const edits = fc.record({
  object: fc.oneof(pods, pods, namespaces, services, policies, policies),
  isGone: fc.boolean(),
});

const QUESTIONS = [
  ...NAMESPACES.flatMap((namespace) =>
    ["one", "two", "three"].flatMap((name) => [
      ...["two", "four"].map((other) => `from: ${namespace}/${name}, to: "shop/${other}:80"`),
      `from: ${namespace}/${name}, to: "${namespace}/service/front:443", http: GET /`,
      `from: "10.1.2.3", to: "${namespace}/${name}:80"`,
      `from: ${namespace}/${name}, to: "fqdn:example.com:443"`,
    ]),
  ),
  'from: "app=web", to: "shop/one:80"',
];
/** One of them passes, whatever is there: what passed is what may be kept. */
const TESTS = [
  ...QUESTIONS.flatMap((asked) => ["allow", "deny", "unknown"].map((word) => `{${asked}, expect: ${word}}`)),
  "{to: shop/two, only: [shop/one]}",
];

function comparable({ results, coverage }: TestRun): unknown {
  return { results, coverage: coverage.map(({ rule, file, line, isCovered }) => ({ rule, file, line, isCovered })) };
}

test("after any edits the outcome is that of a fresh run", { timeout: 120_000 }, () => {
  const seen = { passed: 0, failed: 0, error: 0 };
  const { tests, problems } = readTestFile({
    file: "t.policytest.yaml",
    text: `tests:\n${TESTS.map((each) => `  - ${each}\n`).join("")}`,
  });
  expect(problems).toEqual([]);
  const start = fc.array(fc.oneof(pods, pods, pods, services, policies), { minLength: 8, maxLength: 20 });
  fc.assert(
    fc.property(start, fc.array(edits, { minLength: 2, maxLength: 6 }), (objects, changes) => {
      const here = new Map([...DECLARED, ...objects].map(({ name, text }) => [name, text]));
      const known = new KnownDocuments();
      const incremental = new IncrementalTests();
      const compare = () => {
        const text = [...here.values()].join("---\n");
        known.letGo();
        const run = incremental.run(takeInventory([{ file: "all.yaml", text }], { known }), tests);
        const fresh = runTests(takeInventory([{ file: "all.yaml", text }]), tests);
        expect(comparable(run)).toEqual(comparable(fresh));
        for (const { outcome } of fresh.results) seen[outcome]++;
      };
      compare();
      for (const { object, isGone } of changes) {
        if (isGone) here.delete(object.name);
        else here.set(object.name, object.text);
        compare();
      }
    }),
    { numRuns: 50 },
  );
  expect(Math.min(seen.passed, seen.failed, seen.error)).toBeGreaterThan(100);
});
