/** What a client of a search list gets when policy allows the name that is meant and none that the list makes of it. */
import { expect, test } from "vitest";
import { DnsCode, decodeDns } from "../../src/wire/dns.ts";
import { encodeDns } from "../../src/wire/dns-encode.ts";
import { dnsQuestion } from "../support/dns-message.ts";
import { runDns } from "../support/dns-run.ts";

const RULES = [{ matchPattern: "*.rebels.org" }];
const SEARCH = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"];

interface Got {
  readonly code: number;
  readonly addresses: number;
}

/** One question through the proxy to a server that knows `kept.rebels.org`. */
function ask(name: string, rejectCode: number): Got {
  const question = dnsQuestion(name, 1, { id: 7 });
  const answer = (id: number) => {
    const { name: owner, class: of } = question.questions[0]!;
    const known = { name: owner, class: of, ttl: 30, data: { type: "A" as const, address: "192.0.2.1" } };
    const answers = name === "kept.rebels.org" ? [known] : [];
    const code = answers.length > 0 ? DnsCode.NoError : DnsCode.NXDomain;
    return encodeDns({ ...question, id, response: true, code, answers });
  };
  const { got, asked } = runDns(RULES, [encodeDns(question)], [answer], undefined, rejectCode);
  if (asked.length === 0) expect(name).not.toMatch(/\.rebels\.org$/);
  const { code, answers } = decodeDns(got[0]!)!;
  return { code, addresses: answers.length };
}

/** The C library of Debian's images asks the next name after any failure. */
const glibc = (code: number) => code !== DnsCode.NoError;
/** The one of Alpine's only after NXDOMAIN; anything else is the end. */
const musl = (code: number) => code === DnsCode.NXDomain;

/** The codes that a client meets until it has addresses or gives up. */
function resolve(name: string, goesOn: (code: number) => boolean, rejectCode: number): string {
  const met: number[] = [];
  for (const asked of [...SEARCH.map((domain) => `${name}.${domain}`), name]) {
    const { code, addresses } = ask(asked, rejectCode);
    met.push(code);
    if (addresses > 0) return `${met.join(" ")} found`;
    if (!goesOn(code)) break;
  }
  return met.join(" ");
}

const { Refused, NXDomain } = DnsCode;

test.each([
  ["glibc", "refused", "kept.rebels.org", glibc, Refused, "5 5 5 0 found"],
  ["glibc", "nameError", "kept.rebels.org", glibc, NXDomain, "3 3 3 0 found"],
  ["musl", "refused", "kept.rebels.org", musl, Refused, "5"],
  ["musl", "nameError", "kept.rebels.org", musl, NXDomain, "3 3 3 0 found"],
  ["glibc", "refused", "base.empire.org", glibc, Refused, "5 5 5 5"],
  ["musl", "nameError", "base.empire.org", musl, NXDomain, "3 3 3 3"],
  ["musl", "nameError", "none.rebels.org", musl, NXDomain, "3 3 3 3"],
])("%s, forbidden names answered %s: %s", (_library, _setting, name, goesOn, rejectCode, met) => {
  expect(resolve(name, goesOn, rejectCode)).toBe(met);
});
