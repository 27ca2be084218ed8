import { describe, expect, it } from "vitest";
import { type Answer, evaluateScenario, type Scenario } from "../../src/policy/scenario.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { answerKey, askCilium } from "../support/ask-cilium.ts";
import { readConformance } from "../support/conformance-case.ts";
import { randomScenario } from "../support/policy-scenarios.ts";
import { coverageOf, formatCoverage } from "../support/scenario-coverage.ts";
import {
  faultsOf,
  faultsOfQuery,
  isOrderedConflict,
  losesAuth,
  type UpstreamFault,
} from "../support/upstream-differences.ts";

const engine = oracle("policy-engine");
const reason = skipNote(engine);
/** Scenarios, each with some twelve queries; a long run sets it to hundreds of thousands, and another first seed. */
const RUNS = Number(process.env["SG_DIFFERENTIAL_RUNS"] ?? 2_500);
const FIRST_SEED = Number(process.env["SG_DIFFERENTIAL_SEED"] ?? 1);
/** Scenarios that are in memory at once. */
const BATCH = 4_000;

type Side = NonNullable<Answer["ingress"]>;

/**
 * What both sides must agree on. A denied connection has no authentication, whatever an entry says; what a redirect inherits
 * depends in Cilium on the order in which its entries were made.
 */
function essence(answer: Answer | undefined, isFinal: boolean, hasAuth = true): unknown {
  const side = (judged: Side | undefined) => {
    if (judged === undefined || judged.verdict === "error") return judged?.verdict;
    const { verdict, enforced, matched, authType, precedence } = judged;
    return { verdict, enforced, matched, precedence, ...(hasAuth && verdict === "allowed" ? { authType } : {}) };
  };
  const { verdict, final, ingress, egress } = answer ?? {};
  return { verdict, ...(isFinal ? { final } : {}), ingress: side(ingress), egress: side(egress) };
}

interface Disagreement {
  readonly text: string;
  /** All but the authentication is the same. */
  readonly isOfAuth: boolean;
}

class Tally {
  readonly faults = new Map<UpstreamFault, number>();
  readonly disagreements: Disagreement[] = [];
  compared = 0;

  disagree(text: string, isOfAuth: boolean): void {
    this.disagreements.push({ text, isOfAuth });
  }

  skip(fault: UpstreamFault): void {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
  }
}

function compare(scenario: Scenario, ours: readonly Answer[], theirs: Map<string, Answer>, tally: Tally): void {
  const faults = faultsOf(scenario);
  for (const fault of faults) tally.skip(fault);
  if (faults.length > 0) return;
  const seen = new Set<string>();
  const hasAuth = !losesAuth(scenario);
  const hasOrderedConflict = ours.some(({ error }) => isOrderedConflict(error));
  if (!hasAuth) tally.skip("auth-lost-beside-pass");
  for (const answer of ours) {
    const key = answerKey(answer);
    seen.add(key);
    const query = scenario.queries.find(({ id }) => id === answer.id);
    const questionable = query === undefined ? [] : faultsOfQuery(scenario, query);
    const theirAnswer = theirs.get(key);
    const isError = answer.ingress?.verdict === "error" || answer.egress?.verdict === "error";
    if (questionable.includes("init-label-key") || (hasOrderedConflict && isError)) {
      tally.skip(questionable[0] ?? "server-names-merge-by-order");
      continue;
    }
    const excuse = answer.final === theirAnswer?.final ? undefined : excuseFor(questionable, answer, theirAnswer);
    if (excuse !== undefined) tally.skip(excuse);
    tally.compared++;
    // We know the outcome where the rules that can be judged allow the request anyway, or where the other side drops it; the
    // oracle asks for all facts.
    const isOtherSide = answer.final === "dropped" && answer.error?.startsWith("unknown") === true;
    const knowsMore = theirAnswer?.final === undefined && (answer.final === "forwarded" || isOtherSide);
    const isFinal = excuse === undefined && !knowsMore;
    const said = (withAuth: boolean) =>
      [theirAnswer, answer].map((each) => JSON.stringify(essence(each, isFinal, withAuth))) as [string, string];
    const [wanted, got] = said(hasAuth);
    if (wanted === got) continue;
    const [wantedBeside, gotBeside] = said(false);
    const text = `${hint(scenario, answer, theirAnswer)}\n  ours ${got}\n  Cilium ${wanted}`;
    tally.disagree(text, wantedBeside === gotBeside);
  }
  for (const [key, answer] of theirs) {
    if (answer.scenario === scenario.id && answer.id === "!policy" && !seen.has(key))
      tally.disagree(`Cilium refuses what we accept: ${hint(scenario, answer, answer)}`, false);
  }
}

