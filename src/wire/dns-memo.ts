import { type DnsAnswer, readDnsAnswer } from "./dns-answer.ts";
import { type DnsFault, type DnsQuery, isDnsFault, readDnsQuery } from "./dns-query.ts";
import { wordAt } from "./dns-records.ts";
import { copyOf } from "./latin1.ts";

/** Messages of each kind that are kept, and the longest of them in bytes. */
const SLOTS = 1024;
const LONGEST_KEPT = 512;
/** The ID, which says nothing of the rest. */
const ID_BYTES = 2;

/** A query as all that ask the same share it: the ID stands in the message alone. */
export type SharedQuery = Omit<DnsQuery, "id">;

interface Known<Meaning> {
  readonly bytes: Uint8Array;
  readonly meaning: Meaning;
}

/**
 * Reads DNS messages, and remembers what the latest ones said: clients ask for the same names, and servers answer the same.
 * The same bytes behind the ID mean the same; an answer, to the same query only. Faults are read anew each time.
 */
export class DnsMemo {
  private readonly queries = new Array<Known<SharedQuery> | undefined>(SLOTS).fill(undefined);
  private readonly answers = new Array<(Known<DnsAnswer> & { query: SharedQuery }) | undefined>(SLOTS).fill(undefined);

  /** As `readDnsQuery`. Nobody may change what it returns. */
  query(bytes: Uint8Array): SharedQuery | DnsFault {
    const slot = slotOf(bytes);
    const known = slot < 0 ? undefined : this.queries[slot];
    if (known !== undefined && isSame(known.bytes, bytes)) return known.meaning;
    const query = readDnsQuery(bytes);
    if (slot >= 0 && !isDnsFault(query)) this.queries[slot] = { bytes: copyOf(bytes, 0, bytes.length), meaning: query };
    return query;
  }

  /** As `readDnsAnswer`, to a query that was sent under `id`. Nobody may change what it returns. */
  answer(bytes: Uint8Array, query: SharedQuery, id: number): DnsAnswer | DnsFault {
    const slot = slotOf(bytes);
    const known = slot < 0 ? undefined : this.answers[slot];
    if (known?.query === query && wordAt(bytes, 0) === id && isSame(known.bytes, bytes)) return known.meaning;
    const answer = readDnsAnswer(bytes, { ...query, id });
    if (slot >= 0 && !isDnsFault(answer))
      this.answers[slot] = { bytes: copyOf(bytes, 0, bytes.length), query, meaning: answer };
    return answer;
  }
}

/** -1 = it is not kept. */
function slotOf(bytes: Uint8Array): number {
  if (bytes.length > LONGEST_KEPT) return -1;
  let hash = 0;
  for (let at = ID_BYTES; at < bytes.length; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
  return (hash ^ (hash >>> 16)) & (SLOTS - 1);
}

function isSame(known: Uint8Array, bytes: Uint8Array): boolean {
  if (known.length !== bytes.length) return false;
  for (let at = ID_BYTES; at < known.length; at++) if (known[at] !== bytes[at]) return false;
  return true;
}
