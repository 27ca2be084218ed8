import { describe, expect, it } from "vitest";
import { dnsQuestion } from "../../test/support/dns-message.ts";
import { DnsClass, decodeDns } from "./dns.ts";
import { encodeDns } from "./dns-encode.ts";
import { truncatedDns } from "./dns-truncate.ts";

const query = dnsQuestion("a.example");
const question = query.questions[0]!;
const answer = encodeDns({
  ...query,
  response: true,
  recursionAvailable: true,
  answers: [{ name: question.name, class: DnsClass.IN, ttl: 5, data: { type: "A", address: "192.0.2.1" } }],
  edns: { udpSize: 1232, version: 0 },
});

describe("truncatedDns", () => {
  it("keeps header and question, and says that the rest is missing", () => {
    const short = decodeDns(truncatedDns(answer)!);
    expect(short).toMatchObject({ id: 7, response: true, truncated: true, questions: [question], answers: [] });
    expect(short?.edns).toBeUndefined();
  });
  it.each([
    ["no question", Uint8Array.of(0, 7, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    ["half a question", answer.slice(0, 20)],
    ["half a header", answer.slice(0, 5)],
  ])("gives nothing for %s", (_, bytes) => {
    expect(truncatedDns(bytes)).toBeUndefined();
  });
});
