import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAddress } from "../../src/model/cidr.ts";
import { DnsCode, type DnsData, type DnsMessage, type DnsRecord, decodeDns } from "../../src/wire/dns.ts";
import { NO_TTL, readDnsAnswer } from "../../src/wire/dns-answer.ts";
import { encodeDns } from "../../src/wire/dns-encode.ts";
import { DnsMemo } from "../../src/wire/dns-memo.ts";
import { absoluteName, type DnsName } from "../../src/wire/dns-name.ts";
import {
  type DnsQuery,
  dnsErrorAnswer,
  dnsFaultAnswer,
  isDnsFault,
  readDnsQuery,
  withDnsId,
} from "../../src/wire/dns-query.ts";
import { DnsStreamReader, dnsFrame } from "../../src/wire/dns-stream.ts";

const SEED = 20260801;
const byte = fc.nat(255);
const label = fc.oneof(
  fc.constantFrom("www", "WWW", "api", "example", "com", "a.b", "\\", " ", "\u0000", "\u00c0", "_x-1", "x".repeat(63)),
  fc.array(byte, { minLength: 1, maxLength: 8 }).map((bytes) => String.fromCharCode(...bytes)),
);
const name: fc.Arbitrary<DnsName> = fc
  .array(label, { maxLength: 5 })
  .filter((labels) => labels.reduce((sum, { length }) => sum + length + 1, 1) <= 255);
const word = fc.nat(65535);
const ttl = fc.oneof(fc.nat(600), fc.integer({ min: 0x7fff_fffe, max: 0xffff_ffff }));
const data: fc.Arbitrary<DnsData> = fc.oneof(
  fc.record({
    type: fc.constant("A" as const),
    address: fc.tuple(byte, byte, byte, byte).map((parts) => parts.join(".")),
  }),
  fc.record({ type: fc.constant("AAAA" as const), address: fc.uint8Array({ minLength: 16, maxLength: 16 }) }),
  fc.record({ type: fc.constantFrom("CNAME" as const, "PTR" as const, "NS" as const), target: name }),
  fc.record({ type: fc.constant("TXT" as const), texts: fc.array(fc.constantFrom("", "v=spf1", "x".repeat(255))) }),
  fc.record({
    type: fc.constant("raw" as const),
    number: fc.constantFrom(64, 65, 99, 250),
    bytes: fc.uint8Array({ maxLength: 12 }),
  }),
);
/** Few names, so that aliases meet. */
function recordsOf(names: readonly DnsName[]): fc.Arbitrary<DnsRecord[]> {
  const some = fc.constantFrom(...names);
  const alias = some.map((target): DnsData => ({ type: "CNAME", target }));
  const record = fc.record({ name: some, class: fc.constantFrom(1, 1, 1, 3), ttl, data: fc.oneof(alias, data) });
  return fc.array(record, { maxLength: 8 });
}

interface Exchange {
  readonly query: DnsMessage;
  readonly answer: DnsMessage;
}

const exchange: fc.Arbitrary<Exchange> = fc.array(name, { minLength: 2, maxLength: 4 }).chain((names) =>
  fc
    .record({
      id: word,
      flags: fc.record({ recursionDesired: fc.boolean(), truncated: fc.boolean(), authoritative: fc.boolean() }),
      type: fc.constantFrom(1, 28, 5, 65, 255),
      edns: fc.option(fc.record({ udpSize: word, version: fc.constantFrom(0, 1) }), { nil: undefined }),
      code: fc.constantFrom(0, 0, 0, 2, 3, 5),
      answers: recordsOf(names),
      rest: recordsOf(names),
    })
    .map(({ id, flags, type, edns, code, answers, rest }) => {
      const base = {
        id,
        opcode: 0,
        recursionAvailable: false,
        questions: [{ name: names[0]!, type, class: 1 }],
        authority: [],
        additional: [],
        ...(edns === undefined ? {} : { edns }),
      };
      const plain = { authoritative: false, truncated: false, recursionDesired: flags.recursionDesired };
      return {
        query: { ...base, ...plain, response: false, code: 0, answers: [] },
        answer: { ...base, ...flags, response: true, code, answers, authority: rest, additional: rest },
      };
    }),
);

