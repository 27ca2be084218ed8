import { formatAddress } from "../model/cidr.ts";
import { DnsClass, DnsCode, DnsType } from "./dns.ts";
import { readAbsoluteName } from "./dns-name.ts";
import type { DnsFault, DnsQuery } from "./dns-query.ts";
import { type RawRecord, rawRecord, skipName, wordAt } from "./dns-records.ts";

/** What an answer says of the name that was asked for. */
export interface DnsAnswer {
  /** The response code, with the upper bits of EDNS. */
  readonly code: number;
  /** Cut off: the client asks again over TCP. What stands in it counts nevertheless, since some clients use it. */
  readonly truncated: boolean;
  /** The names that the asked one leads to, in their order, in the form of `absoluteName`. */
  readonly cnames: readonly string[];
  /** Addresses of the asked name or of one in `cnames`, each once, as `formatAddress` writes them. */
  readonly addresses: readonly string[];
  /** The lowest TTL of the records behind `cnames` and `addresses`, in seconds; `NO_TTL` when there are none. */
  readonly ttl: number;
  /** Types of all records in the answer section. */
  readonly types: readonly number[];
}

/** The TTL of an answer without records that count, as Cilium reports it. */
export const NO_TTL = 0xffff_ffff;

/** The first two bytes of a name that is a pointer alone are at least this. */
const FIRST_POINTER = 0xc000;
/** A message of 64 KiB has no more records. */
const MAX_RECORDS = 65535 / 11;

interface Owned {
  readonly owner: string;
  readonly ttl: number;
}

/**
 * Reads the answer to `query`, whose ID is the one that it was sent under. The question must be the query's (one that
 * reports an error may leave it out). Only records that the asked name leads to count, in whatever order they come: a
 * server cannot give an address to a name that nobody asked for. A fault without a code answers something else: the real answer
 * may still come (RFC 5452, 9.1).
 */
export function readDnsAnswer(bytes: Uint8Array, query: DnsQuery): DnsAnswer | DnsFault {
  if (bytes.length < 12) return noAnswer("shorter than a header");
  const flags = wordAt(bytes, 2);
  if ((flags & 0x8000) === 0) return noAnswer("a query, not an answer");
  if (wordAt(bytes, 0) !== query.id) return noAnswer("the ID of another query");
  if ((flags & 0x7800) !== 0) return noAnswer("the answer to another operation");
  const answered = questionEnd(bytes, query, flags & 15);
  if (answered === undefined) return noAnswer("the answer to another question");
  const sections = readSections(bytes, answered);
  if (sections === undefined) return failed("no whole records");
  const [answers, , additional] = sections;
  const read = readChain(bytes, answers, query.name);
  if (read === undefined) return failed("a record that cannot be read");
  const opt = additional.find(({ type }) => type === DnsType.OPT);
  return {
    code: (flags & 15) | (opt === undefined ? 0 : (opt.ttl >>> 24) << 4),
    truncated: (flags & 0x200) !== 0,
    types: answers.map(({ type }) => type),
    ...read,
  };
}

function noAnswer(fault: string): DnsFault {
  return { fault, code: undefined };
}

function failed(fault: string): DnsFault {
  return { fault, code: DnsCode.ServFail };
}

/** Where the answer section begins; undefined when the question is not the query's. */
function questionEnd(bytes: Uint8Array, query: DnsQuery, code: number): number | undefined {
  const count = wordAt(bytes, 4);
  if (count === 0 && code !== DnsCode.NoError) return 12;
  const read = count === 1 ? readAbsoluteName(bytes, 12) : undefined;
  if (read === undefined || read.end + 4 > bytes.length || skipName(bytes, 12) !== read.end) return undefined;
  const isSame =
    wordAt(bytes, read.end) === query.type && wordAt(bytes, read.end + 2) === query.class && read.text === query.name;
  return isSame ? read.end + 4 : undefined;
}

/** Answers, authority, additional. Bytes after them are left alone, as clients leave them. */
function readSections(bytes: Uint8Array, from: number): readonly [RawRecord[], RawRecord[], RawRecord[]] | undefined {
  const sections: [RawRecord[], RawRecord[], RawRecord[]] = [[], [], []];
  let at = from;
  let left = MAX_RECORDS;
  for (const [index, records] of sections.entries()) {
    const count = wordAt(bytes, 6 + index * 2);
    left -= count;
    if (left < 0) return undefined;
    for (let read = 0; read < count; read++) {
      const record = rawRecord(bytes, at);
      if (record === undefined) return undefined;
      records.push(record);
      at = record.end;
    }
  }
  return sections;
}

/** Follows the aliases from `name`, and takes the addresses on the way. Undefined when a record cannot be read. */
function readChain(
  bytes: Uint8Array,
  answers: readonly RawRecord[],
  name: string,
): Pick<DnsAnswer, "cnames" | "addresses" | "ttl"> | undefined {
  const aliases = new Map<string, Owned & { readonly target: string }>();
  const found: (Owned & { readonly address: string })[] = [];
  let last: PointedOwner | undefined;
  for (const record of answers) {
    if (record.class !== DnsClass.IN) continue;
    const { type, start, end, ttl: sent } = record;
    if (type !== DnsType.A && type !== DnsType.AAAA && type !== DnsType.CNAME) continue;
    last = ownerOf(bytes, record, last);
    if (last === undefined) return undefined;
    const { owner } = last;
    // A TTL with its highest bit set is none (RFC 2181, 8).
    const ttl = sent > 0x7fff_ffff ? 0 : sent;
    if (type === DnsType.CNAME) {
      const target = readAbsoluteName(bytes, start);
      if (target?.end !== end) return undefined;
      if (!aliases.has(owner)) aliases.set(owner, { owner, ttl, target: target.text });
    } else {
      const address = addressOf(bytes.subarray(start, end), type);
      if (address === undefined) return undefined;
      found.push({ owner, ttl, address });
    }
  }
  return along(name, aliases, found);
}

/** A record's owner, and the pointer that it was written as; a name written out begins with less than any pointer. */
interface PointedOwner {
  readonly owner: string;
  readonly pointer: number;
}

/** Most owners are a pointer alone, and to the place that the record before pointed to: valid there, it is valid here. */
function ownerOf(bytes: Uint8Array, { at }: RawRecord, last: PointedOwner | undefined): PointedOwner | undefined {
  const pointer = wordAt(bytes, at);
  if (pointer >= FIRST_POINTER && pointer === last?.pointer) return last;
  const owner = readAbsoluteName(bytes, at)?.text;
  return owner === undefined ? undefined : { owner, pointer };
}

function addressOf(data: Uint8Array, type: number): string | undefined {
  if (type === DnsType.A) return data.length === 4 ? data.join(".") : undefined;
  return data.length === 16 ? formatAddress(data) : undefined;
}

function along(
  name: string,
  aliases: ReadonlyMap<string, Owned & { readonly target: string }>,
  found: readonly (Owned & { readonly address: string })[],
): Pick<DnsAnswer, "cnames" | "addresses" | "ttl"> {
  const names = new Set([name]);
  let ttl = NO_TTL;
  for (let alias = aliases.get(name); alias !== undefined; alias = aliases.get(alias.target)) {
    ttl = Math.min(ttl, alias.ttl);
    if (names.has(alias.target)) break;
    names.add(alias.target);
  }
  const addresses = new Set<string>();
  for (const { owner, ttl: own, address } of found) {
    if (!names.has(owner)) continue;
    addresses.add(address);
    ttl = Math.min(ttl, own);
  }
  return { cnames: [...names].slice(1), addresses: [...addresses], ttl };
}
