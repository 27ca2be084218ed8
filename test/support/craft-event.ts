/** Builds packets and events byte by byte for tests, independently of the code that reads them. */

export interface CraftedSegment {
  readonly source?: string;
  readonly destination?: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** TCP flag byte: 0x02 SYN, 0x12 SYN+ACK, 0x10 ACK, 0x18 PSH+ACK, 0x11 FIN+ACK, 0x04 RST. */
  readonly flags?: number;
}

const ETHERNET = [0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1];

const u16 = (value: number) => [(value >> 8) & 255, value & 255];
const u32 = (value: number) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const quad = (address: string) => address.split(".").map(Number);

/** Ethernet + IPv4 + `upper`. */
export function ipv4Packet(protocol: number, upper: readonly number[], ends: CraftedSegment = {}): Uint8Array {
  const header = [0x45, 0, ...u16(20 + upper.length), 0, 7, 0x40, 0, 63, protocol, 0, 0];
  const addresses = [...quad(ends.source ?? "172.20.2.10"), ...quad(ends.destination ?? "172.20.1.20")];
  return new Uint8Array([...ETHERNET, 0x08, 0x00, ...header, ...addresses, ...upper]);
}

/** Ethernet + IPv6 + `upper`; addresses as 16 bytes each. */
export function ipv6Packet(
  nextHeader: number,
  upper: readonly number[],
  source: readonly number[],
  destination: readonly number[],
): Uint8Array {
  const header = [0x60, 0, 0, 0, ...u16(upper.length), nextHeader, 64];
  return new Uint8Array([...ETHERNET, 0x86, 0xdd, ...header, ...source, ...destination, ...upper]);
}

export function tcpHeader(segment: CraftedSegment = {}): number[] {
  const ports = [...u16(segment.sourcePort ?? 43966), ...u16(segment.destinationPort ?? 80)];
  return [...ports, ...u32(1000), ...u32(2000), 0x50, segment.flags ?? 0x02, ...u16(64240), 0xab, 0xcd, 0, 0];
}

export function udpHeader(segment: CraftedSegment = {}): number[] {
  return [...u16(segment.sourcePort ?? 43966), ...u16(segment.destinationPort ?? 53), 0, 8, 0, 0];
}

export function tcpPacket(segment: CraftedSegment = {}): Uint8Array {
  return ipv4Packet(6, tcpHeader(segment), segment);
}

export interface CraftedEvent {
  readonly type: number;
  readonly subtype?: number;
  readonly flags?: number;
  readonly direction?: number;
  readonly endpoint?: number;
  readonly destinationEndpoint?: number;
  readonly sourceIdentity?: number;
  readonly destinationIdentity?: number;
  readonly ifindex?: number;
  readonly ctStatus?: number;
  readonly matchType?: number;
  readonly verdict?: number;
  readonly cookie?: number;
  readonly revision?: number;
  /** Of a drop: the file's number << 16 | the line. */
  readonly place?: number;
  readonly cpu?: number;
  readonly monotonicNs?: bigint;
  readonly originalAddress?: string;
  readonly packet?: Uint8Array;
}

/** struct sg_event and its packet. */
export function craftEvent(event: CraftedEvent): Uint8Array {
  const packet = event.packet ?? tcpPacket();
  const bytes = new Uint8Array(72 + packet.length);
  const view = new DataView(bytes.buffer);
  bytes.set([event.type, event.subtype ?? 0, event.flags ?? 0, event.direction ?? 0]);
  view.setUint16(4, event.endpoint ?? 0, true);
  view.setUint16(6, event.destinationEndpoint ?? 0, true);
  view.setUint32(8, event.sourceIdentity ?? 0, true);
  view.setUint32(12, event.destinationIdentity ?? 0, true);
  view.setUint32(16, event.ifindex ?? 0, true);
  view.setUint32(20, 0xb6b3b6b3, true);
  view.setUint32(24, packet.length, true);
  bytes[28] = packet.length;
  bytes[29] = (event.place ?? 0) >> 16;
  bytes[30] = event.ctStatus ?? 0;
  bytes[31] = event.matchType ?? 0;
  view.setInt32(32, event.verdict ?? 0, true);
  view.setUint32(36, event.cookie ?? 0, true);
  view.setUint32(40, event.revision ?? 0, true);
  view.setUint16(44, (event.place ?? 0) & 0xffff, true);
  view.setUint16(46, event.cpu ?? 0, true);
  view.setBigUint64(48, event.monotonicNs ?? 0n, true);
  if (event.originalAddress) bytes.set([255, 255, ...quad(event.originalAddress)], 66);
  bytes.set(packet, 72);
  return bytes;
}
