/** The corpus of DNS messages through Cilium's own DNS proxy: what its client gets, what its server is asked, what is learned. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { ANSWER, type DnsCase, dnsCorpus, ID, messageOf, QUESTION, RULES } from "../l7/dns-corpus.ts";
import { oracle, skipNote } from "../oracle/cache.ts";

const cilium = oracle("dns-proxy");
const CASES = dnsCorpus();

interface Outcome {
  readonly gets: readonly number[];
  readonly passes: boolean;
  readonly learned: readonly string[];
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function lineOf({ ask = QUESTION, answers = [ANSWER] }: DnsCase): string {
  const said = answers.map((text) => ({ hex: hex(messageOf(text, ID)), ownId: text.startsWith("ID ") }));
  return JSON.stringify({ rules: RULES, question: hex(messageOf(ask, ID)), answers: said });
}

/** Ours, with what the case says of Cilium's in its place. */
function wantedOf({ gets = [], passes = false, learns = [], cilium: differs }: DnsCase): Outcome {
  return { gets: differs?.gets ?? gets, passes: differs?.passes ?? passes, learned: differs?.learns ?? learns };
}

test.skipIf("missing" in cilium)(`Cilium's DNS proxy does what the corpus says${skipNote(cilium)}`, () => {
  if ("missing" in cilium) return;
  const input = `${CASES.map(lineOf).join("\n")}\n`;
  const { stdout } = spawnSync(cilium.path, { input, encoding: "utf8", timeout: 20_000 });
  const found = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Outcome);
  expect(found.map((each, index) => [CASES[index]?.name, each])).toEqual(
    CASES.map((each) => [each.name, wantedOf(each)]),
  );
});
