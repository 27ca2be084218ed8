import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MatchType } from "../../src/model/verdict.ts";
import { readScenario } from "../../src/policy/read-scenario.ts";
import { type Answer, evaluateScenario } from "../../src/policy/scenario.ts";
import { expectedFlows, readConformance } from "../support/conformance-case.ts";

const MATCH_NAMES: Readonly<Record<string, number>> = {
  none: MatchType.None,
  "L3-Only": MatchType.L3Only,
  "L3-L4": MatchType.L3L4,
  "L4-Only": MatchType.L4Only,
  all: MatchType.All,
  "L3-Proto": MatchType.L3Proto,
  "Proto-Only": MatchType.ProtoOnly,
};

function verdictOf({ verdict, final }: Answer, hasFacts: boolean): string {
  if (verdict !== "redirect" || !hasFacts) return verdict;
  return final === "forwarded" ? "forwarded" : final === "dropped" ? "refused" : "unknown";
}

/** The check in the words of the case, as the answer has it. */
function checked(check: string, answer: Answer): unknown {
  const deciding = answer.ingress?.enforced ? answer.ingress : answer.egress;
  if (check === "unenforced") return answer.ingress?.enforced || answer.egress?.enforced ? "enforced" : check;
  if (check.startsWith("auth=")) return `auth=${deciding?.authType}`;
  const match = MATCH_NAMES[check];
  if (match === undefined) throw new Error(`not a check: ${check}`);
  return deciding?.matchType === match ? check : `match type ${deciding?.matchType}`;
}

describe.each(readConformance())("$name", ({ cases }) => {
  it.each(cases.map((each) => [each.case.note, each] as const))("%s", (_note, { case: each, scenario }) => {
    const expected = expectedFlows(each);
    const answers = evaluateScenario(scenario);
    const refusals = answers.filter(({ verdict }) => verdict === "invalid").map(({ error }) => error);
    if (each.invalid === undefined) expect(refusals).toEqual([]);
    else expect(refusals.join()).toContain(each.invalid);
    expect(expected.length > 0 || each.invalid !== undefined).toBe(true);
    expect(each.why !== undefined || each.upstreamDiffers !== true).toBe(true);
    for (const { text, query, want, checks } of expected) {
      const answer = answers.find(({ id }) => id === query.id)!;
      const hasFacts = query.http !== undefined || query.dns !== undefined || query.sni !== undefined;
      expect(verdictOf(answer, hasFacts), text).toBe(want);
      for (const check of checks) expect(checked(check, answer), text).toBe(check);
    }
  });
});

it("every case is a line that `policy eval` reads", () => {
  const print = [join(import.meta.dirname, "print.ts"), "--scenarios"];
  const lines = execFileSync(process.execPath, print, { encoding: "utf8" }).trimEnd().split("\n");
  expect(lines).toHaveLength(readConformance().flatMap(({ cases }) => cases).length);
  const refused = lines.map((line) => readScenario(JSON.parse(line))).filter(({ ok }) => !ok);
  expect(refused).toEqual([]);
});
