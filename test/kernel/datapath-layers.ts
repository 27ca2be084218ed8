/** Packets read and checked as a receiver would: addresses, ports, checksums. */
import { formatAddress } from "../../src/model/cidr.ts";

const ETHERNET = 14;
const [TCP, UDP, ICMP, ICMPV6] = [6, 17, 1, 58];

export interface Layers {
  readonly macs: string;
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  readonly sport: number;
  readonly dport: number;
  readonly tcpFlags: number;
  readonly ack: number;
  /** Of ICMP. */
  readonly type: number;
  readonly code: number;
  /** What follows the ICMP header, as hex. */
  readonly quoted: string;
  /** Every checksum that there is, is right. */
  readonly isSound: boolean;
}

function sum(...parts: readonly Buffer[]): number {
  let total = 0;
  for (const part of parts) for (let at = 0; at < part.length; at += 2) total += (part[at]! << 8) | (part[at + 1] ?? 0);
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return total;
}

interface Place {
  readonly isV6: boolean;
  readonly protocol: number;
  readonly l4: number;
  readonly addresses: Buffer;
}

function placeOf(packet: Buffer): Place {
  const isV6 = packet.readUInt16BE(12) === 0x86dd;
  if (isV6) return { isV6, protocol: packet[20]!, l4: 54, addresses: packet.subarray(22, 54) };
  const l4 = ETHERNET + (packet[ETHERNET]! & 0xf) * 4;
  return { isV6, protocol: packet[23]!, l4, addresses: packet.subarray(26, 34) };
}

/** What the L4 checksum covers beside the payload; ICMP of IPv4 covers nothing else. */
function pseudoHeader({ isV6, protocol, addresses }: Place, length: number): Buffer {
  if (!isV6 && protocol === ICMP) return Buffer.alloc(0);
  const rest = isV6 ? Buffer.alloc(8) : Buffer.alloc(4);
  rest.writeUInt16BE(length, 2);
  rest[isV6 ? 7 : 1] = protocol;
  return Buffer.concat([addresses, rest]);
}

function checksumOffset(protocol: number): number | undefined {
  return { [TCP!]: 16, [UDP!]: 6, [ICMP!]: 2, [ICMPV6!]: 2 }[protocol];
}

/** The packet with right checksums, also of what an ICMP error quotes as far as that is whole. */
export function withChecksums(packet: Buffer): Buffer {
  const place = placeOf(packet);
  const { isV6, protocol, l4 } = place;
  if (!isV6) {
    packet.writeUInt16BE(0, ETHERNET + 10);
    packet.writeUInt16BE(~sum(packet.subarray(ETHERNET, l4)) & 0xffff, ETHERNET + 10);
  }
  const offset = checksumOffset(protocol);
  if (protocol === UDP) packet.writeUInt16BE(packet.length - l4, l4 + 4);
  if (offset === undefined) return packet;
  packet.writeUInt16BE(0, l4 + offset);
  const payload = packet.subarray(l4);
  packet.writeUInt16BE(~sum(pseudoHeader(place, payload.length), payload) & 0xffff, l4 + offset);
  return packet;
}

export function layersOf(packet: Buffer): Layers {
  const place = placeOf(packet);
  const { isV6, protocol, l4, addresses } = place;
  const half = addresses.length / 2;
  const text = (bytes: Buffer) => (isV6 ? formatAddress(bytes) : bytes.join("."));
  const payload = packet.subarray(l4);
  const isHeaderSound = isV6 || sum(packet.subarray(ETHERNET, l4)) === 0xffff;
  return {
    macs: packet.toString("hex", 0, 12),
    from: text(addresses.subarray(0, half)),
    to: text(addresses.subarray(half)),
    protocol,
    sport: packet.readUInt16BE(l4),
    dport: packet.readUInt16BE(l4 + 2),
    tcpFlags: packet[l4 + 13] ?? 0,
    ack: payload.length >= 12 ? packet.readUInt32BE(l4 + 8) : 0,
    type: packet[l4]!,
    code: packet[l4 + 1]!,
    quoted: packet.toString("hex", l4 + 8),
    isSound:
      isHeaderSound &&
      (checksumOffset(protocol) === undefined || sum(pseudoHeader(place, payload.length), payload) === 0xffff),
  };
}
