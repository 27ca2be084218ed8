import { expect, it } from "vitest";
import type { Scenario } from "../../src/policy/scenario.ts";
import { answerQuestion } from "../../src/prove/answer.ts";
import { diffOf } from "../../src/prove/diff/diff.ts";
import { type Inventory, takeInventory } from "../../src/prove/inventory.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { answerKey, askCilium } from "../support/ask-cilium.ts";
import { firstReplaced, saidOf } from "../support/diff-answer.ts";
import { editedAtBothEnds } from "../support/header-edits.ts";
import { randomScenario } from "../support/policy-scenarios.ts";
import { manifestsOf, questionOf, withoutWhatManifestsCannotSay } from "../support/scenario-manifests.ts";
import { faultsOf, faultsOfQuery, isOrderedConflict } from "../support/upstream-differences.ts";

const engine = oracle("policy-engine");
const reason = skipNote(engine);
const SCENARIOS = 150;
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
  expect(Math.min(compared.allowed, compared.denied)).toBeGreaterThan(100);
});

/** Each world with its own policies and with those of another: what changes between Cilium's answers is what diff says. */
it.skipIf("missing" in engine)(`diff says what Cilium's engine says before and after${reason}`, async () => {
  const worlds = Array.from({ length: SCENARIOS }, (_, index) => {
    const [before, other] = [FIRST_SEED + index, FIRST_SEED + SCENARIOS + index].map((seed) =>
      withoutWhatManifestsCannotSay(randomScenario(seed, { isValid: true })),
    ) as [Scenario, Scenario];
    const policies = index % 2 === 0 ? other.policies : firstReplaced(before.policies, other.policies);
    return { before, after: { ...before, id: `${before.id} after`, policies } };
  }).filter(({ before, after }) => faultsOf(before).length === 0 && faultsOf(after).length === 0);
  const path = "path" in engine ? engine.path : "";
  const theirs = await askCilium(
    path,
    worlds.flatMap(({ before, after }) => [before, after]),
  );
  const compared = { opened: 0, closed: 0, same: 0 };
  for (const { before, after } of worlds) {
    const inventoryOf = (scenario: Scenario): Inventory =>
      takeInventory([{ file: "all.yaml", text: manifestsOf(scenario) }], { config: before.config ?? {} });
    const diff = diffOf(inventoryOf(before), inventoryOf(after));
    for (const query of before.queries) {
      if ([before, after].some((scenario) => faultsOfQuery(scenario, query).length > 0)) continue;
      const [was, is] = [before, after].map(
        ({ id }) => theirs.get(answerKey({ scenario: id, id: query.id, verdict: "unknown" }))?.final,
      );
      if (was === undefined || is === undefined || typeof query.port !== "number") continue;
      const named = (name: string) => (title: string) =>
        title === (name.startsWith("reserved:") ? `entity:${name.slice(9)}` : name.replace("/", "/pod/"));
      const [isFrom, isTo] = [named(query.from), named(query.to)];
      if (![isFrom, isTo].every((is) => diff.parties.some(({ title }) => is(title)))) continue;
      const place = [query.proto ?? "TCP", query.port] as const;
      const said = saidOf(
        diff,
        ({ title }) => isFrom(title),
        ({ title }) => isTo(title),
        place,
      );
      if (said.unknown) continue;
      const where = `${before.id} ${JSON.stringify(query)}: ${was}, then ${is}`;
      if (was !== is) expect(is === "forwarded" ? said.opened : said.closed, where).toBe(true);
      else if (said.isWhole) expect("no change of the whole", where).toBe("a change");
      compared[was === is ? "same" : is === "forwarded" ? "opened" : "closed"]++;
    }
  }
  expect(Math.min(...Object.values(compared)), JSON.stringify(compared)).toBeGreaterThan(50);
});

it.skipIf("missing" in engine)(`what one end edits the other judges, as in Cilium's engine${reason}`, async () => {
  const scenarios = Array.from({ length: SCENARIOS }, (_, index) => editedAtBothEnds(FIRST_SEED + index));
  const theirs = await askCilium("path" in engine ? engine.path : "", scenarios);
  const compared = { allowed: 0, denied: 0, decidedByEdits: 0 };
  for (const scenario of scenarios) {
    const inventoryOf = (policies: Scenario["policies"]) =>
      takeInventory([{ file: "all.yaml", text: manifestsOf({ ...scenario, policies }) }]);
    const [both, ingressAlone] = [inventoryOf(scenario.policies), inventoryOf(scenario.policies.slice(1))];
    for (const query of scenario.queries) {
      const answer = theirs.get(answerKey({ scenario: scenario.id, id: query.id, verdict: "unknown" }));
      expect(answer?.final, JSON.stringify(answer)).toBeDefined();
      const wanted = answer?.final === "forwarded" ? "allowed" : "denied";
      const { verdict, cases } = answerQuestion(both, questionOf(query));
      expect(verdict, JSON.stringify([scenario.policies, query])).toBe(wanted);
      compared[wanted]++;
      const asItWasSent = answerQuestion(ingressAlone, questionOf(query)).verdict;
      if (cases[0]?.egress?.verdict === "allowed" && verdict !== asItWasSent) compared.decidedByEdits++;
    }
  }
  expect(Math.min(...Object.values(compared)), JSON.stringify(compared)).toBeGreaterThan(20);
});
