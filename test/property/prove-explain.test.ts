import { expect, test } from "vitest";
import { evaluateScenario, type Scenario, type ScenarioQuery } from "../../src/policy/scenario.ts";
import { answerQuestion } from "../../src/prove/answer.ts";
import { takeInventory } from "../../src/prove/inventory.ts";
import { randomScenario } from "../support/policy-scenarios.ts";
import { manifestsOf, questionOf, withoutWhatManifestsCannotSay } from "../support/scenario-manifests.ts";

/**
 * A random world, written as manifests and read again, gives the verdicts of the engine's own scenarios, which are compared with
 * Cilium's engine elsewhere.
 */
const SCENARIOS = 120;

function expected(scenario: Scenario, query: ScenarioQuery): string {
  const [answer] = evaluateScenario({ ...scenario, queries: [query] }).filter(({ id }) => id === query.id);
  if (answer?.final === undefined) return "unknown";
  return answer.final === "forwarded" ? "allowed" : "denied";
}

test("explain says what the engine's scenarios say", { timeout: 120_000 }, () => {
  const seen = new Map<string, number>();
  for (let seed = 0; seed < SCENARIOS; seed++) {
    const scenario = withoutWhatManifestsCannotSay(randomScenario(seed, { isValid: true }));
    const inventory = takeInventory([{ file: "all.yaml", text: manifestsOf(scenario) }], {
      config: scenario.config ?? {},
    });
    expect(inventory.problems.filter(({ severity }) => severity === "error")).toEqual([]);
    for (const [index, asked] of scenario.queries.entries()) {
      const { http: _http, dns: _dns, sni: _sni, ...plain } = asked;
      const query = index % 3 === 0 ? plain : asked;
      const { verdict } = answerQuestion(inventory, questionOf(query));
      expect(verdict, `seed ${seed} ${JSON.stringify(query)}`).toBe(expected(scenario, query));
      seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
    }
  }
  expect(Math.min(...["allowed", "denied", "unknown"].map((verdict) => seen.get(verdict) ?? 0))).toBeGreaterThan(10);
});

test("a name outside with a known address is what the scenarios' cache of names says", { timeout: 60_000 }, () => {
  for (let seed = 0; seed < SCENARIOS; seed++) {
    const { fqdnCache, ...rest } = randomScenario(seed, { isValid: true });
    const scenario = withoutWhatManifestsCannotSay(rest);
    const [pod] = scenario.endpoints;
    if (pod === undefined) continue;
    const inventory = takeInventory([{ file: "all.yaml", text: manifestsOf(scenario) }], {
      config: scenario.config ?? {},
    });
    for (const [name, addresses] of Object.entries(fqdnCache ?? {})) {
      const names = { [name]: addresses.slice(0, 1) };
      const query = { id: "q", from: `${pod.namespace}/${pod.name}`, to: name, port: 443, proto: "TCP", sni: name };
      const question = { ...questionOf(query), to: `fqdn:${name}`, names };
      expect(answerQuestion(inventory, question).verdict, `seed ${seed} ${name}`).toBe(
        expected({ ...scenario, fqdnCache: names }, query),
      );
    }
  }
});
