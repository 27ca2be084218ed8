import { expect, it } from "vitest";
import type { Scenario } from "../../src/policy/scenario.ts";
import { answerQuestion } from "../../src/prove/answer.ts";
import { takeInventory } from "../../src/prove/inventory.ts";
import { oracle } from "../oracle/cache.ts";
import { answerKey, askCilium } from "../support/ask-cilium.ts";
import { randomScenario } from "../support/policy-scenarios.ts";
import { manifestsOf, questionOf, withoutWhatManifestsCannotSay } from "../support/scenario-manifests.ts";
import { faultsOf, faultsOfQuery, isOrderedConflict } from "../support/upstream-differences.ts";

const engine = oracle("policy-engine");
const reason = "missing" in engine ? ` (skipped: ${engine.missing})` : "";
const SCENARIOS = 300;
const FIRST_SEED = 50_000;

/** From text to verdict: random worlds as manifests, explained here, and asked of Cilium's own engine as scenarios. */
it.skipIf("missing" in engine)(`explain on manifests says what Cilium's engine says${reason}`, async () => {
  const scenarios = Array.from(
    { length: SCENARIOS },
    (_, index): Scenario => withoutWhatManifestsCannotSay(randomScenario(FIRST_SEED + index, { isValid: true })),
  ).filter((scenario) => faultsOf(scenario).length === 0);
  const theirs = await askCilium("path" in engine ? engine.path : "", scenarios);
  const compared = { allowed: 0, denied: 0 };
  for (const scenario of scenarios) {
    const inventory = takeInventory([{ file: "all.yaml", text: manifestsOf(scenario) }], {
      config: scenario.config ?? {},
    });
    for (const query of scenario.queries) {
      if (faultsOfQuery(scenario, query).length > 0) continue;
      const answer = theirs.get(answerKey({ scenario: scenario.id, id: query.id, verdict: "unknown" }));
      if (answer?.final === undefined) continue;
      const wanted = answer.final === "forwarded" ? "allowed" : "denied";
      const { verdict, missing } = answerQuestion(inventory, questionOf(query));
      if (isOrderedConflict(missing?.replace(/^.*can stand together: /, ""))) continue;
      expect(verdict, `${scenario.id} ${JSON.stringify(query)}`).toBe(wanted);
      compared[wanted]++;
    }
  }
  expect(Math.min(compared.allowed, compared.denied)).toBeGreaterThan(200);
});
