import { ipv4Text, ipv6Text, macText } from "./address.ts";

export const Protocol = { ICMP: 1, IGMP: 2, TCP: 6, UDP: 17, ICMPv6: 58, VRRP: 112, SCTP: 132 } as const;

export interface EthernetLayer {
  readonly source: string;
  readonly destination: string;
  readonly etherType: number;
}

export interface ArpLayer {
  readonly senderAddress: string;
  readonly targetAddress: string;
}

export interface IpLayer {
  readonly version: 4 | 6;
  readonly source: string;
  readonly destination: string;
  /** Of the layer above, extension headers skipped. */
  readonly protocol: number;
  /** Bytes; -1 in a later fragment means no layer above is there to read. */
  readonly fragmentOffset: number;
}

/** Flags of a TCP header, in the order that every reader prints them. */
export const TCP_FLAG_ORDER = ["SYN", "ACK", "RST", "FIN", "PSH", "URG", "ECE", "CWR", "NS"] as const;
export type TcpFlag = (typeof TCP_FLAG_ORDER)[number];

export interface TcpLayer {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Of the first byte of its payload. */
  readonly sequence: number;
  readonly flags: readonly TcpFlag[];
}

export interface PortLayer {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export interface IcmpLayer {
  readonly type: number;
  readonly code: number;
}

export interface VrrpLayer {
  readonly type: number;
  readonly vrid: number;
  readonly priority: number;
}

export interface IgmpLayer {
  readonly type: number;
  readonly groupAddress: string;
}

/** The layers of a captured packet, as many as could be read. */
export interface Packet {
  readonly ethernet?: EthernetLayer;
  readonly arp?: ArpLayer;
  readonly ip?: IpLayer;
  readonly tcp?: TcpLayer;
  readonly udp?: PortLayer;
  readonly sctp?: PortLayer;
  readonly icmpv4?: IcmpLayer;
  readonly icmpv6?: IcmpLayer;
  readonly vrrp?: VrrpLayer;
  readonly igmp?: IgmpLayer;
  /** Name of the innermost layer read: `Ethernet`, `ARP`, `IPv4`, `IPv6`, `TCP`, `UDP`, `SCTP`, `ICMPv4`, `ICMPv6`, `VRRP`, `IGMP`. */
  readonly lastLayer: string;
  /** Bytes after the last layer, as far as they were captured. */
  readonly payload: Uint8Array;
}

type MutablePacket = { -readonly [K in keyof Packet]: Packet[K] };

const ETHER_IPV4 = 0x0800;
const ETHER_ARP = 0x0806;
const ETHER_IPV6 = 0x86dd;
/** Hop-by-hop, routing, fragment, authentication, destination options. */
const IPV6_EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 44, 51, 60]);
const FLAG_BITS: readonly (readonly [TcpFlag, number])[] = [
  ["SYN", 0x02],
  ["ACK", 0x10],
  ["RST", 0x04],
  ["FIN", 0x01],
  ["PSH", 0x08],
  ["URG", 0x20],
  ["ECE", 0x40],
  ["CWR", 0x80],
  ["NS", 0x100],
];

/** The flags of every value that the header's nine bits may have: one list for all packets that have them. */
const FLAGS_OF: readonly (readonly TcpFlag[])[] = Array.from({ length: 512 }, (_, bits) =>
  Object.freeze(FLAG_BITS.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name)),
);

/** Reads the layers of a packet from its Ethernet header on. Never throws: what cannot be read is left out. */
export function decodePacket(bytes: Uint8Array): Packet {
  const packet: MutablePacket = { lastLayer: "", payload: bytes };
  if (bytes.byteLength < 14) return packet;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const etherType = view.getUint16(12);
  packet.ethernet = { destination: macText(bytes, 0), source: macText(bytes, 6), etherType };
  advance(packet, bytes, "Ethernet", 14);
  if (etherType === ETHER_ARP) readArp(packet, bytes);
  else if (etherType === ETHER_IPV4) readIpv4(packet, bytes, view);
  else if (etherType === ETHER_IPV6) readIpv6(packet, bytes, view);
  return packet;
}

function advance(packet: MutablePacket, bytes: Uint8Array, layer: string, payloadOffset: number): void {
  packet.lastLayer = layer;
  packet.payload = bytes.subarray(Math.min(payloadOffset, bytes.byteLength));
}

function readArp(packet: MutablePacket, bytes: Uint8Array): void {
  const offset = 14;
  if (bytes.byteLength < offset + 28) return;
  packet.arp = {
    senderAddress: ipv4Text(bytes, offset + 14),
    targetAddress: ipv4Text(bytes, offset + 24),
  };
  advance(packet, bytes, "ARP", offset + 28);
}

