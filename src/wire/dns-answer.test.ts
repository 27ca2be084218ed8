import { describe, expect, test } from "vitest";
import { dnsQuestion } from "../../test/support/dns-message.ts";
import { type DnsData, type DnsMessage, type DnsRecord, DnsType, decodeDns } from "./dns.ts";
import { type DnsAnswer, NO_TTL, readDnsAnswer } from "./dns-answer.ts";
import { encodeDns } from "./dns-encode.ts";
import { nameOf } from "./dns-name.ts";
import { type DnsQuery, isDnsFault, readDnsQuery } from "./dns-query.ts";

const QUERY = dnsQuestion("api.example.com");
const query = readDnsQuery(encodeDns(QUERY)) as DnsQuery;

function record(name: string, data: DnsData, ttl = 60): DnsRecord {
  return { name: nameOf(name), class: 1, ttl, data };
}

function a(name: string, address: string, ttl = 60): DnsRecord {
  return record(name, { type: "A", address }, ttl);
}

function alias(name: string, target: string, ttl = 60): DnsRecord {
  return record(name, { type: "CNAME", target: nameOf(target) }, ttl);
}

function answerOf(answers: readonly DnsRecord[], more: Partial<DnsMessage> = {}): DnsAnswer {
  const answer = readDnsAnswer(encodeDns({ ...QUERY, response: true, answers, ...more }), query);
  if (isDnsFault(answer)) throw new Error(answer.fault);
  return answer;
}

describe("what counts", () => {
  test("addresses of the asked name, each once, with the lowest TTL", () => {
    const answers = [a("API.example.com", "192.0.2.1", 300), a("api.example.com", "192.0.2.2", 30)];
    expect(answerOf([...answers, answers[0]!])).toEqual({
      code: 0,
      truncated: false,
      cnames: [],
      addresses: ["192.0.2.1", "192.0.2.2"],
      ttl: 30,
      types: [1, 1, 1],
    });
  });

  test("a chain of aliases gives the asked name the last addresses, in whatever order the records come", () => {
    const answers = [
      a("c.cdn.net", "192.0.2.9", 90),
      alias("b.cdn.net", "C.cdn.net", 20),
      alias("api.example.com", "b.cdn.net", 500),
    ];
    expect(answerOf(answers)).toMatchObject({
      cnames: ["b.cdn.net.", "c.cdn.net."],
      addresses: ["192.0.2.9"],
      ttl: 20,
      types: [1, 5, 5],
    });
  });

  test("IPv6 is written one way, and IPv4 in it is IPv4", () => {
    const v6 = new Uint8Array(16);
    v6.set([0x20, 1, 0x0d, 0xb8]);
    v6[15] = 1;
    const mapped = new Uint8Array(16).fill(255, 10, 12);
    mapped.set([192, 0, 2, 5], 12);
    const addresses = [v6, mapped].map((address) => record("api.example.com", { type: "AAAA", address }));
    expect(answerOf(addresses).addresses).toEqual(["2001:db8::1", "192.0.2.5"]);
  });

  test("addresses of names that nobody asked for do not", () => {
    const answers = [a("bank.example.org", "192.0.2.66"), a("api.example.com", "192.0.2.1", 300)];
    const additional = [a("api.example.com", "192.0.2.67")];
    expect(answerOf(answers, { additional, authority: additional })).toMatchObject({
      addresses: ["192.0.2.1"],
      ttl: 300,
      types: [1, 1],
    });
  });

  test("records of another class do not", () => {
    const chaos = { ...a("api.example.com", "192.0.2.1"), class: 3 };
    expect(answerOf([chaos])).toMatchObject({ addresses: [], ttl: NO_TTL, types: [1] });
  });

  test("aliases that go round end", () => {
    const answers = [alias("api.example.com", "b.net"), alias("b.net", "api.example.com"), a("b.net", "192.0.2.1")];
    expect(answerOf(answers)).toMatchObject({ cnames: ["b.net."], addresses: ["192.0.2.1"] });
  });

  test("a TTL that is too long is none", () => {
    expect(answerOf([a("api.example.com", "192.0.2.1", 0x8000_0000)]).ttl).toBe(0);
    expect(answerOf([a("api.example.com", "192.0.2.1", 0x7fff_ffff)]).ttl).toBe(0x7fff_ffff);
  });

  test("truncated answers count as far as they go", () => {
    expect(answerOf([a("api.example.com", "192.0.2.1")], { truncated: true })).toMatchObject({
      truncated: true,
      addresses: ["192.0.2.1"],
    });
  });

  test("errors, with the upper bits of EDNS, and without the question where servers leave it out", () => {
    expect(answerOf([], { code: 3 })).toMatchObject({ code: 3, addresses: [], ttl: NO_TTL });
    expect(answerOf([], { code: 16, edns: { udpSize: 1232, version: 0 } }).code).toBe(16);
    expect(answerOf([], { code: 1, questions: [] }).code).toBe(1);
  });
});

describe("no answer to this query", () => {
  const other = { name: nameOf("bank.example.org"), type: DnsType.A, class: 1 };
  test.each([
    ["another ID", { id: 8 }],
    ["a query", { response: false }],
    ["another operation", { opcode: 5 }],
    ["no question", { questions: [] }],
    ["another name", { questions: [other] }],
    ["another type", { questions: [{ ...QUERY.questions[0]!, type: DnsType.AAAA }] }],
    ["another class", { questions: [{ ...QUERY.questions[0]!, class: 3 }] }],
    ["two questions", { questions: [QUERY.questions[0]!, other] }],
  ])("%s", (_, change) => {
    const bytes = encodeDns({ ...QUERY, response: true, answers: [a("api.example.com", "192.0.2.1")], ...change });
    expect(readDnsAnswer(bytes, query)).toEqual({ fault: expect.any(String), code: undefined });
  });

  test("one that is cut anywhere", () => {
    const whole = encodeDns({
      ...QUERY,
      response: true,
      answers: [alias("api.example.com", "b.net"), a("b.net", "192.0.2.1")],
    });
    for (let end = 0; end < whole.length; end++) {
      const questionEnd = 12 + 17 + 4;
      expect(readDnsAnswer(whole.subarray(0, end), query)).toMatchObject({ code: end < questionEnd ? undefined : 2 });
    }
    expect(decodeDns(whole)?.answers).toHaveLength(2);
  });

  test("an address of the wrong length, and an alias with bytes after it", () => {
    const wrong = (number: number, bytes: number[]) =>
      encodeDns({
        ...QUERY,
        response: true,
        answers: [record("api.example.com", { type: "raw", number, bytes: Uint8Array.from(bytes) })],
      });
    expect(readDnsAnswer(wrong(DnsType.A, [1, 2, 3]), query)).toMatchObject({ code: 2 });
    expect(readDnsAnswer(wrong(DnsType.AAAA, [1, 2, 3, 4]), query)).toMatchObject({ code: 2 });
    expect(readDnsAnswer(wrong(DnsType.CNAME, [1, 97, 0, 0]), query)).toMatchObject({ code: 2 });
  });
});
