import { expect, it } from "vitest";
import type { Scenario, ScenarioQuery } from "../../src/policy/scenario.ts";
import { type Inventory, takeInventory } from "../../src/prove/inventory.ts";
import { Distinctions } from "../../src/prove/replay/distinctions.ts";
import { Recording } from "../../src/prove/replay/recording.ts";
import { type ReplayedFlow, replay } from "../../src/prove/replay/replay.ts";
import { oracle } from "../oracle/cache.ts";
import { answerKey, askCilium } from "../support/ask-cilium.ts";
import { randomScenario } from "../support/policy-scenarios.ts";
import { connectionOf, flowsOf } from "../support/recorded-flows.ts";
import { manifestsOf, withoutWhatManifestsCannotSay } from "../support/scenario-manifests.ts";
import { faultsOf, faultsOfQuery } from "../support/upstream-differences.ts";

const engine = oracle("policy-engine");
const reason = "missing" in engine ? ` (skipped: ${engine.missing})` : "";
const SCENARIOS = 60;
const FIRST_SEED = 70_000;

/** A flow of a recording, as it was replayed, and the connection that it is of. */
interface Replayed {
  readonly after: Scenario;
  readonly query: ScenarioQuery;
  readonly flow: ReplayedFlow;
}

/** Without what flows do not tell: a node's own policy, and in which way its clusters match prefixes. */
function worldOf(seed: number): Scenario | undefined {
  const { fqdnCache: _names, ...scenario } = randomScenario(seed, { isValid: true });
  const { hostFirewall, cidrMatchMode } = scenario.config ?? {};
  if (hostFirewall === true || cidrMatchMode !== undefined) return undefined;
  return withoutWhatManifestsCannotSay(scenario);
}

function inventoryOf(scenario: Scenario): Inventory {
  return takeInventory([{ file: "all.yaml", text: manifestsOf(scenario) }], { config: scenario.config ?? {} });
}

/** Every connection of a world, recorded under its own policies and replayed under those of another. */
function replayedOf(index: number): Replayed[] {
  const [before, other] = [worldOf(FIRST_SEED + index), worldOf(FIRST_SEED + SCENARIOS + index)];
  if (before === undefined || other === undefined) return [];
  const after: Scenario = { ...before, id: `${before.id} replayed`, policies: other.policies };
  if ([before, after].some((scenario) => faultsOf(scenario).length > 0)) return [];
  const [now, candidate] = [inventoryOf(before), inventoryOf(after)];
  return before.queries.flatMap(({ sni: _sni, ...asked }): Replayed[] => {
    const connection = connectionOf(before, asked);
    const flows = connection && flowsOf(before, connection);
    if (connection === undefined || flows === undefined || flows.length === 0) return [];
    const recording = new Recording(new Distinctions([now, candidate]));
    for (const [line, flow] of flows.entries()) recording.add(flow, { source: "flows", line: line + 1 });
    recording.finish();
    const wasJudged = [...recording.conversations.values()].some(({ request }) => request !== undefined);
    const { http: _http, dns: _dns, ...plain } = connection.query;
    const query = wasJudged ? connection.query : plain;
    if ([before, after].some((scenario) => faultsOfQuery(scenario, query).length > 0)) return [];
    const { flows: replayed } = replay(recording, candidate);
    return replayed
      .filter(({ conversation }) => (conversation.request !== undefined) === wasJudged)
      .map((flow) => ({ after, query, flow }));
  });
}

/** What a recording of random worlds becomes under other policies, and what Cilium's own engine says of the same connections there. */
it.skipIf("missing" in engine)(`replay says what Cilium's engine says under the candidate${reason}`, async () => {
  const replayed = Array.from({ length: SCENARIOS }, (_, index) => replayedOf(index)).flat();
  const scenarios = [...Map.groupBy(replayed, ({ after }) => after)].map(([after, flows]) => ({
    ...after,
    queries: [...new Map(flows.map(({ query }) => [query.id, query])).values()],
  }));
  const theirs = await askCilium("path" in engine ? engine.path : "", scenarios);
  const compared = { opened: 0, closed: 0, unchanged: 0 };
  for (const { after, query, flow } of replayed) {
    const answer = theirs.get(answerKey({ scenario: after.id, id: query.id, verdict: "unknown" }));
    if (answer?.final === undefined || flow.change === "unknown") continue;
    const wanted = answer.final === "forwarded" ? "allowed" : "denied";
    expect(flow.after, `${after.id} ${JSON.stringify(query)}`).toBe(wanted);
    compared[flow.change]++;
  }
  expect(Math.min(...Object.values(compared)), JSON.stringify(compared)).toBeGreaterThan(20);
});