/** Bytes as they are, or with some changed, cut off, or added. */
function mutilated(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(
    fc.tuple(fc.nat(Math.max(0, bytes.length - 1)), fc.oneof(byte, fc.constantFrom(0, 0xc0, 0xff))),
    {
      maxLength: 4,
    },
  );
  return fc
    .tuple(changes, fc.oneof(fc.constant(bytes.length), fc.nat(bytes.length)), fc.uint8Array({ maxLength: 3 }))
    .map(([changed, length, more]) => {
      const copy = Uint8Array.from(bytes);
      for (const [at, value] of changed) if (at < copy.length) copy[at] = value;
      return Uint8Array.from([...copy.subarray(0, length), ...more]);
    });
}

/** What an answer says, from the other decoder and without a thought for speed. */
function naiveAnswer(message: DnsMessage, asked: string) {
  const inClass = message.answers.filter((record) => record.class === 1);
  const names = new Set([asked]);
  const counted = new Set<DnsRecord>();
  for (let at: string | undefined = asked; at !== undefined; ) {
    const from: string = at;
    const alias = inClass.find((record) => record.data.type === "CNAME" && absoluteName(record.name) === from);
    if (alias?.data.type !== "CNAME") break;
    counted.add(alias);
    const target = absoluteName(alias.data.target);
    at = names.has(target) ? undefined : target;
    names.add(target);
  }
  const addresses = new Set<string>();
  for (const record of inClass) {
    if ((record.data.type !== "A" && record.data.type !== "AAAA") || !names.has(absoluteName(record.name))) continue;
    counted.add(record);
    addresses.add(record.data.type === "A" ? record.data.address : formatAddress(record.data.address));
  }
  const ttls = [...counted].map((record) => (record.ttl > 0x7fff_ffff ? 0 : record.ttl));
  return { cnames: [...names].slice(1), addresses: [...addresses], ttl: Math.min(NO_TTL, ...ttls) };
}

