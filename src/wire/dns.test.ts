import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dnsQuestion } from "../../test/support/dns-message.ts";
import { type DnsData, DnsType, decodeDns } from "./dns.ts";
import { encodeDns } from "./dns-encode.ts";
import { nameOf } from "./dns-name.ts";

const QUERY = dnsQuestion("deathstar.default.svc.cluster.local", DnsType.A, { id: 0x1234 });

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
}

describe("bytes that other programs make", () => {
  test("a query of glibc with EDNS", () => {
    const bytes = hex(
      "abcd 0120 0001 0000 0000 0001 03777777 076578616d706c65 03636f6d 00 001c 0001 00 0029 04b0 00000000 0000",
    );
    expect(decodeDns(bytes)).toMatchObject({
      id: 0xabcd,
      recursionDesired: true,
      questions: [{ name: ["www", "example", "com"], type: DnsType.AAAA, class: 1 }],
      edns: { udpSize: 1200, version: 0 },
      additional: [],
    });
  });

  test("an answer with a compressed name", () => {
    const bytes = hex("0001 8180 0001 0001 0000 0000 01610162 00 0001 0001 c00c 0001 0001 0000001e 0004 0a600001");
    expect(decodeDns(bytes)?.answers).toEqual([
      { name: ["a", "b"], class: 1, ttl: 30, data: { type: "A", address: "10.96.0.1" } },
    ]);
  });
});

describe("what is written is read back", () => {
  const data: DnsData[] = [
    { type: "A", address: "10.96.0.10" },
    { type: "AAAA", address: new Uint8Array(16).fill(7) },
    { type: "CNAME", target: nameOf("x.cluster.local") },
    { type: "PTR", target: nameOf("kubernetes.default.svc.cluster.local") },
    { type: "TXT", texts: ["1.1.0", ""] },
    { type: "SRV", priority: 0, weight: 100, port: 53, target: nameOf("kube-dns.kube-system.svc.cluster.local") },
    {
      type: "SOA",
      primary: nameOf("ns.dns.cluster.local"),
      mailbox: nameOf("hostmaster.cluster.local"),
      serial: 4_000_000_000,
      refresh: 7200,
      retry: 1800,
      expire: 86400,
      minimum: 5,
    },
    { type: "raw", number: 99, bytes: Uint8Array.of(1, 2, 3) },
  ];

  test("every kind of record, in every section", () => {
    const records = data.map((each) => ({ name: nameOf("a.cluster.local"), class: 1, ttl: 30, data: each }));
    const message = { ...QUERY, response: true, code: 3, answers: records, authority: records, additional: records };
    expect(decodeDns(encodeDns(message))).toEqual(message);
  });

  test("extended codes travel in the OPT record", () => {
    const message = { ...QUERY, response: true, code: 16, edns: { udpSize: 1232, version: 0 } };
    expect(decodeDns(encodeDns(message))).toEqual(message);
  });

  test("names are compressed, whatever their case, but the target of SRV is not", () => {
    const plain = encodeDns(QUERY).length;
    const name = nameOf("DEATHSTAR.default.svc.cluster.local");
    const answer = { name, class: 1, ttl: 30, data: data[0]! };
    expect(encodeDns({ ...QUERY, answers: [answer] }).length).toBe(plain + 16);
    const target = nameOf("svc.cluster.local");
    const service = {
      name,
      class: 1,
      ttl: 30,
      data: { type: "SRV", priority: 0, weight: 0, port: 0, target } as const,
    };
    expect(encodeDns({ ...QUERY, answers: [service] }).length).toBe(plain + 12 + 6 + 19);
  });

  test("a label that is too long is refused", () => {
    const questions = [{ name: ["a".repeat(64)], type: 1, class: 1 }];
    expect(() => encodeDns({ ...QUERY, questions })).toThrow("cannot be a DNS name");
  });
});

test("a name goes through 127 pointers and no more, since each costs time", () => {
  const through = (pointers: number) => {
    // The name "a" and a row of pointers, each to the one before it, stand in the data of the first record.
    const start = 12 + 11;
    const hops = Array.from({ length: pointers - 1 }, (_, hop) => 0xc000 | (start + (hop === 0 ? 0 : 1 + 2 * hop)));
    const chain = [1, 97, 0, ...hops.flatMap((hop) => [hop >> 8, hop & 255])];
    const last = start + chain.length - 2;
    const first = [0, 0, 99, 0, 1, 0, 0, 0, 0, chain.length >> 8, chain.length & 255, ...chain];
    const second = [0xc0 | (last >> 8), last & 255, 0, 99, 0, 1, 0, 0, 0, 0, 0, 0];
    const header = [0, 1, 0x80, 0, 0, 0, 0, 2, 0, 0, 0, 0];
    return decodeDns(Uint8Array.from([...header, ...first, ...second]))?.answers[1]?.name;
  };
  expect(through(127)).toEqual(["a"]);
  expect(through(128)).toBeUndefined();
});

describe("rubbish", () => {
  const header = "0001 0000 0001 0000 0000 0000";
  test.each([
    ["empty", ""],
    ["short header", "0001 0000"],
    ["no question", header],
    ["pointer to itself", `${header} c00c 0001 0001`],
    ["pointer forward", `${header} c00e 00 0001 0001`],
    ["two pointers that chase each other", `${header} 01 61 c010 c00e 0001 0001`],
    ["label of 64", `${header} 40${"61".repeat(64)} 00 0001 0001`],
    ["label over the end", `${header} 3f 61`],
    ["name of 256 bytes", `${header} ${`3f${"61".repeat(63)}`.repeat(4)} 00 0001 0001`],
    ["record data over the end", "0001 8000 0000 0001 0000 0000 00 0001 0001 00000000 0005 01020304"],
    ["A of five bytes", "0001 8000 0000 0001 0000 0000 00 0001 0001 00000000 0005 0102030405"],
    ["more records than can be", "0001 8000 0000 ffff 0000 0000"],
  ])("%s is no message", (_, text) => expect(decodeDns(hex(text))).toBeUndefined());

  test("random and mutilated bytes never throw, and what is read can be written", () => {
    const whole = encodeDns({
      ...QUERY,
      answers: [{ name: nameOf("a.local"), class: 1, ttl: 1, data: { type: "PTR", target: nameOf("b.local") } }],
    });
    const mutilated = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
      const bytes = whole.slice();
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), mutilated), (bytes) => {
        const message = decodeDns(bytes);
        if (message !== undefined) expect(decodeDns(encodeDns(message))?.questions).toEqual(message.questions);
      }),
      { numRuns: 2000 },
    );
  });
});
