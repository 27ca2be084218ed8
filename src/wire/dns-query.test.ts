import { describe, expect, test } from "vitest";
import { DnsCode, DnsType, decodeDns } from "./dns.ts";
import { encodeDns } from "./dns-encode.ts";
import { type DnsQuery, dnsErrorAnswer, dnsFaultAnswer, isDnsFault, readDnsQuery, withDnsId } from "./dns-query.ts";

const HEADER = "abcd 0120 0001 0000 0000 0000";
const QUESTION = "03777777 074558616d706c65 03636f6d 00 0001 0001";
const WITH_EDNS = HEADER.replace(/0000$/, "0001");
const OPT = "00 0029 04d0 00000000 0000";
const TSIG = "00 00fa 00ff 00000000 0000";

/** A Buffer, as sockets give them: its `slice` is no copy. */
function hex(text: string): Uint8Array {
  return Buffer.from(text.replace(/\s/g, ""), "hex");
}

function read(text: string): DnsQuery {
  const query = readDnsQuery(hex(text));
  if (isDnsFault(query)) throw new Error(query.fault);
  return query;
}

describe("queries that are judged", () => {
  test("the name is in lower case with its last dot", () => {
    expect(read(`${HEADER} ${QUESTION}`)).toEqual({
      id: 0xabcd,
      name: "www.example.com.",
      type: DnsType.A,
      class: 1,
      recursionDesired: true,
      questionEnd: 33,
    });
  });

  test("EDNS, with options, and a signature after it", () => {
    const cookie = "00 0029 1000 00000000 000c 000a 0008 0102030405060708";
    expect(read(`${WITH_EDNS} ${QUESTION} ${OPT}`).edns).toEqual({ udpSize: 1232, version: 0 });
    expect(read(`${WITH_EDNS} ${QUESTION} ${cookie}`).edns).toEqual({ udpSize: 4096, version: 0 });
    expect(read(`${HEADER.replace(/0000$/, "0002")} ${QUESTION} ${OPT} ${TSIG}`).edns?.udpSize).toBe(1232);
  });

  test.each([
    ["the root", "00", "."],
    ["a dot within a label is none between labels", "05 612e62 2e63 03636f6d 00", "a\\.b\\.c.com."],
    ["a backslash", "01 5c 00", "\\\\."],
    ["a letter that only Unicode folds", "02 c380 00", "\\195\\128."],
    ["a space and a NUL", "03 612000 00", "a\\032\\000."],
    ["an underscore and a dash", "05 5f612d427a 00", "_a-bz."],
  ])("%s", (_, name, text) => expect(read(`${HEADER} ${name} 0001 0001`).name).toBe(text));
});

