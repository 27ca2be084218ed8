import { type DnsData, type DnsMessage, type DnsRecord, DnsType } from "./dns.ts";
import { type DnsName, isSendable, nameText } from "./dns-name.ts";

/** Offsets beyond this cannot be pointed to. */
const MAX_POINTER = 0x3fff;

/** The message as bytes, names compressed. Throws on a name that cannot be sent (a label of more than 63 bytes, say). */
export function encodeDns(message: DnsMessage): Uint8Array {
  const writer = new Writer();
  writer.word(message.id);
  writer.word(flagsOf(message));
  const extra = message.edns === undefined ? 0 : 1;
  writer.word(message.questions.length);
  writer.word(message.answers.length);
  writer.word(message.authority.length);
  writer.word(message.additional.length + extra);
  for (const question of message.questions) {
    writer.name(question.name);
    writer.word(question.type);
    writer.word(question.class);
  }
  for (const record of [...message.answers, ...message.authority, ...message.additional]) writer.record(record);
  if (message.edns !== undefined) {
    const { udpSize, version } = message.edns;
    const ttl = ((message.code >> 4) << 24) | (version << 16);
    writer.record({
      name: [],
      class: udpSize,
      ttl,
      data: { type: "raw", number: DnsType.OPT, bytes: new Uint8Array() },
    });
  }
  return writer.bytes();
}

function flagsOf(message: DnsMessage): number {
  return (
    (message.response ? 0x8000 : 0) |
    (message.opcode << 11) |
    (message.authoritative ? 0x400 : 0) |
    (message.truncated ? 0x200 : 0) |
    (message.recursionDesired ? 0x100 : 0) |
    (message.recursionAvailable ? 0x80 : 0) |
    (message.code & 15)
  );
}

class Writer {
  private readonly out: number[] = [];
  private readonly offsets = new Map<string, number>();

  bytes(): Uint8Array {
    return Uint8Array.from(this.out);
  }

  word(value: number): void {
    this.out.push((value >> 8) & 255, value & 255);
  }

  name(name: DnsName): void {
    if (!isSendable(name)) throw new Error(`"${nameText(name)}" cannot be a DNS name`);
    for (let index = 0; index < name.length; index++) {
      const rest = compressionKey(name.slice(index));
      const known = this.offsets.get(rest);
      if (known !== undefined) {
        this.word(0xc000 | known);
        return;
      }
      if (this.out.length <= MAX_POINTER) this.offsets.set(rest, this.out.length);
      this.text(name[index]!);
    }
    this.out.push(0);
  }

  record(record: DnsRecord): void {
    this.name(record.name);
    this.word(record.data.type === "raw" ? record.data.number : DnsType[record.data.type]);
    this.word(record.class);
    this.long(record.ttl);
    const lengthAt = this.out.length;
    this.word(0);
    this.data(record.data);
    const length = this.out.length - lengthAt - 2;
    this.out[lengthAt] = length >> 8;
    this.out[lengthAt + 1] = length & 255;
  }

  private data(data: DnsData): void {
    switch (data.type) {
      case "A":
        this.out.push(...data.address.split(".").map(Number));
        break;
      case "AAAA":
        this.out.push(...data.address);
        break;
      case "CNAME":
      case "PTR":
      case "NS":
        this.name(data.target);
        break;
      case "TXT":
        for (const text of data.texts) this.text(text);
        break;
      case "SRV":
        for (const value of [data.priority, data.weight, data.port]) this.word(value);
        this.plainName(data.target);
        break;
      case "SOA":
        this.name(data.primary);
        this.name(data.mailbox);
        for (const value of [data.serial, data.refresh, data.retry, data.expire, data.minimum]) this.long(value);
        break;
      case "raw":
        this.out.push(...data.bytes);
    }
  }

  /** The target of an SRV record is never compressed (RFC 2782). */
  private plainName(name: DnsName): void {
    if (!isSendable(name)) throw new Error(`"${nameText(name)}" cannot be a DNS name`);
    for (const label of name) this.text(label);
    this.out.push(0);
  }

  private text(text: string): void {
    this.out.push(text.length);
    for (let index = 0; index < text.length; index++) this.out.push(text.charCodeAt(index) & 255);
  }

  private long(value: number): void {
    this.word(value >>> 16);
    this.word(value & 0xffff);
  }
}

/** Equal for names that are the same but for case; a dot within a label does not part it. */
function compressionKey(name: DnsName): string {
  return name.map((label) => `${label.length}:${label.toLowerCase()}`).join("");
}
