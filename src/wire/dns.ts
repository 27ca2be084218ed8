import { type DnsName, readName } from "./dns-name.ts";
import { rawRecord, wordAt } from "./dns-records.ts";
import { latin1 } from "./latin1.ts";

export const DnsType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  AXFR: 252,
  ANY: 255,
} as const;
export const DnsClass = { IN: 1 } as const;
export const DnsCode = {
  NoError: 0,
  FormErr: 1,
  ServFail: 2,
  NXDomain: 3,
  NotImp: 4,
  Refused: 5,
  BadVersion: 16,
} as const;

export interface DnsQuestion {
  readonly name: DnsName;
  readonly type: number;
  readonly class: number;
}

/** What a record says, by type. `raw` is every type that this codec does not read. */
export type DnsData =
  | { readonly type: "A"; readonly address: string }
  /** 16 bytes. */
  | { readonly type: "AAAA"; readonly address: Uint8Array }
  | { readonly type: "CNAME" | "PTR" | "NS"; readonly target: DnsName }
  | { readonly type: "TXT"; readonly texts: readonly string[] }
  | {
      readonly type: "SRV";
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: DnsName;
    }
  | {
      readonly type: "SOA";
      readonly primary: DnsName;
      readonly mailbox: DnsName;
      readonly serial: number;
      readonly refresh: number;
      readonly retry: number;
      readonly expire: number;
      readonly minimum: number;
    }
  | { readonly type: "raw"; readonly number: number; readonly bytes: Uint8Array };

export interface DnsRecord {
  readonly name: DnsName;
  readonly class: number;
  /** Seconds. */
  readonly ttl: number;
  readonly data: DnsData;
}

export interface DnsMessage {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  /** Above 15 only with EDNS. */
  readonly code: number;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
  /** Without the OPT record, which `edns` stands for. */
  readonly additional: readonly DnsRecord[];
  readonly edns?: { readonly udpSize: number; readonly version: number };
}

/** Most questions and records that a message is read with; no honest one has more. */
const MAX_ENTRIES = 4096;

/** Reads a message; undefined when the bytes are none. Never throws. Bytes after the last record are left alone. */
export function decodeDns(bytes: Uint8Array): DnsMessage | undefined {
  if (bytes.length < 12) return undefined;
  const reader = new Reader(bytes);
  const flags = reader.word(2);
  const counts = [4, 6, 8, 10].map((at) => reader.word(at));
  if (counts.some((count) => count > MAX_ENTRIES)) return undefined;
  const questions = reader.many(counts[0]!, () => reader.question());
  const sections = counts.slice(1).map((count) => reader.many(count, () => reader.record()));
  if (reader.failed) return undefined;
  const opt = sections[2]!.find(({ data }) => data.type === "raw" && data.number === DnsType.OPT);
  return {
    id: reader.word(0),
    response: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    authoritative: (flags & 0x400) !== 0,
    truncated: (flags & 0x200) !== 0,
    recursionDesired: (flags & 0x100) !== 0,
    recursionAvailable: (flags & 0x80) !== 0,
    code: (flags & 15) | (opt === undefined ? 0 : (opt.ttl >>> 24) << 4),
    questions,
    answers: sections[0]!,
    authority: sections[1]!,
    additional: sections[2]!.filter((record) => record !== opt),
    ...(opt === undefined ? {} : { edns: { udpSize: opt.class, version: (opt.ttl >>> 16) & 255 } }),
  };
}

class Reader {
  failed = false;
  private readonly bytes: Uint8Array;
  private at = 12;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  word(at: number): number {
    return wordAt(this.bytes, at);
  }

  many<T>(count: number, read: () => T | undefined): T[] {
    const values: T[] = [];
    for (let index = 0; index < count && !this.failed; index++) {
      const value = read();
      if (value === undefined) this.failed = true;
      else values.push(value);
    }
    return values;
  }

  question(): DnsQuestion | undefined {
    const name = this.name();
    if (name === undefined || this.at + 4 > this.bytes.length) return undefined;
    this.at += 4;
    return { name, type: this.word(this.at - 4), class: this.word(this.at - 2) };
  }

  record(): DnsRecord | undefined {
    const frame = rawRecord(this.bytes, this.at);
    const name = this.name();
    if (frame === undefined || name === undefined) return undefined;
    const { type, start, end, ttl } = frame;
    this.at = end;
    const data = this.data(type, start, end);
    return data && { name, class: frame.class, ttl, data };
  }

  private name(): DnsName | undefined {
    const read = readName(this.bytes, this.at);
    if (read !== undefined) this.at = read.end;
    return read?.name;
  }

  private long(at: number): number {
    return this.word(at) * 65536 + this.word(at + 2);
  }

  private data(type: number, start: number, end: number): DnsData | undefined {
    switch (type) {
      case DnsType.A:
        return end - start === 4 ? { type: "A", address: this.bytes.subarray(start, end).join(".") } : undefined;
      case DnsType.AAAA:
        return end - start === 16 ? { type: "AAAA", address: this.bytes.slice(start, end) } : undefined;
      case DnsType.CNAME:
        return this.target("CNAME", start, end);
      case DnsType.PTR:
        return this.target("PTR", start, end);
      case DnsType.NS:
        return this.target("NS", start, end);
      case DnsType.TXT:
        return this.texts(start, end);
      case DnsType.SRV:
        return this.service(start, end);
      case DnsType.SOA:
        return this.authority(start, end);
      default:
        return { type: "raw", number: type, bytes: this.bytes.slice(start, end) };
    }
  }

  private target(type: "CNAME" | "PTR" | "NS", start: number, end: number): DnsData | undefined {
    const read = readName(this.bytes, start);
    return read?.end === end ? { type, target: read.name } : undefined;
  }

  private texts(start: number, end: number): DnsData | undefined {
    const texts: string[] = [];
    for (let at = start; at < end; ) {
      const next = at + 1 + this.bytes[at]!;
      if (next > end) return undefined;
      texts.push(latin1(this.bytes, at + 1, next));
      at = next;
    }
    return { type: "TXT", texts };
  }

  private service(start: number, end: number): DnsData | undefined {
    const read = readName(this.bytes, start + 6);
    if (read?.end !== end) return undefined;
    const [priority, weight, port] = [this.word(start), this.word(start + 2), this.word(start + 4)];
    return { type: "SRV", priority, weight, port, target: read.name };
  }

  private authority(start: number, end: number): DnsData | undefined {
    const primary = readName(this.bytes, start);
    const mailbox = primary && readName(this.bytes, primary.end);
    if (primary === undefined || mailbox === undefined || mailbox.end + 20 !== end) return undefined;
    const [serial, refresh, retry, expire, minimum] = [0, 4, 8, 12, 16].map((offset) =>
      this.long(mailbox.end + offset),
    );
    return {
      type: "SOA",
      primary: primary.name,
      mailbox: mailbox.name,
      serial: serial!,
      refresh: refresh!,
      retry: retry!,
      expire: expire!,
      minimum: minimum!,
    };
  }
}
