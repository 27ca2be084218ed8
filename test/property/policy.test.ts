import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Answer, evaluateScenario, type Scenario } from "../../src/policy/scenario.ts";
import { type NaiveAnswer, naiveAnswers } from "../oracle/naive-policy.ts";
import { answersByQuery, hasError } from "../support/policy-answers.ts";
import { policyScenario, randomScenario } from "../support/policy-scenarios.ts";
import { minimalScenario } from "../support/policy-scenarios-minimal.ts";

const RUNS = Number(process.env["SG_PROPERTY_RUNS"] ?? 600);

/** What both must agree on. */
function essence(answer: Answer | NaiveAnswer): unknown {
  const side = (direction: "ingress" | "egress") => {
    const judged = answer[direction];
    if (judged === undefined || answer.verdict === "error") return undefined;
    return { verdict: judged.verdict, enforced: judged.enforced, matched: judged.matched };
  };
  const { id, policy, verdict } = answer;
  const final = verdict === "error" ? undefined : answer.final;
  return { id, policy, verdict, final, ingress: side("ingress"), egress: side("egress") };
}

const ours = (scenario: Scenario) => evaluateScenario(scenario).map(essence);
const naive = (scenario: Scenario) => naiveAnswers(scenario).map(essence);

/** Whether what was left out of a scenario still leaves one that they disagree on. */
function disagree(scenario: Scenario): boolean {
  try {
    return !isDeepStrictEqual(ours(scenario), naive(scenario));
  } catch {
    return false;
  }
}

describe("the compiled policy", { timeout: 120_000 }, () => {
  it("gives the verdict of a naive reading of the rules, on connections and on requests", () => {
    fc.assert(
      fc.property(fc.noBias(fc.nat()), (seed) => {
        const scenario = randomScenario(seed, { isCrowded: seed % 2 === 0 });
        if (isDeepStrictEqual(ours(scenario), naive(scenario))) return;
        const least = minimalScenario(scenario, (candidates) => candidates.findIndex(disagree));
        expect(ours(least), JSON.stringify({ seed, least })).toEqual(naive(least));
      }),
      { numRuns: RUNS },
    );
  });

  it("does not depend on the order of policies, rules or peers", () => {
    fc.assert(
      fc.property(policyScenario, (scenario) => {
        const other = { ...scenario, policies: scenario.policies.map(reversedRules).reverse() };
        const [before, after] = [evaluateScenario(scenario), evaluateScenario(other)];
        // Which of several contradictions is met first depends on the order.
        if (hasError(before) || hasError(after)) return;
        expect(after.map(essence)).toEqual(before.map(essence));
      }),
      { numRuns: Math.ceil(RUNS / 4) },
    );
  });

  it("closes what was open only when a deny is added, and opens nothing by it", () => {
    fc.assert(
      fc.property(policyScenario, (scenario) => {
        const before = answersByQuery(scenario);
        const after = answersByQuery(withPolicy(scenario, { ingressDeny: [{ fromEntities: ["world"] }] }));
        for (const [id, answer] of after) {
          const old = before.get(id)!;
          if (old.verdict === "error" || answer.verdict === "error" || isFromHost(scenario, id)) continue;
          expect(answer.egress?.verdict, id).toBe(old.egress?.verdict);
          if (answer.ingress?.verdict !== old.ingress?.verdict) expect(answer.ingress?.verdict, id).toBe("denied");
          if (answer.final === "forwarded") expect(old.final, id).toBe("forwarded");
        }
      }),
      { numRuns: Math.ceil(RUNS / 4) },
    );
  });

  it("closes nothing when an allow is added that leaves default deny as it is", () => {
    const allow = {
      ingress: [{ fromEndpoints: [{ matchLabels: { app: "a" } }] }, { toPorts: [{ ports: [{ port: "80" }] }] }],
      egress: [{ toCIDR: ["10.0.0.0/8"] }],
    };
    fc.assert(
      fc.property(policyScenario, (scenario) => {
        const before = answersByQuery(scenario);
        const after = answersByQuery(withPolicy(scenario, allow));
        for (const [id, answer] of after) {
          const old = before.get(id)!;
          if (old.verdict === "error" || answer.verdict === "error") continue;
          if (old.verdict !== "denied") expect(answer.verdict, id).toBe(old.verdict);
          if (old.final === "forwarded") expect(answer.final, id).toBe("forwarded");
        }
      }),
      { numRuns: Math.ceil(RUNS / 4) },
    );
  });
});

/** Where all is denied without any rule, the host is let in as soon as there is one, as in Cilium. */
function isFromHost({ queries }: Scenario, id: string): boolean {
  return queries.find((query) => query.id === id)?.from === "reserved:host";
}

function withPolicy(scenario: Scenario, sections: object): Scenario {
  const policy = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name: "zz-added" },
    spec: { endpointSelector: {}, ...sections, enableDefaultDeny: { ingress: false, egress: false } },
  };
  return { ...scenario, policies: [...scenario.policies, policy] };
}

/** Every list the other way round, except where the order ranks rules. */
function reversedRules(policy: unknown): unknown {
  return (policy as { kind: string }).kind === "ClusterNetworkPolicy" ? policy : reversed(policy);
}

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed).reverse();
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, content]) => [name, reversed(content)]));
}
