import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { PREFACE, settings } from "../support/http2-frames.ts";
import { type Http2Run, runHttp2 } from "../support/http2-run.ts";
import { RULES } from "./corpus.ts";
import { http2Corpus } from "./http2-corpus.ts";

const CASES = http2Corpus().map((each) => [each.name, each] as const);
/** Preface and SETTINGS of a client that wants nothing special. */
const BEGIN = Buffer.concat([PREFACE, settings()]);
/** Every other byte, to be quick: one day the even ones, one day the odd ones; a failure says which. */
const TURN = Math.floor(Date.now() / 86_400_000) % 2;
/** Longer streams are cut at fewer places. */
const CUT_EVERYWHERE = 400;
/** More than an answer of our own waits for the rest of its request. */
const LATER_MS = 100;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const run = (parts: readonly Uint8Array[]) => runHttp2(RULES, parts, () => vi.advanceTimersByTime(LATER_MS));

/** What must be the same wherever a stream is cut. */
function outcome({ streams, goaway, seen }: Http2Run): object {
  return { streams, goaway, seen };
}

describe("frames that try to get a forbidden request through", () => {
  test.each(CASES)("%s", async (_, { sent, streams, goaway, seen }) => {
    const whole = await run([sent]);
    expect(outcome(whole)).toEqual({ streams, goaway, seen });
    for (const request of whole.seen) expect(request).toMatch(/^[A-Z]+ \S+ \/ok/);
    if (goaway !== undefined) expect(whole.records).toContainEqual(expect.objectContaining({ verdict: "error" }));
  });
});

describe("cut in two at every byte, and byte by byte", { timeout: 60_000 }, () => {
  test.each(CASES)("%s", async (name, { sent, streams, goaway, seen }) => {
    const expected = { streams, goaway, seen };
    const step = Math.max(1, Math.floor(sent.length / CUT_EVERYWHERE)) * 2;
    // What all of them begin with is cut once.
    const beginsAsAll = name !== CASES[0]?.[0] && Buffer.compare(sent.subarray(0, BEGIN.length), BEGIN) === 0;
    for (let at = (beginsAsAll ? BEGIN.length : 1) + TURN; at < sent.length; at += step)
      expect(outcome(await run([sent.subarray(0, at), sent.subarray(at)])), `cut at ${at}`).toEqual(expected);
    if (sent.length > 1000) return;
    const bytes = Array.from(sent, (_byte, at) => sent.subarray(at, at + 1));
    expect(outcome(await run(bytes)), "byte by byte").toEqual(expected);
  });
});
