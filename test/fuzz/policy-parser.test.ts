import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCiliumNetworkPolicy } from "../../src/policy/parse.ts";
import { evaluateScenario } from "../../src/policy/scenario.ts";
import { policyScenario } from "../support/policy-scenarios.ts";

const names = [
  "endpointSelector",
  "ingress",
  "egress",
  "ingressDeny",
  "egressDeny",
  "fromEndpoints",
  "toEndpoints",
  "fromCIDR",
  "toCIDRSet",
  "cidr",
  "except",
  "fromEntities",
  "toPorts",
  "ports",
  "port",
  "endPort",
  "protocol",
  "rules",
  "http",
  "path",
  "method",
  "headers",
  "icmps",
  "fields",
  "type",
  "family",
  "labels",
  "enableDefaultDeny",
  "matchLabels",
  "matchExpressions",
  "key",
  "operator",
  "values",
  "__proto__",
  "constructor",
  "toString",
  "spec",
  "specs",
  "metadata",
  "description",
];
const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    "80",
    "TCP",
    "10.0.0.0/8",
    "::/0",
    "all",
    "world",
    "In",
    "Exists",
    "",
    "a",
    0,
    8,
    null,
    true,
  ),
  fc.string(),
  fc.double(),
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 7, withCrossShrink: true },
    leaf,
    fc.array(tie("tree"), { maxLength: 3 }),
    fc
      .array(
        fc.tuple(
          fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: fc.string() }),
          tie("tree"),
        ),
        { maxLength: 5 },
      )
      .map((entries) => Object.fromEntries(entries)),
  ),
}));

function policy(spec: unknown): unknown {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "fuzz", namespace: "default" },
    spec,
  };
}

describe("the policy parser", () => {
  it("answers every JSON value with rules or with named errors, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(tree, tree.map(policy), fc.anything()), (object) => {
        const result = parseCiliumNetworkPolicy(object);
        if (!result.ok) expect(result.errors.length).toBeGreaterThan(0);
      }),
      { numRuns: 3000 },
    );
  });

  it("refuses a valid policy with one more field anywhere, and says where", () => {
    fc.assert(
      fc.property(policyScenario, fc.nat(), (scenario, pick) => {
        const text = JSON.stringify(scenario.policies[0]);
        const object = JSON.parse(text) as Record<string, unknown>;
        const places = objectsIn(object["spec"] ?? object["specs"], []);
        places[pick % places.length]!["surprise"] = [];
        const result = parseCiliumNetworkPolicy(object);
        expect(result.ok).toBe(false);
        if (!result.ok) expect(result.errors.some(({ field }) => field.includes("surprise"))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("takes YAML text that is no YAML as a refused policy", () => {
    const scenario = { id: "s", policies: ["a: [", "kind: {}"], endpoints: [], queries: [] };
    expect(evaluateScenario(scenario).map(({ id, policy: index, verdict }) => [id, index, verdict])).toEqual([
      ["!policy", 0, "invalid"],
      ["!policy", 1, "invalid"],
    ]);
  });
});

/** Every object inside, except maps of labels. */
function objectsIn(value: unknown, found: Record<string, unknown>[]): Record<string, unknown>[] {
  if (typeof value !== "object" || value === null) return found;
  if (!Array.isArray(value)) found.push(value as Record<string, unknown>);
  for (const [name, content] of Object.entries(value)) if (name !== "matchLabels") objectsIn(content, found);
  return found;
}
