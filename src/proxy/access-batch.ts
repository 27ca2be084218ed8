import type { AccessRecord, DnsFacts } from "../model/access-record.ts";
import { ByteReader, ByteWriter } from "./record-bytes.ts";

/** Words that are one of few, each by its number on the wire. */
const TYPES = ["request", "response"] as const;
const VERDICTS = ["forwarded", "denied", "error"] as const;
const DIRECTIONS = ["ingress", "egress"] as const;
const PROTOCOLS = ["", "HTTP/1.0", "HTTP/1.1", "HTTP/2"] as const;
const TRANSPORTS = ["udp", "tcp"] as const;

/** What follows the part that every record has: nothing, a question, or JSON of what few records have. */
const Rest = { nothing: 0, dns: 1, rare: 2 } as const;
type Rare = Pick<AccessRecord, "tls" | "dns" | "missingHeaders" | "rejectedHeaders" | "responseFlags">;

/**
 * Records as bytes, each at once, so that none outlives the request that it is about: half the processor time of keeping
 * them for a batch of JSON. What comes again and again (addresses, methods, the headers of a client) is written where a
 * batch has it first, and is a number from then on.
 */
export class BatchWriter {
  private readonly writer = new ByteWriter();
  private readonly words = new Map<string, number>();
  private readonly lists = new Map<AccessRecord["headers"], number>();

  /** Bytes so far. */
  get size(): number {
    return this.writer.size;
  }

  append(record: AccessRecord): void {
    const { writer } = this;
    writer.u8(numberOf(TYPES, record.type));
    writer.u8(numberOf(VERDICTS, record.verdict));
    writer.u8(numberOf(DIRECTIONS, record.direction));
    writer.u8(numberOf(PROTOCOLS, record.protocol));
    writer.f64(record.timeMs);
    writer.f64(record.latencyMs);
    writer.u32(record.endpointId);
    writer.u32(record.sourceIdentity);
    writer.u32(record.destinationIdentity);
    writer.u32(record.sourcePort);
    writer.u32(record.destinationPort);
    writer.u32(record.status);
    this.word(record.sourceAddress);
    this.word(record.destinationAddress);
    this.word(record.method);
    this.word(record.reason);
    writer.text(record.url);
    this.headers(record.headers);
    this.rest(record);
  }

  /** The batch so far; the writer begins the next one. */
  take(): Uint8Array<ArrayBuffer> {
    this.words.clear();
    this.lists.clear();
    return this.writer.take();
  }

  private word(value: string): void {
    const known = this.words.get(value);
    this.writer.u32(known ?? this.words.size);
    if (known !== undefined) return;
    this.words.set(value, this.words.size);
    this.writer.text(value);
  }

  private headers(list: AccessRecord["headers"]): void {
    const known = this.lists.get(list);
    this.writer.u32(known ?? this.lists.size);
    if (known !== undefined) return;
    this.lists.set(list, this.lists.size);
    this.writer.u32(list.length);
    for (const { name, value } of list) {
      this.writer.text(name);
      this.writer.text(value);
    }
  }

  private rest({ tls, dns, missingHeaders, rejectedHeaders, responseFlags }: AccessRecord): void {
    if ((tls ?? missingHeaders ?? rejectedHeaders ?? responseFlags) !== undefined) {
      this.writer.u8(Rest.rare);
      this.writer.text(JSON.stringify({ tls, dns, missingHeaders, rejectedHeaders, responseFlags }));
    } else if (dns === undefined) this.writer.u8(Rest.nothing);
    else this.dns(dns);
  }

  private dns(facts: DnsFacts): void {
    const { writer } = this;
    writer.u8(Rest.dns);
    writer.text(facts.query);
    writer.u8(numberOf(TRANSPORTS, facts.transport));
    writer.u32(facts.type);
    writer.u32(facts.code);
    writer.u32(facts.ttl);
    for (const list of [facts.addresses, facts.cnames]) {
      writer.u32(list.length);
      for (const each of list) writer.text(each);
    }
    writer.u32(facts.types.length);
    for (const type of facts.types) writer.u32(type);
  }
}

/** The records of a `BatchWriter`. Throws on anything else. */
export function decodeRecords(bytes: Uint8Array): AccessRecord[] {
  const batch = new BatchReader(bytes);
  const records: AccessRecord[] = [];
  while (!batch.isAtEnd) records.push(batch.record());
  return records;
}

class BatchReader {
  private readonly reader: ByteReader;
  private readonly words: string[] = [];
  private readonly lists: AccessRecord["headers"][] = [];

  constructor(bytes: Uint8Array) {
    this.reader = new ByteReader(bytes);
  }

  get isAtEnd(): boolean {
    return this.reader.isAtEnd;
  }

  record(): AccessRecord {
    const { reader } = this;
    const [type, verdict, direction, protocol] = [reader.u8(), reader.u8(), reader.u8(), reader.u8()];
    // in the order in which they were written
    return {
      type: oneOf(TYPES, type),
      verdict: oneOf(VERDICTS, verdict),
      direction: oneOf(DIRECTIONS, direction),
      protocol: oneOf(PROTOCOLS, protocol),
      timeMs: reader.f64(),
      latencyMs: reader.f64(),
      endpointId: reader.u32(),
      sourceIdentity: reader.u32(),
      destinationIdentity: reader.u32(),
      sourcePort: reader.u32(),
      destinationPort: reader.u32(),
      status: reader.u32(),
      sourceAddress: this.word(),
      destinationAddress: this.word(),
      method: this.word(),
      reason: this.word(),
      url: reader.text(),
      headers: this.headers(),
      ...this.rest(),
    };
  }

  private word(): string {
    return this.known(this.words, () => this.reader.text());
  }

  private headers(): AccessRecord["headers"] {
    return this.known(this.lists, () => this.list(() => ({ name: this.reader.text(), value: this.reader.text() })));
  }

  private rest(): Rare {
    const kind = this.reader.u8();
    if (kind === Rest.nothing) return {};
    if (kind === Rest.rare) return JSON.parse(this.reader.text()) as Rare;
    if (kind !== Rest.dns) throw new RangeError(`no record has a rest of kind ${kind}`);
    const { reader } = this;
    const dns: DnsFacts = {
      query: reader.text(),
      transport: oneOf(TRANSPORTS, reader.u8()),
      type: reader.u32(),
      code: reader.u32(),
      ttl: reader.u32(),
      addresses: this.list(() => reader.text()),
      cnames: this.list(() => reader.text()),
      types: this.list(() => reader.u32()),
    };
    return { dns };
  }

  /** What a number stands for; the next one that is free is followed by its meaning. */
  private known<T>(table: T[], read: () => T): T {
    const number = this.reader.u32();
    if (number > table.length) throw new RangeError(`number ${number} was never given a meaning`);
    if (number === table.length) table.push(read());
    return table[number]!;
  }

  private list<T>(read: () => T): T[] {
    const list: T[] = [];
    for (let count = this.reader.u32(); count > 0; count--) list.push(read());
    return list;
  }
}

/** Of a word that is one of them: `indexOf` would be a call. */
function numberOf<T>(words: readonly T[], word: T): number {
  for (let number = 0; number < words.length; number++) if (words[number] === word) return number;
  return words.length;
}

function oneOf<T>(words: readonly T[], number: number): T {
  const word = words[number];
  if (word === undefined) throw new RangeError(`no such word: ${number}`);
  return word;
}
