import { describe, expect, test } from "vitest";
import { DnsStreamReader, dnsFrame } from "../../src/wire/dns-stream.ts";
import { runDns } from "../support/dns-run.ts";
import { ANSWER, dnsCorpus, ID, messageOf, QUESTION, RULES } from "./dns-corpus.ts";

const CASES = dnsCorpus().map((each) => [each.name, each] as const);
const wordAt = (bytes: Uint8Array, at: number) => bytes[at]! * 256 + bytes[at + 1]!;

describe("DNS messages that try to be read in two ways", () => {
  test.each(CASES)(
    "%s",
    (_, { why, ask = QUESTION, answers = [ANSWER], gets = [], passes = false, learns = [], cilium }) => {
      expect(why).toBeTruthy();
      if (cilium !== undefined) expect(cilium.because).toBeTruthy();
      const message = messageOf(ask, ID);
      const said = answers.map((answer) => (id: number) => messageOf(answer, id));
      const run = runDns(RULES, [message], said);
      expect(run.got.map((bytes) => bytes[3]! & 15)).toEqual(gets);
      expect(run.got.map((bytes) => wordAt(bytes, 0))).toEqual(gets.map(() => ID));
      // the server gets the bytes that were judged, under another ID
      expect(run.asked.map((bytes) => [...bytes.subarray(2)])).toEqual(passes ? [[...message.subarray(2)]] : []);
      expect(run.learned.flatMap(({ addresses }) => addresses)).toEqual(learns);
      expect(new Set(run.learned.map(({ name }) => name)).size).toBe(learns.length === 0 ? 0 : 1);
      expect(run.open).toBe(passes && gets.length === 0 ? 1 : 0);
    },
  );

  test.each(CASES)("the same over TCP, cut in two at every byte: %s", (_, { ask = QUESTION, gets = [] }) => {
    const message = messageOf(ask, ID);
    if (message.length < 12) return; // no message of TCP is as short
    const stream = dnsFrame(message);
    for (let at = 1; at < stream.length; at++) {
      const reader = new DnsStreamReader();
      const read = [stream.subarray(0, at), stream.subarray(at)].flatMap((part) =>
        reader.push(Uint8Array.from(part)).map((one) => Uint8Array.from(one)),
      );
      expect(read).toEqual([message]);
    }
    const own = runDns(RULES, [message], []);
    if (own.asked.length === 0) expect(own.got.map((bytes) => bytes[3]! & 15)).toEqual(gets);
  });
});

describe("a policy that changes while a question is open", () => {
  const answer = [(id: number) => messageOf(ANSWER, id)];
  test.each([
    ["forbids its name: REFUSED, and nothing is learned", [{ matchName: "deathstar.org" }], 5, 0],
    ["still allows it", [{ matchName: "www.starwars.com" }], 0, 1],
    ["takes the redirect away: the answer was asked for", undefined, 0, 1],
  ])("%s", (_, rules, code, learned) => {
    const run = runDns(RULES, [messageOf(QUESTION, ID)], answer, (setPolicy) => setPolicy(rules));
    expect([run.got.map((bytes) => bytes[3]! & 15), run.learned.length]).toEqual([[code], learned]);
  });
});
