import { expect, test } from "vitest";
import type { Scenario, ScenarioQuery } from "../../src/policy/scenario.ts";
import { type Inventory, takeInventory } from "../../src/prove/inventory.ts";
import { Distinctions } from "../../src/prove/replay/distinctions.ts";
import { Recording } from "../../src/prove/replay/recording.ts";
import { replay } from "../../src/prove/replay/replay.ts";
import { randomScenario } from "../support/policy-scenarios.ts";
import { answerTo, connectionOf, flowsOf } from "../support/recorded-flows.ts";
import { manifestsOf, withoutWhatManifestsCannotSay } from "../support/scenario-manifests.ts";

/**
 * Connections of a random world that the engine judged under one set of policies, recorded as Hubble shows them and replayed through
 * another set: the verdicts are the engine's own under the other set.
 */
const SCENARIOS = 120;

/** Without what only a node's own policy judges, and labels that the agents filter: flows do not tell of them. */
function worldOf(seed: number): Scenario | undefined {
  const { fqdnCache, ...scenario } = randomScenario(seed, { isValid: true });
  const { hostFirewall, cidrMatchMode, labels } = scenario.config ?? {};
  if (hostFirewall === true || cidrMatchMode !== undefined || labels !== undefined) return undefined;
  return { ...withoutWhatManifestsCannotSay(scenario), ...(fqdnCache && { fqdnCache }) };
}

function inventoryOf(scenario: Scenario): Inventory {
  return takeInventory([{ file: "all.yaml", text: manifestsOf(scenario) }], { config: scenario.config ?? {} });
}

/** Where rules that do not look at requests let all pass, the verdict is known without them. */
function verdictOnAnything(scenario: Scenario, query: ScenarioQuery) {
  const odd = [{ http: { method: "ODD", path: "/odd", host: "odd" } }, { dns: "odd.example" }, { sni: "odd.example" }];
  const verdicts = new Set(odd.map((facts) => answerTo(scenario, { ...query, ...facts }).final));
  return verdicts.size === 1 && verdicts.has("forwarded") ? "forwarded" : undefined;
}

const WORDS = { forwarded: "allowed", dropped: "denied" } as const;

test("what replay says of a recording under other policies is what the engine says", { timeout: 180_000 }, () => {
  const seen = new Map<string, number>();
  const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1);
  for (let seed = 0; seed < SCENARIOS; seed++) {
    const [before, other] = [worldOf(seed), worldOf(seed + 10_000)];
    if (before === undefined || other === undefined) continue;
    const after = { ...before, policies: other.policies };
    const [now, candidate] = [inventoryOf(before), inventoryOf(after)];
    for (const asked of before.queries) {
      const { sni: _sni, ...query } = asked;
      const connection = connectionOf(before, query);
      const flows = connection && flowsOf(before, connection);
      if (connection === undefined || flows === undefined || flows.length === 0) continue;
      const recording = new Recording(new Distinctions([now, candidate]));
      for (const [index, flow] of flows.entries()) recording.add(flow, { source: "flows", line: index + 1 });
      recording.finish();
      const wasJudged = [...recording.conversations.values()].some(({ request }) => request !== undefined);
      const { http: _http, dns: _dns, ...plain } = connection.query;
      const told = wasJudged ? connection.query : plain;
      const answer = answerTo(after, told);
      const expected = answer.final ?? verdictOnAnything(after, told);
      const result = replay(recording, candidate);
      const flow = result.flows.find(({ conversation }) => (conversation.request !== undefined) === wasJudged)!;
      const where = `seed ${seed} ${JSON.stringify(told)} ${JSON.stringify(flow.missing)}`;
      expect(flow.now, where).toBe(WORDS[answerTo(before, connection.query).final!]);
      count(flow.change);
      // an address without a name may have had one: the engine's cache says that it had none
      if (flow.missing?.startsWith("by which name")) count("nameless");
      // rules of one end contradict each other: what the other end refuses is refused all the same
      else if (answer.verdict === "error") expect(flow.after, where).not.toBe("allowed");
      else expect(flow.after, where).toBe(expected === undefined ? "unknown" : WORDS[expected]);
      // with the set that was in force, recording and engine agree
      expect(replay(recording, candidate, now).disagreements, where).toBe(0);
    }
  }
  for (const what of ["opened", "closed", "unknown", "unchanged"]) expect(seen.get(what), what).toBeGreaterThan(20);
  expect(seen.get("nameless")).toBeLessThan(100);
});
