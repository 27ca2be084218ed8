import { describe, expect, test } from "vitest";
import { type HttpRun, runHttp, statusesOf } from "../support/http-run.ts";
import { corpus, RULES } from "./corpus.ts";

const CASES = corpus();
/** Longer streams are cut at a few places only. */
const CUT_EVERYWHERE = 400;

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
