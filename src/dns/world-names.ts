import { DnsClass, type DnsData, type DnsRecord } from "../wire/dns.ts";
import { type DnsName, nameText } from "../wire/dns-name.ts";

const TTL = 30;
/** Names that stand for nothing anywhere, or for what is near (RFC 6761, RFC 6762, RFC 7686); reversed addresses are no names. */
const NOWHERE: ReadonlySet<string> = new Set(["invalid", "localhost", "local", "onion", "arpa", "internal"]);
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;

export interface WorldNamesOptions {
  /** Names have IPv6 addresses too. */
  readonly ipv6: boolean;
}

/**
 * The names of a lab's world: each one of two or more labels has an address that follows from it, in 198.18.0.0/15 (set
 * aside for tests, RFC 2544) and 2001:db8::/32 (for examples, RFC 3849). The same name always has the same address.
 */
export class WorldNames {
  private readonly ipv6: boolean;

  constructor({ ipv6 }: WorldNamesOptions) {
    this.ipv6 = ipv6;
  }

  /** All records of a name; undefined when it stands for nothing. */
  lookup(name: DnsName): readonly DnsRecord[] | undefined {
    const text = nameText(name);
    const labels = text.split(".");
    if (labels.length < 2 || NOWHERE.has(labels.at(-1)!) || !labels.every((label) => LABEL.test(label)))
      return undefined;
    const number = hash(text);
    const record = (data: DnsData): DnsRecord => ({ name, class: DnsClass.IN, ttl: TTL, data });
    const v4 = record({
      type: "A",
      address: `198.${18 + (number & 1)}.${(number >>> 8) & 255}.${1 + ((number >>> 16) % 254)}`,
    });
    return this.ipv6 ? [v4, record({ type: "AAAA", address: address6(number) })] : [v4];
  }
}

function address6(number: number): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set([0x20, 0x01, 0x0d, 0xb8]);
  new DataView(bytes.buffer).setUint32(12, number);
  return bytes;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value ^= text.charCodeAt(index);
    value = Math.imul(value, 0x01000193);
  }
  return value >>> 0;
}
