import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type Answer, evaluateScenario, type Scenario } from "../../src/policy/scenario.ts";
import { oracle } from "../oracle/cache.ts";
import { type CaseFile, scenariosOf } from "../support/conformance-case.ts";
import { policyScenario } from "../support/policy-scenarios.ts";

const engine = oracle("policy-engine");
const reason = "missing" in engine ? ` (skipped: ${engine.missing})` : "";
const RUNS = Number(process.env["SG_DIFFERENTIAL_RUNS"] ?? 500);

function askCilium(scenarios: readonly Scenario[]): Map<string, Answer> {
  const input = scenarios.map((scenario) => JSON.stringify(scenario)).join("\n");
  const { stdout, stderr, status } = spawnSync("path" in engine ? engine.path : "", {
    input,
    maxBuffer: 1 << 28,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  const answers = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
  return new Map(answers.map((answer) => [`${answer.scenario} ${answer.id} ${answer.policy ?? ""}`, answer]));
}

/** What both sides must agree on. */
function essence(answer: Answer | undefined): unknown {
  const side = (direction: "ingress" | "egress") => {
    const judged = answer?.[direction];
    return judged && { verdict: judged.verdict, enforced: judged.enforced, matched: judged.matched };
  };
  return { verdict: answer?.verdict, ingress: side("ingress"), egress: side("egress") };
}

function expectAgreement(scenarios: readonly Scenario[]): void {
  const theirs = askCilium(scenarios);
  for (const scenario of scenarios) {
    for (const ours of evaluateScenario(scenario)) {
      const cilium = theirs.get(`${ours.scenario} ${ours.id} ${ours.policy ?? ""}`);
      const query = scenario.queries.find(({ id }) => id === ours.id);
      expect(essence(ours), JSON.stringify({ query, error: ours.error, policies: scenario.policies })).toEqual(
        essence(cilium),
      );
    }
  }
}

describe.skipIf("missing" in engine)(`against Cilium's own engine${reason}`, () => {
  it("agrees on random worlds", () => {
    const scenarios = fc
      .sample(policyScenario, { numRuns: RUNS })
      .map((scenario, index) => ({ ...scenario, id: `random-${index}` }));
    expectAgreement(scenarios);
  });

  const folder = join(import.meta.dirname, "../conformance");
  it.each(readdirSync(folder).filter((name) => name.endsWith(".yaml")))(
    "agrees on the conformance cases of %s",
    (name) => {
      const file = parse(readFileSync(join(folder, name), "utf8")) as CaseFile;
      expectAgreement(scenariosOf(name, file).map(forCilium));
    },
  );
});

/** The other program wants every default written out, and its lookup has no port 0. */
function forCilium(scenario: Scenario): Scenario {
  return {
    ...scenario,
    endpoints: scenario.endpoints.map((endpoint) => ({ namespace: "default", ...endpoint })),
    queries: scenario.queries
      .filter(({ port }) => port !== 0)
      .map((query) => ({ ...query, from: fullName(query.from), to: fullName(query.to) })),
  };
}

function fullName(name: string): string {
  return /[/:.]/.test(name) ? name : `default/${name}`;
}
