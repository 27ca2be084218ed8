import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { MatchType } from "../../src/model/verdict.ts";
import { type Answer, evaluateScenario } from "../../src/policy/scenario.ts";
import { type CaseFile, expectedFlows, scenariosOf } from "../support/conformance-case.ts";

const MATCH_NAMES: Readonly<Record<string, number>> = {
  none: MatchType.None,
  "L3-Only": MatchType.L3Only,
  "L3-L4": MatchType.L3L4,
  "L4-Only": MatchType.L4Only,
  all: MatchType.All,
  "L3-Proto": MatchType.L3Proto,
  "Proto-Only": MatchType.ProtoOnly,
};

function verdictOf({ verdict, final }: Answer, hasRequest: boolean): string {
  if (verdict !== "redirect" || !hasRequest) return verdict;
  return final === "forwarded" ? "forwarded" : "refused";
}

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".yaml"));

describe.each(files)("%s", (name) => {
  const file = parse(readFileSync(join(import.meta.dirname, name), "utf8")) as CaseFile;
  const scenarios = scenariosOf(name, file);

  it.each(file.cases.map((each, index) => [each.note, each, scenarios[index]!] as const))(
    "%s",
    (_note, each, scenario) => {
      const expected = expectedFlows(each);
      const answers = evaluateScenario(scenario);
      const refusals = answers.filter(({ verdict }) => verdict === "invalid").map(({ error }) => error);
      if (each.invalid === undefined) expect(refusals).toEqual([]);
      else expect(refusals.join()).toContain(each.invalid);
      expect(expected.length > 0 || each.invalid !== undefined).toBe(true);
      for (const { text, query, want, match } of expected) {
        const answer = answers.find(({ id }) => id === query.id)!;
        expect(verdictOf(answer, query.http !== undefined), text).toBe(want);
        const deciding = answer.ingress?.enforced ? answer.ingress : answer.egress;
        if (match !== undefined) expect(deciding?.matchType, text).toBe(MATCH_NAMES[match]);
      }
    },
  );
});
