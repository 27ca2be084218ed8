import { describe, expect, test } from "vitest";
import { type HttpRun, runHttp, statusesOf } from "../support/http-run.ts";
import { corpus, RULES } from "./corpus.ts";

const CASES = corpus();
/** The same, where each head is written anew on its way. */
const EDITING = RULES.map((rule) => ({
  ...rule,
  headerMatches: [{ name: "x-added", value: "1", mismatch: "ADD" as const }],
}));
/** Longer streams are cut at a few places only. */
const CUT_EVERYWHERE = 400;

/** What passed as it would be written anew, and without what the rule adds. */
function asEdited(passed: string): string {
  return passed.replaceAll("x-added: 1\r\n", "").replace(/^([!-9;-~]+):[ \t]*(.*?)[ \t]*\r$/gm, "$1: $2\r");
}

function outcome({ received, passed, ended }: HttpRun): object {
  return { answers: statusesOf(received), passed, ended };
}

describe("a stream that could be read in two ways", () => {
  test.each(CASES.map((each) => [each.name, each] as const))("%s", async (_, { sent, answers, passed }) => {
    const run = await runHttp(RULES, [sent]);
    expect(statusesOf(run.received)).toEqual(answers);
    expect(run.passed).toBe(passed);
    const refused = answers.some((status) => status >= 400 && status !== 403);
    if (refused) expect(run.ended, "nobody can say where the next request begins").toBe(true);
  });
});

describe("cut in two at every byte, and byte by byte", { timeout: 60_000 }, () => {
  test.each(CASES.map((each) => [each.name, each] as const))("%s", async (_, { sent }) => {
    const whole = outcome(await runHttp(RULES, [sent]));
    const step = Math.max(1, Math.floor(sent.length / CUT_EVERYWHERE));
    for (let at = 1; at < sent.length; at += step) {
      expect(outcome(await runHttp(RULES, [sent.slice(0, at), sent.slice(at)])), `cut at ${at}`).toEqual(whole);
    }
    if (sent.length <= 2000) expect(outcome(await runHttp(RULES, [...sent])), "byte by byte").toEqual(whole);
  });
});

describe("where a rule edits headers", () => {
  test.each(CASES.map((each) => [each.name, each] as const))("%s", async (_, { sent, answers, passed }) => {
    const run = await runHttp(EDITING, [sent.slice(0, sent.length / 2), sent.slice(sent.length / 2)]);
    expect(statusesOf(run.received)).toEqual(answers);
    expect(asEdited(run.passed)).toBe(asEdited(passed));
    expect(run.passed.split("x-added: 1\r\n").length > 1).toBe(passed !== "");
  });
});