describe("queries that are refused unjudged", () => {
  test.each([
    ["nothing", "", undefined],
    ["half a header", "abcd 0120 0001", undefined],
    ["an answer", `abcd 8120 0001 0000 0000 0000 ${QUESTION}`, undefined],
    ["an update", `abcd 2800 0001 0000 0000 0000 ${QUESTION}`, DnsCode.NotImp],
    ["a query that is cut off", `abcd 0320 0001 0000 0000 0000 ${QUESTION}`, DnsCode.FormErr],
    ["no question", "abcd 0120 0000 0000 0000 0000", DnsCode.FormErr],
    ["a second question", `abcd 0120 0002 0000 0000 0000 ${QUESTION} ${QUESTION}`, DnsCode.FormErr],
    ["a question beyond the count", `${HEADER} ${QUESTION} ${QUESTION}`, DnsCode.FormErr],
    ["one byte too many", `${HEADER} ${QUESTION} 00`, DnsCode.FormErr],
    ["one byte too few", `${HEADER} ${QUESTION.slice(0, -2)}`, DnsCode.FormErr],
    ["an answer record", `abcd 0120 0001 0001 0000 0000 ${QUESTION} c00c 0001 0001 00000000 0000`, DnsCode.FormErr],
    ["an authority record", `abcd 0120 0001 0000 0001 0000 ${QUESTION} c00c 0001 0001 00000000 0000`, DnsCode.FormErr],
    ["a zone transfer", `${HEADER} 03636f6d 00 00fc 0001`, DnsCode.NotImp],
    ["a pointer into the header", `${HEADER} 03777777 c002 0001 0001`, DnsCode.FormErr],
    ["a pointer to itself", `${HEADER} c00c 0001 0001`, DnsCode.FormErr],
    ["a label of another kind", `${HEADER} 41 61 00 0001 0001`, DnsCode.FormErr],
    ["a name of 256 bytes", `${HEADER} ${`3f${"61".repeat(63)}`.repeat(4)} 00 0001 0001`, DnsCode.FormErr],
    ["two OPT records", `${HEADER.replace(/0000$/, "0002")} ${QUESTION} ${OPT} ${OPT}`, DnsCode.FormErr],
    ["an OPT record of a name", `${WITH_EDNS} ${QUESTION} 0161 ${OPT}`, DnsCode.FormErr],
    ["half an option", `${WITH_EDNS} ${QUESTION} 00 0029 04d0 00000000 0003 000a00`, DnsCode.FormErr],
    [
      "an option over the record's end",
      `${WITH_EDNS} ${QUESTION} 00 0029 04d0 00000000 0004 000a0008`,
      DnsCode.FormErr,
    ],
    [
      "a signature that is not the last",
      `${HEADER.replace(/0000$/, "0002")} ${QUESTION} ${TSIG} ${OPT}`,
      DnsCode.FormErr,
    ],
    ["another additional record", `${WITH_EDNS} ${QUESTION} c00c 0001 0001 00000000 0004 01020304`, DnsCode.FormErr],
    ["an additional record that is not there", `${WITH_EDNS} ${QUESTION}`, DnsCode.FormErr],
  ])("%s", (_, text, code) => {
    const query = readDnsQuery(hex(text));
    expect(query).toMatchObject({ fault: expect.any(String), code });
    const bytes = hex(text);
    const answer = isDnsFault(query) && dnsFaultAnswer(bytes, query);
    expect(bytes).toEqual(hex(text));
    if (code === undefined) expect(answer).toBeUndefined();
    else expect(decodeDns(answer as Uint8Array)).toMatchObject({ id: 0xabcd, response: true, code, questions: [] });
  });
});

describe("answers that are only a code", () => {
  test("ID, question as it was written, RD and CD come back, and EDNS only to who speaks it", () => {
    const bytes = hex(`abcd 0130 0001 0000 0000 0001 ${QUESTION} ${OPT}`);
    const query = readDnsQuery(bytes) as DnsQuery;
    const answer = dnsErrorAnswer(bytes, query, DnsCode.Refused);
    expect(answer[3]! & 0x10).toBe(0x10);
    expect(decodeDns(answer)).toEqual({
      id: 0xabcd,
      response: true,
      opcode: 0,
      authoritative: false,
      truncated: false,
      recursionDesired: true,
      recursionAvailable: false,
      code: 5,
      questions: [{ name: ["www", "EXample", "com"], type: 1, class: 1 }],
      answers: [],
      authority: [],
      additional: [],
      edns: { udpSize: 1232, version: 0 },
    });
    const plain = hex(`${HEADER} ${QUESTION}`);
    const refused = decodeDns(dnsErrorAnswer(plain, readDnsQuery(plain) as DnsQuery, DnsCode.NXDomain));
    expect(refused).toMatchObject({ code: 3, additional: [] });
    expect(refused?.edns).toBeUndefined();
  });

  test("another ID changes nothing else", () => {
    const bytes = hex(`${HEADER} ${QUESTION}`);
    const other = withDnsId(bytes, 0x1234);
    expect(read(Buffer.from(other).toString("hex"))).toEqual({ ...read(`${HEADER} ${QUESTION}`), id: 0x1234 });
    expect(bytes).toEqual(hex(`${HEADER} ${QUESTION}`));
  });
});

test("what our own encoder writes is read", () => {
  const message = {
    ...decodeDns(hex(`${HEADER} ${QUESTION}`))!,
    questions: [{ name: ["api", "Example", "com"], type: DnsType.AAAA, class: 1 }],
    edns: { udpSize: 512, version: 0 },
  };
  expect(readDnsQuery(encodeDns(message))).toMatchObject({ name: "api.example.com.", type: 28, edns: message.edns });
});
