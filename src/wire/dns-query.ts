import { DnsCode, DnsType } from "./dns.ts";
import { readAbsoluteName } from "./dns-name.ts";
import { type RawRecord, rawRecord, skipName, wordAt } from "./dns-records.ts";

/** A query that has one meaning: what is judged is what a server will read. */
export interface DnsQuery {
  readonly id: number;
  /** In lower case with the last dot, odd characters escaped: `absoluteName`. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly recursionDesired: boolean;
  /** With EDNS (RFC 6891). */
  readonly edns?: { readonly udpSize: number; readonly version: number };
  /** Offset after the question, which begins at 12. */
  readonly questionEnd: number;
}

/** Why bytes are not taken. */
export interface DnsFault {
  readonly fault: string;
  /** The code to answer with; undefined for what deserves no answer, since two servers could answer each other for ever. */
  readonly code: number | undefined;
}

export function isDnsFault(value: object): value is DnsFault {
  return "fault" in value;
}

const HEADER_BYTES = 12;
const TSIG = 250;
const SIG = 24;
const IXFR = 251;
/** Most bytes that our own answers promise to take over UDP (RFC 6891, 6.2.5, as most resolvers do). */
const UDP_SIZE = 1232;

/**
 * Reads a query strictly: one question (RFC 9619), whose name has no pointer (nothing stands before it), no records but
 * one OPT and a signature, no bytes after them. Zone transfers are refused, since many messages answer one (RFC 5936).
 */
export function readDnsQuery(bytes: Uint8Array): DnsQuery | DnsFault {
  if (bytes.length < HEADER_BYTES) return { fault: "shorter than a header", code: undefined };
  const flags = wordAt(bytes, 2);
  if ((flags & 0x8000) !== 0) return { fault: "an answer, not a query", code: undefined };
  if ((flags & 0x7800) !== 0) return notImplemented(`opcode ${(flags >> 11) & 15} is not a query`);
  if ((flags & 0x200) !== 0) return malformed("a query that is cut off");
  if (wordAt(bytes, 4) !== 1) return malformed(`${wordAt(bytes, 4)} questions instead of one`);
  if (wordAt(bytes, 6) !== 0) return malformed("a query with answers");
  const nameEnd = skipName(bytes, HEADER_BYTES);
  const read = readAbsoluteName(bytes, HEADER_BYTES);
  if (read === undefined || nameEnd === undefined || read.end + 4 > bytes.length) return malformed("no whole question");
  const type = wordAt(bytes, nameEnd);
  if (type === DnsType.AXFR || type === IXFR) return notImplemented("zone transfers do not pass the proxy");
  if (wordAt(bytes, 8) !== 0) return malformed("a query with authority records");
  const questionEnd = nameEnd + 4;
  const edns = readAdditional(bytes, questionEnd, wordAt(bytes, 10));
  if (isDnsFault(edns)) return edns;
  return {
    id: wordAt(bytes, 0),
    name: read.text,
    type,
    class: wordAt(bytes, nameEnd + 2),
    recursionDesired: (flags & 0x100) !== 0,
    questionEnd,
    ...edns,
  };
}

function malformed(fault: string): DnsFault {
  return { fault, code: DnsCode.FormErr };
}

function notImplemented(fault: string): DnsFault {
  return { fault, code: DnsCode.NotImp };
}

function readAdditional(bytes: Uint8Array, from: number, count: number): Pick<DnsQuery, "edns"> | DnsFault {
  let at = from;
  let edns: DnsQuery["edns"];
  for (let left = count; left > 0; left--) {
    const record = rawRecord(bytes, at);
    if (record === undefined) return malformed("no whole additional record");
    at = record.end;
    if (record.type === DnsType.OPT && edns === undefined && isOption(bytes, record)) {
      edns = { udpSize: record.class, version: (record.ttl >>> 16) & 255 };
    } else if (left !== 1 || (record.type !== TSIG && record.type !== SIG)) {
      return malformed(`an additional record of type ${record.type} that no query has`);
    }
  }
  if (at !== bytes.length) return malformed("bytes after the message");
  return edns === undefined ? {} : { edns };
}

/** An OPT record belongs to the root and holds whole options (RFC 6891, 6.1.2). */
function isOption(bytes: Uint8Array, { at, start, end }: RawRecord): boolean {
  if (bytes[at] !== 0) return false;
  let next = start;
  while (next + 4 <= end) next += 4 + wordAt(bytes, next + 2);
  return next === end;
}

/**
 * The answer that is only a code: `DnsCode.Refused` or `NXDomain` for what policy forbids, `ServFail` for what failed. ID,
 * question, RD and CD are the query's (RFC 1035, 4.1.1; RFC 4035, 3.2.2), and EDNS answers EDNS (RFC 6891, 6.1.1).
 */
export function dnsErrorAnswer(bytes: Uint8Array, query: Omit<DnsQuery, "id">, code: number): Uint8Array {
  const hasEdns = query.edns !== undefined;
  const answer = new Uint8Array(query.questionEnd + (hasEdns ? 11 : 0));
  answer.set(bytes.subarray(0, query.questionEnd));
  writeErrorHeader(answer, code);
  answer[5] = 1;
  if (!hasEdns) return answer;
  answer[11] = 1;
  answer.set([0, 0, DnsType.OPT, UDP_SIZE >> 8, UDP_SIZE & 255], query.questionEnd);
  return answer;
}

/** The answer to bytes that are no query: a header alone. Undefined when they deserve none. */
export function dnsFaultAnswer(bytes: Uint8Array, { code }: DnsFault): Uint8Array | undefined {
  if (code === undefined) return undefined;
  const answer = Uint8Array.from(bytes.subarray(0, HEADER_BYTES));
  writeErrorHeader(answer, code);
  return answer;
}

function writeErrorHeader(answer: Uint8Array, code: number): void {
  answer[2] = 0x80 | (answer[2]! & 0x79);
  answer[3] = (answer[3]! & 0x10) | (code & 15);
  answer.fill(0, 4, HEADER_BYTES);
}

/** Where messages get another ID: a buffer for each would be what a collection has most to do with. */
const renamed = new Uint8Array(0xffff);

/** The same message, 65,535 bytes at most, under another ID; lent until the next call. */
export function withDnsId(bytes: Uint8Array, id: number): Uint8Array {
  renamed.set(bytes);
  renamed[0] = id >> 8;
  renamed[1] = id;
  return renamed.subarray(0, bytes.length);
}