function readIpv4(packet: MutablePacket, bytes: Uint8Array, view: DataView): void {
  const offset = 14;
  if (bytes.byteLength < offset + 20) return;
  const first = view.getUint8(offset);
  const headerLength = (first & 15) * 4;
  if (first >> 4 !== 4 || headerLength < 20) return;
  const fragment = view.getUint16(offset + 6);
  packet.ip = {
    version: 4,
    source: ipv4Text(bytes, offset + 12),
    destination: ipv4Text(bytes, offset + 16),
    protocol: view.getUint8(offset + 9),
    fragmentOffset: (fragment & 0x1fff) * 8,
  };
  advance(packet, bytes, "IPv4", offset + headerLength);
  if (packet.ip.fragmentOffset === 0) readTransport(packet, bytes, view, packet.ip.protocol, offset + headerLength);
}

function readIpv6(packet: MutablePacket, bytes: Uint8Array, view: DataView): void {
  const offset = 14;
  if (bytes.byteLength < offset + 40 || view.getUint8(offset) >> 4 !== 6) return;
  const upper = skipExtensions(view, view.getUint8(offset + 6), offset + 40);
  packet.ip = {
    version: 6,
    source: ipv6Text(bytes, offset + 8),
    destination: ipv6Text(bytes, offset + 24),
    protocol: upper.protocol,
    fragmentOffset: upper.fragmentOffset,
  };
  advance(packet, bytes, "IPv6", upper.offset);
  if (upper.fragmentOffset === 0) readTransport(packet, bytes, view, upper.protocol, upper.offset);
}

function skipExtensions(view: DataView, firstProtocol: number, firstOffset: number) {
  let protocol = firstProtocol;
  let offset = firstOffset;
  let fragmentOffset = 0;
  while (IPV6_EXTENSIONS.has(protocol) && offset + 8 <= view.byteLength) {
    const next = view.getUint8(offset);
    if (protocol === 44) {
      const field = view.getUint16(offset + 2);
      fragmentOffset = field & 0xfff8;
      offset += 8;
    } else {
      const length = view.getUint8(offset + 1);
      offset += protocol === 51 ? (length + 2) * 4 : (length + 1) * 8;
    }
    protocol = next;
  }
  return { protocol, offset, fragmentOffset };
}

function readTransport(packet: MutablePacket, bytes: Uint8Array, view: DataView, protocol: number, at: number): void {
  const left = bytes.byteLength - at;
  if (protocol === Protocol.TCP && left >= 20) readTcp(packet, bytes, view, at);
  else if (protocol === Protocol.UDP && left >= 8) {
    packet.udp = readPorts(view, at);
    advance(packet, bytes, "UDP", at + 8);
  } else if (protocol === Protocol.SCTP && left >= 12) {
    packet.sctp = readPorts(view, at);
    advance(packet, bytes, "SCTP", at + 12);
  } else if (protocol === Protocol.ICMP && left >= 8) {
    packet.icmpv4 = readIcmp(view, at);
    advance(packet, bytes, "ICMPv4", at + 8);
  } else if (protocol === Protocol.ICMPv6 && left >= 4) {
    packet.icmpv6 = readIcmp(view, at);
    advance(packet, bytes, "ICMPv6", at + 4);
  } else if (protocol === Protocol.VRRP && left >= 8) {
    packet.vrrp = { type: view.getUint8(at) & 15, vrid: view.getUint8(at + 1), priority: view.getUint8(at + 2) };
    advance(packet, bytes, "VRRP", at + 8);
  } else if (protocol === Protocol.IGMP && left >= 8) {
    packet.igmp = { type: view.getUint8(at), groupAddress: ipv4Text(bytes, at + 4) };
    advance(packet, bytes, "IGMP", at + 8);
  }
}

function readPorts(view: DataView, at: number): PortLayer {
  return { sourcePort: view.getUint16(at), destinationPort: view.getUint16(at + 2) };
}

function readIcmp(view: DataView, at: number): IcmpLayer {
  return { type: view.getUint8(at), code: view.getUint8(at + 1) };
}

function readTcp(packet: MutablePacket, bytes: Uint8Array, view: DataView, at: number): void {
  const offsetAndFlags = view.getUint16(at + 12);
  const dataOffset = offsetAndFlags >> 12;
  packet.tcp = {
    sourcePort: view.getUint16(at),
    destinationPort: view.getUint16(at + 2),
    sequence: view.getUint32(at + 4),
    flags: FLAGS_OF[offsetAndFlags & 0x1ff]!,
  };
  advance(packet, bytes, "TCP", at + Math.max(20, dataOffset * 4));
}
