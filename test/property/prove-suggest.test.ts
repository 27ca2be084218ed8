import { expect, test } from "vitest";
import type { Scenario } from "../../src/policy/scenario.ts";
import { takeInventory } from "../../src/prove/inventory.ts";
import { Distinctions } from "../../src/prove/replay/distinctions.ts";
import { type Conversation, Recording } from "../../src/prove/replay/recording.ts";
import { suggest } from "../../src/prove/suggest/suggest.ts";
import { randomScenario } from "../support/policy-scenarios.ts";
import { answerTo, type Connection, connectionOf, flowsOf } from "../support/recorded-flows.ts";
import { withoutWhatManifestsCannotSay } from "../support/scenario-manifests.ts";

/**
 * What was let in in a random world is let in by the policies that are suggested for its flows, when the engine judges the
 * same connections under these policies alone.
 */
const SCENARIOS = 80;

/** The same in every recording. */
const nameOf = ({ from, to, protocol, port, request }: Conversation) =>
  [from.key, to.key, protocol, port, request?.title].join(" ");

/** Somebody outside always has an address. */
const addressed = (name: string) => (name === "reserved:world" ? "203.0.113.250" : name);

test("suggested policies let in what was let in, by the engine's own word", { timeout: 180_000 }, () => {
  let allowed = 0;
  let denied = 0;
  for (let seed = 0; seed < SCENARIOS; seed++) {
    const { fqdnCache: _names, ...random } = randomScenario(seed, { isValid: true });
    const scenario: Scenario = withoutWhatManifestsCannotSay(random);
    const { hostFirewall, cidrMatchMode, policyMode } = scenario.config ?? {};
    if (hostFirewall === true || cidrMatchMode !== undefined || policyMode !== undefined) continue;
    const recording = new Recording(new Distinctions([takeInventory([])], { isExact: true }));
    const recorded: { connection: Connection; keys: readonly string[]; final: string }[] = [];
    for (const { sni: _sni, ...asked } of scenario.queries) {
      const query = { ...asked, from: addressed(asked.from), to: addressed(asked.to) };
      const connection = connectionOf(scenario, query);
      const flows = connection && flowsOf(scenario, connection);
      if (connection === undefined || flows === undefined || flows.length === 0) continue;
      for (const flow of flows) recording.add(flow, { source: "flows", line: 1 });
      const alone = new Recording(new Distinctions([takeInventory([])], { isExact: true }));
      for (const flow of flows) alone.add(flow, { source: "flows", line: 1 });
      const keys = [...alone.conversations.values()].map(nameOf);
      recorded.push({ connection, keys, final: answerTo(scenario, connection.query).final! });
    }
    recording.finish();
    if (recorded.length === 0) continue;
    const options = { subjects: [], l7: true, includeDenied: false, isStandalone: true, maxPaths: 10, maxAddresses: 2 };
    const config = scenario.config ?? {};
    const suggestion = suggest(recording, takeInventory([], { config }), options);
    expect(
      suggestion.unproven.map(({ why }) => why),
      `seed ${seed}`,
    ).toEqual([]);
    const after: Scenario = { ...scenario, policies: suggestion.yaml === "" ? [] : [suggestion.yaml] };
    const opened = new Set(suggestion.alsoOpened.map(({ conversation }) => nameOf(conversation)));
    for (const { connection, keys, final } of recorded) {
      const verdict = answerTo(after, connection.query).final;
      if (final === "forwarded") {
        expect(verdict, `seed ${seed} ${JSON.stringify(connection.query)}\n${suggestion.yaml}`).toBe("forwarded");
        allowed++;
        continue;
      }
      // a connection of which no request is known stays open in the engine's answer
      if (verdict === "forwarded")
        expect(
          keys.some((key) => opened.has(key)),
          `seed ${seed} ${JSON.stringify(connection.query)}`,
        ).toBe(true);
      denied++;
    }
  }
  expect(Math.min(allowed, denied)).toBeGreaterThan(50);
});
