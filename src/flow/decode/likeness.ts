import { EVENT_HEADER_LENGTH } from "./event.ts";
import { Protocol } from "./packet.ts";

/** Places of the header's words that a flow is made of: not the hash, the lengths, the processor and the time. */
const HEADER_WORDS = [0, 4, 8, 12, 16, 32, 36, 40, 56, 60, 64, 68];
const CAPTURED = 28;
const FILE = 29;
const CT_STATUS = 30;
const LINE = 44;
const TIME = 48;
const ETHERNET_LENGTH = 14;
/** Of IPv4 a header without options, of IPv6 one that TCP or UDP follows at once. */
const IPV4 = 0x0800;
const IPV4_FIRST = 0x45;
const IPV4_LENGTH = 20;
const IPV6 = 0x86dd;
const IPV6_LENGTH = 40;
const TCP_LENGTH = 20;
const UDP_LENGTH = 8;
/** Header, three of Ethernet, eight of addresses, and four of what is put together. */
const WORDS = HEADER_WORDS.length + 3 + 8 + 4;

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function networkShort(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/**
 * What the flows of many events have in common, read without making anything. The events that have the same `words` become flows
 * that differ only in their time, their id and the greater of their ports: a connection's own.
 */
export class EventLikeness {
  readonly words: Uint32Array = new Uint32Array(WORDS);
  /** Of the words. */
  hash = 0;
  /** Nanoseconds of CLOCK_MONOTONIC. */
  monotonicNs = 0n;
  /** The port that is none of the words, and whose it is. */
  port = 0;
  isSourcePort = false;
  protocol = 0;

  /** False for events that must be looked at one by one: of other protocols, fragments, with options before the ports, cut short. */
  read(bytes: Uint8Array): boolean {
    const packet = EVENT_HEADER_LENGTH;
    const captured = bytes.length < packet ? 0 : bytes[CAPTURED]!;
    const end = Math.min(bytes.length, packet + captured);
    const ip = packet + ETHERNET_LENGTH;
    if (end < ip + IPV4_LENGTH + UDP_LENGTH) return false;
    const etherType = networkShort(bytes, ip - 2);
    if (etherType === IPV4) {
      if (bytes[ip] !== IPV4_FIRST || (networkShort(bytes, ip + 6) & 0x1fff) !== 0) return false;
      if (!this.readPorts(bytes, bytes[ip + 9]!, ip + IPV4_LENGTH, end)) return false;
      this.readWords(bytes, ip + 12, 2);
    } else {
      if (etherType !== IPV6 || end < ip + IPV6_LENGTH || bytes[ip]! >> 4 !== 6) return false;
      if (!this.readPorts(bytes, bytes[ip + 6]!, ip + IPV6_LENGTH, end)) return false;
      this.readWords(bytes, ip + 8, 8);
    }
    this.monotonicNs = (BigInt(word(bytes, TIME + 4) >>> 0) << 32n) | BigInt(word(bytes, TIME) >>> 0);
    return true;
  }

  private readPorts(bytes: Uint8Array, protocol: number, at: number, end: number): boolean {
    const isTcp = protocol === Protocol.TCP;
    if (!isTcp && protocol !== Protocol.UDP) return false;
    if (end < at + (isTcp ? TCP_LENGTH : UDP_LENGTH)) return false;
    const source = networkShort(bytes, at);
    const destination = networkShort(bytes, at + 2);
    this.protocol = protocol;
    this.isSourcePort = source > destination;
    this.port = Math.max(source, destination);
    this.words[WORDS - 1] = (protocol << 17) | (this.isSourcePort ? 1 << 16 : 0) | Math.min(source, destination);
    this.words[WORDS - 2] = isTcp ? networkShort(bytes, at + 12) & 0x1ff : 0;
    return true;
  }

  private readWords(bytes: Uint8Array, addresses: number, addressWords: number): void {
    const { words } = this;
    let next = 0;
    for (const at of HEADER_WORDS) words[next++] = word(bytes, at);
    for (let at = 0; at < 3; at++) words[next++] = word(bytes, EVENT_HEADER_LENGTH + 4 * at);
    for (let at = 0; at < 8; at++) words[next++] = at < addressWords ? word(bytes, addresses + 4 * at) : 0;
    words[next++] = bytes[LINE]! | (bytes[LINE + 1]! << 8) | (bytes[FILE]! << 16);
    words[next] = bytes[CT_STATUS]! | (bytes[CT_STATUS + 1]! << 8) | (addressWords << 16);
    let hash = 0;
    for (let at = 0; at < WORDS; at++) {
      hash = Math.imul(hash ^ words[at]!, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    this.hash = hash;
  }
}
