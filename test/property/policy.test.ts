import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Answer, evaluateScenario, type Scenario } from "../../src/policy/scenario.ts";
import { type NaiveVerdict, naiveVerdict, partyOf } from "../support/naive-policy.ts";
import { policyScenario } from "../support/policy-scenarios.ts";

const RUNS = Number(process.env["SG_PROPERTY_RUNS"] ?? 300);

function answersOf(scenario: Scenario): Map<string, Answer> {
  const answers = evaluateScenario(scenario);
  expect(answers.filter(({ verdict }) => verdict === "invalid")).toEqual([]);
  return new Map(answers.map((answer) => [answer.id, answer]));
}

function verdicts(scenario: Scenario): (readonly [string | undefined, string | undefined])[] {
  const answers = answersOf(scenario);
  return scenario.queries.map(({ id }) => [answers.get(id)?.egress?.verdict, answers.get(id)?.ingress?.verdict]);
}

function finalOf(sides: readonly (NaiveVerdict | undefined)[]): string {
  const stops = (side: NaiveVerdict) => side.verdict === "denied" || (side.verdict === "redirect" && !side.passes);
  return sides.some((side) => side !== undefined && stops(side)) ? "dropped" : "forwarded";
}

describe("the compiled policy", { timeout: 120_000 }, () => {
  it("gives the verdict of a naive reading of the rules, on connections and on requests", () => {
    fc.assert(
      fc.property(policyScenario, (scenario) => {
        const answers = answersOf(scenario);
        for (const query of scenario.queries) {
          const [from, to] = [partyOf(query.from, scenario.endpoints), partyOf(query.to, scenario.endpoints)];
          const egress = from.isPod ? naiveVerdict(scenario, "egress", from, to, query) : undefined;
          const ingress = to.isPod ? naiveVerdict(scenario, "ingress", to, from, query) : undefined;
          const got = answers.get(query.id)!;
          expect([got.egress?.verdict, got.ingress?.verdict], JSON.stringify(query)).toEqual([
            egress?.verdict,
            ingress?.verdict,
          ]);
          if (got.final !== undefined) expect(got.final, JSON.stringify(query)).toBe(finalOf([egress, ingress]));
        }
      }),
      { numRuns: RUNS },
    );
  });

  it("does not depend on the order of policies, rules or peers", () => {
    const reversed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reversed).reverse();
      if (typeof value !== "object" || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([name, content]) => [name, reversed(content)]));
    };
    fc.assert(
      fc.property(policyScenario, (scenario) => {
        const other = { ...scenario, policies: reversed(scenario.policies) as unknown[] };
        expect(verdicts(other)).toEqual(verdicts(scenario));
      }),
      { numRuns: RUNS / 4 },
    );
  });

  it("closes what was open only when a deny is added, and opens nothing by it", () => {
    const deny = {
      apiVersion: "cilium.io/v2",
      kind: "CiliumClusterwideNetworkPolicy",
      metadata: { name: "zz-deny" },
      spec: { endpointSelector: {}, ingressDeny: [{ fromEntities: ["world"] }], enableDefaultDeny: { ingress: false } },
    };
    fc.assert(
      fc.property(policyScenario, (scenario) => {
        const before = verdicts(scenario);
        const after = verdicts({ ...scenario, policies: [...scenario.policies, deny] });
        after.forEach(([egress, ingress], index) => {
          expect(egress).toBe(before[index]![0]);
          if (ingress !== before[index]![1]) expect(ingress).toBe("denied");
        });
      }),
      { numRuns: RUNS / 4 },
    );
  });
});
