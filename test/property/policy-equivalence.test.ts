import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { formatCidr, parseCidr } from "../../src/model/cidr.ts";
import { evaluateScenario, type Scenario } from "../../src/policy/scenario.ts";
import { hasError, outcomes } from "../support/policy-answers.ts";
import { type Intent, intentAs, intents } from "../support/policy-intents.ts";
import { policyScenario } from "../support/policy-scenarios.ts";

const RUNS = Number(process.env["SG_PROPERTY_RUNS"] ?? 1000) / 4;

/** Changes every object below, from the inside out. */
function mapped(value: unknown, change: (object: Record<string, unknown>) => Record<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((element) => mapped(element, change));
  if (typeof value !== "object" || value === null) return value;
  return change(Object.fromEntries(Object.entries(value).map(([name, content]) => [name, mapped(content, change)])));
}

function expectSame(one: Scenario, other: Scenario): void {
  if (hasError(evaluateScenario(one)) || hasError(evaluateScenario(other))) return;
  expect(outcomes(other)).toEqual(outcomes(one));
}

describe("ways to say the same", { timeout: 120_000 }, () => {
  it("gives one intent the same verdicts as a namespaced, a clusterwide and a Kubernetes policy", () => {
    fc.assert(
      fc.property(policyScenario, intents, ({ config: _, ...world }, intent: Intent) => {
        const as = (kind: Parameters<typeof intentAs>[0]) => outcomes({ ...world, policies: [intentAs(kind, intent)] });
        expect(as("CiliumClusterwideNetworkPolicy")).toEqual(as("CiliumNetworkPolicy"));
        expect(as("NetworkPolicy")).toEqual(as("CiliumNetworkPolicy"));
      }),
      { numRuns: RUNS },
    );
  });

  it("reads YAML as it reads objects", () => {
    fc.assert(
      fc.property(policyScenario, (scenario) => {
        const text = scenario.policies
          .map((policy) => stringify(policy, { aliasDuplicateObjects: false, version: "1.1" }))
          .join("---\n");
        expect(evaluateScenario({ ...scenario, policies: [text] })).toEqual(evaluateScenario(scenario));
      }),
      { numRuns: RUNS },
    );
  });

  it("does not care whether a prefix is written as one or as its halves", () => {
    const halves = (text: unknown): unknown[] => {
      const cidr = typeof text === "string" ? parseCidr(text) : undefined;
      // The whole of a family is more than its halves: it is whoever is outside, with an address or without.
      if (cidr === undefined || cidr.length === 0 || cidr.length === (cidr.family === 4 ? 32 : 128)) return [text];
      const bit = cidr.length + (cidr.family === 4 ? 96 : 0);
      const upper = cidr.bytes.slice();
      upper[bit >> 3] = upper[bit >> 3]! | (0x80 >> (bit & 7));
      return [cidr.bytes, upper].map((bytes) => formatCidr({ ...cidr, bytes, length: cidr.length + 1 }));
    };
    const split = (object: Record<string, unknown>) =>
      Object.fromEntries(
        Object.entries(object).map(([field, content]) => {
          if (!Array.isArray(content)) return [field, content];
          if (/CIDRs?$|^networks$/.test(field)) return [field, content.flatMap(halves)];
          if (!field.endsWith("CIDRSet")) return [field, content];
          const plain = (rule: { cidr?: string; except?: unknown }): unknown[] =>
            rule.except === undefined && rule.cidr !== undefined ? halves(rule.cidr).map((cidr) => ({ cidr })) : [rule];
          return [field, content.flatMap(plain)];
        }),
      );
    fc.assert(
      fc.property(policyScenario, (scenario) => {
        expectSame(scenario, { ...scenario, policies: mapped(scenario.policies, split) as unknown[] });
      }),
      { numRuns: RUNS },
    );
  });

  it("takes the name of a port for its number", () => {
    const numbered = (policy: unknown) =>
      mapped(policy, (object) => {
        const isWeb = /^web$/i.test(String(object["port"])) && object["protocol"] === "TCP";
        const isKubernetes = (policy as { kind: string }).kind === "NetworkPolicy";
        return isWeb ? { ...object, port: isKubernetes ? 80 : "80" } : object;
      });
    fc.assert(
      fc.property(policyScenario, (scenario) => {
        // The name and the number of one port are two filters to Cilium, whose L7 rules do not add up as those of one do.
        const text = JSON.stringify(scenario.policies);
        fc.pre(
          !/"(rules|listener|serverNames|terminatingTLS|originatingTLS)":/.test(text) || !/"port":"web"/i.test(text),
        );
        const world: Scenario = {
          ...scenario,
          endpoints: scenario.endpoints
            .filter(({ rawLabels }) => rawLabels === undefined)
            .map((endpoint) => ({ ...endpoint, namedPorts: [{ name: "web", port: 80, protocol: "TCP" }] })),
          // Only pods have names for their ports.
          queries: scenario.queries.filter(({ to }) => /^(ns\d|kube-system)\//.test(to)),
        };
        expectSame(world, { ...world, policies: world.policies.map(numbered) });
      }),
      { numRuns: RUNS },
    );
  });
});