/** The fault that explains another outcome of the same redirect. */
function excuseFor(
  faults: readonly UpstreamFault[],
  ours: Answer,
  theirs: Answer | undefined,
): UpstreamFault | undefined {
  if (ours.verdict !== "redirect") return undefined;
  if (faults.includes("dns-filters-overwrite")) return "dns-filters-overwrite";
  if (faults.includes("duplicate-rules-swallow-others")) return "duplicate-rules-swallow-others";
  const isStricter = ours.final === "dropped" && theirs?.final === "forwarded";
  return isStricter && faults.includes("server-names-pass-clear-http") ? "server-names-pass-clear-http" : undefined;
}

function hint(scenario: Scenario, ours: Answer, theirs: Answer | undefined): string {
  const query = scenario.queries.find(({ id }) => id === ours.id);
  return JSON.stringify({ scenario: scenario.id, query, ours: ours.error, theirs: theirs?.error });
}

describe.skipIf("missing" in engine)(`against Cilium's own engine${reason}`, () => {
  const program = "path" in engine ? engine.path : "";

  it("agrees on random worlds", { timeout: 3_600_000 }, async () => {
    const tally = new Tally();
    let coverage = "";
    for (let from = 0; from < RUNS; from += BATCH) {
      const scenarios = Array.from({ length: Math.min(BATCH, RUNS - from) }, (_, index) =>
        randomScenario(FIRST_SEED + from + index),
      );
      const asked = askCilium(program, scenarios);
      const ours = scenarios.map((scenario) => evaluateScenario(scenario));
      const theirs = await asked;
      const byScenario = new Map<string, Map<string, Answer>>();
      for (const [key, answer] of theirs) {
        const own = byScenario.get(answer.scenario) ?? new Map<string, Answer>();
        byScenario.set(answer.scenario, own.set(key, answer));
      }
      for (const [index, scenario] of scenarios.entries()) {
        const agreed = tally.disagreements.length;
        compare(scenario, ours[index]!, byScenario.get(scenario.id) ?? new Map(), tally);
        const found = tally.disagreements.slice(agreed);
        if (found.length === 0 || !found.every(({ isOfAuth }) => isOfAuth)) continue;
        if (!(await isAnsweredByChance(program, scenario, ours[index]!))) continue;
        tally.disagreements.length = agreed;
        tally.skip("auth-by-map-order");
      }
      coverage ||= formatCoverage(coverageOf(scenarios, ours.flat()));
    }
    console.log(`compared ${tally.compared} answers; upstream's faults met: ${JSON.stringify([...tally.faults])}`);
    if (process.env["SG_DIFFERENTIAL_COVERAGE"] !== undefined) console.log(coverage);
    expect(
      tally.disagreements.map(({ text }) => text),
      `${tally.disagreements.length} disagreements`,
    ).toEqual([]);
    expect(tally.compared).toBeGreaterThan(5 * RUNS);
  });

  const files = "missing" in engine ? [] : readConformance();
  it.each(files.map(({ name, cases }) => [name, cases] as const))(
    "agrees on the conformance cases of %s",
    async (_, cases) => {
      const agreeing = cases.filter(({ case: each }) => each.upstreamDiffers !== true).map(({ scenario }) => scenario);
      const theirs = await askCilium(program, agreeing.map(forCilium));
      for (const scenario of agreeing) {
        for (const answer of evaluateScenario(scenario)) {
          const theirAnswer = theirs.get(answerKey(answer));
          if (theirAnswer === undefined || [answer.verdict, theirAnswer.verdict].includes("unknown")) continue;
          expect(essence(answer, true), hint(scenario, answer, theirAnswer)).toEqual(essence(theirAnswer, true));
        }
      }
    },
  );
});

/**
 * Whether Cilium, asked the same again and again, also says what we say: what of two entries' authentication a third inherits
 * depends there on the order in which Go walks a map. Nothing else may: a disagreement about any other field stays one.
 */
async function isAnsweredByChance(program: string, scenario: Scenario, ours: readonly Answer[]): Promise<boolean> {
  for (let attempt = 0; attempt < 12; attempt++) {
    const tally = new Tally();
    compare(scenario, ours, await askCilium(program, [scenario]), tally);
    if (tally.disagreements.length === 0) return true;
  }
  return false;
}

/** The other program's lookup has no port 0, and takes no port names. */
function forCilium(scenario: Scenario): Scenario {
  return { ...scenario, queries: scenario.queries.filter(({ port }) => port !== 0 && typeof port !== "string") };
}