describe("queries", () => {
  it("that our encoder writes are read as they are", () => {
    fc.assert(
      fc.property(exchange, ({ query }) => {
        const { id, recursionDesired, questions, edns } = query;
        expect(readDnsQuery(encodeDns(query))).toMatchObject({
          id,
          recursionDesired,
          name: absoluteName(questions[0]!.name),
          type: questions[0]!.type,
          class: 1,
          ...(edns === undefined ? {} : { edns }),
        });
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  it("that anybody writes have one meaning or a fault, and an answer to either is one", () => {
    const hostile = exchange.chain(({ query, answer }) =>
      fc.oneof(mutilated(encodeDns(query)), mutilated(encodeDns(answer))),
    );
    fc.assert(
      fc.property(fc.oneof(hostile, fc.uint8Array({ maxLength: 60 })), (bytes) => {
        const before = Uint8Array.from(bytes);
        const query = readDnsQuery(bytes);
        if (isDnsFault(query)) {
          const refusal = dnsFaultAnswer(bytes, query);
          if (refusal !== undefined) {
            expect(decodeDns(refusal)).toMatchObject({ response: true, code: query.code, questions: [] });
            expect(bytes[2]! & 0x80).toBe(0); // nobody answers answers
          }
        } else checkMeaning(bytes, query);
        expect(bytes).toEqual(before);
      }),
      { seed: SEED, numRuns: 4000 },
    );
  });

  it("that are judged cannot be read as another name by another reader", () => {
    fc.assert(
      fc.property(name, name, (one, other) => {
        const same = absoluteName(one) === absoluteName(other);
        const fold = (labels: DnsName) =>
          JSON.stringify(labels.map((each) => each.replace(/[A-Z]/g, (letter) => letter.toLowerCase())));
        expect(same).toBe(fold(one) === fold(other));
      }),
      {
        seed: SEED,
        numRuns: 2000,
        examples: [
          [
            ["a.b", "c"],
            ["a", "b", "c"],
          ],
          [["\\"], ["\\\\"]],
          [["\u00c0"], ["\u00e0"]],
        ],
      },
    );
  });
});

function checkMeaning(bytes: Uint8Array, query: DnsQuery): void {
  const message = decodeDns(bytes);
  expect(message).toMatchObject({ response: false, opcode: 0, answers: [], authority: [] });
  expect(message!.questions.map((question) => [absoluteName(question.name), question.type, question.class])).toEqual([
    [query.name, query.type, query.class],
  ]);
  const refused = decodeDns(dnsErrorAnswer(bytes, query, DnsCode.Refused));
  expect(refused).toMatchObject({ id: query.id, response: true, code: 5, questions: message!.questions, answers: [] });
  expect(readDnsQuery(withDnsId(bytes, 0x1234))).toEqual({ ...query, id: 0x1234 });
}

describe("messages that come again", () => {
  it("mean what they mean, whatever came before and whatever their ID", () => {
    const one = exchange.map(({ query, answer }) => ({ query: encodeDns(query), answer: encodeDns(answer) }));
    const few = fc.array(one, { minLength: 2, maxLength: 4 }).chain((pool) => {
      const queries = pool.map(({ query }) => query);
      const answers = pool.flatMap(({ answer }) => [answer, answer.with(3, answer[3]! ^ 1)]);
      const step = fc.record({
        query: fc.constantFrom(...queries),
        answer: fc.constantFrom(...answers),
        id: word,
        sent: fc.constantFrom(0, 0, 1),
      });
      return fc.array(step, { minLength: 10, maxLength: 20 });
    });
    let again = 0;
    fc.assert(
      fc.property(few, (steps) => {
        const memo = new DnsMemo();
        const seen = new Set<object>();
        for (const { query, answer, id, sent } of steps) {
          const asked = memo.query(withDnsId(query, id));
          const plain = readDnsQuery(query);
          if (isDnsFault(asked) || isDnsFault(plain)) {
            expect(asked).toEqual(plain);
            continue;
          }
          expect({ ...asked, id: plain.id }).toEqual(plain);
          const expectedId = id ^ sent;
          const read = memo.answer(withDnsId(answer, id), asked, expectedId);
          expect(read).toEqual(readDnsAnswer(withDnsId(answer, id), { ...plain, id: expectedId }));
          if (seen.has(read)) again++;
          seen.add(read);
        }
      }),
      { seed: SEED, numRuns: 500 },
    );
    expect(again).toBeGreaterThan(100);
  });
});

describe("answers", () => {
  it("say what another decoder finds in them, whatever the aliases", () => {
    fc.assert(
      fc.property(exchange, ({ query, answer }) => {
        const asked = readDnsQuery(encodeDns(query)) as DnsQuery;
        const read = readDnsAnswer(encodeDns(answer), asked);
        expect(read).toMatchObject({ code: answer.code, truncated: answer.truncated });
        expect(read).toMatchObject(naiveAnswer(decodeDns(encodeDns(answer))!, asked.name));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it("that are mutilated say no more than another decoder finds in them, or are a failure", () => {
    const hostile = exchange.chain(({ query, answer }) =>
      mutilated(encodeDns(answer)).map((bytes) => ({ bytes, asked: readDnsQuery(encodeDns(query)) as DnsQuery })),
    );
    fc.assert(
      fc.property(hostile, ({ bytes, asked }) => {
        const read = readDnsAnswer(bytes, asked);
        if (isDnsFault(read)) expect([DnsCode.ServFail, undefined]).toContain(read.code);
        else {
          const message = decodeDns(bytes);
          // The other decoder reads records of more types, and so refuses more.
          if (message !== undefined) expect(read).toMatchObject(naiveAnswer(message, asked.name));
        }
      }),
      { seed: SEED, numRuns: 4000 },
    );
  });
});

it("a stream of whatever bytes, cut anywhere, gives the same messages", () => {
  const part = fc.oneof(fc.uint8Array({ minLength: 12, maxLength: 80 }).map(dnsFrame), fc.uint8Array({ maxLength: 6 }));
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.array(fc.nat(400), { maxLength: 8 }), (parts, cuts) => {
      const stream = Uint8Array.from(parts.flatMap((bytes) => [...bytes]));
      const whole = new DnsStreamReader();
      const wanted = whole.push(Uint8Array.from(stream)).map((message) => [...message]);
      const reader = new DnsStreamReader();
      const ends = [...cuts.filter((cut) => cut < stream.length).sort((a, b) => a - b), stream.length];
      const found = ends.flatMap((end, index) =>
        reader.push(stream.slice(ends[index - 1] ?? 0, end)).map((each) => [...each]),
      );
      expect(found).toEqual(wanted);
      expect([reader.failed, reader.atBoundary]).toEqual([whole.failed, whole.atBoundary]);
    }),
    { seed: SEED, numRuns: 1000 },
  );
});
