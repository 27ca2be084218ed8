import { ipv4Packet, ipv6Packet, tcpHeader, udpHeader } from "./craft-event.ts";

const HERE = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const v6 = (nextHeader: number, upper: readonly number[]) => ipv6Packet(nextHeader, upper, HERE, HERE);
const zeros = (count: number) => new Array<number>(Math.max(0, count)).fill(0);

/** A TCP segment with options, padded to whole words with `pad`. */
function tcpWith(options: readonly number[], pad = 1): Uint8Array {
  const padded = [...options, ...new Array<number>((4 - (options.length % 4)) % 4).fill(pad)];
  const header = tcpHeader();
  header[12] = (5 + padded.length / 4) << 4;
  return ipv4Packet(6, [...header, ...padded, 1, 2, 3]);
}

/** IPv4 with options, over UDP. */
function ipv4With(options: readonly number[], length = 28 + options.length): Uint8Array {
  const packet = ipv4Packet(17, [...options, ...udpHeader({ sourcePort: 2049, destinationPort: 8472 })]);
  packet[14] = 0x40 | (5 + options.length / 4);
  packet[16] = length >> 8;
  packet[17] = length & 255;
  return packet;
}

function changed(packet: Uint8Array, bytes: Readonly<Record<number, number>>): Uint8Array {
  const copy = packet.slice();
  for (const [at, value] of Object.entries(bytes)) copy[Number(at)] = value;
  return copy;
}

const timestamps = [8, 10, 0, 0, 0, 1, 0xff, 0, 0, 2];
const MULTIPATH: readonly (readonly number[])[] = [
  ...[4, 12, 20, 22, 24, 5].map((length) => [30, length, 0x01, 0x81, ...zeros(length - 4)]),
  ...[12, 16, 24, 8].map((length) => [30, length, 0x11, 7, ...zeros(length - 4)]),
  ...[
    [8, 1],
    [12, 3],
    [14, 4],
    [16, 4],
    [28, 0x1f],
    [9, 0],
  ].map(([length, flags]) => [30, length!, 0x20, flags!, ...zeros(length! - 4)]),
  ...[16, 18, 28, 30, 9].map((length) => [30, length, 0x30, 5, 10, 0, 0, 9, 0x1f, 0x90, ...zeros(length - 10)]),
  [30, 8, 0x31, 5, 10, 0, 0, 9],
  [30, 10, 0x34, 5, 10, 0, 0, 9, 0, 80],
  [30, 22, 0x31, 5, 0xfd, ...zeros(14), 1, 0x1f, 0x90],
  [30, 5, 0x40, 1, 2],
  [30, 3, 0x40],
  [30, 3, 0x51],
  [30, 4, 0x51, 9],
  [30, 12, 0x60, ...zeros(9)],
  [30, 12, 0x70, ...zeros(9)],
  [30, 4, 0x81, 3],
  [30, 4, 0x90, 3],
  [30, 0, 0, 0],
];

/** Packets that need not be well formed, without the Multipath options that upstream's parser does not forget. */
export const ODD_PACKETS: readonly Uint8Array[] = [
  new Uint8Array(),
  tcpWith([2, 4, 5, 0xb4, 4, 2, ...timestamps, 1, 3, 3, 7]),
  tcpWith(timestamps),
  tcpWith([2, 4, 5, 0xb4]),
  tcpWith([2, 2, 3, 3, 7, 1, 99, 3, 1]),
  tcpWith([8, 4, 1, 2, 5, 2]),
  tcpWith([1, 1, 1, 2]),
  tcpWith([2, 1, 0, 0]),
  tcpWith([2, 40, 0, 0]),
  changed(tcpWith([]), { 46: 0x40 }),
  changed(tcpWith([]), { 46: 0xf0 }),
  changed(tcpWith([]), { 46: 0x51, 47: 0xff }),
  ipv4With([7, 4, 1, 2]),
  ipv4With([1, 1, 1, 7]),
  ipv4With([7, 9, 1, 2]),
  ipv4With([7, 2, 1, 2]),
  ...[0, 19, 24, 900].map((length) => ipv4With([], length)),
  changed(ipv4With([]), { 14: 0x44 }),
  changed(ipv4With([]), { 14: 0x4f }),
  changed(ipv4With([]), { 20: 0xe0, 15: 0xb8 }),
  changed(ipv4With([]), { 20: 0x20, 21: 0x10 }),
  ...[4, 7, 8, 9, 400].map((length) => ipv4Packet(17, [0, 53, 1, 187, length >> 8, length & 255, 9, 9, 1])),
  ipv4Packet(17, [0, 53, 1, 187, 0, 0, 9, 9, 1, 2, 3, 4, 5, 6]),
  ipv4Packet(132, [0x8e, 0x3c, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2, 1]),
  ipv4Packet(132, [0x8e, 0x3c]),
  ipv4Packet(1, [3, 3, 1, 2]),
  ipv4Packet(1, [3, 3, 1, 2, 0, 1, 0, 2, 9, 9]),
  ...[0x11, 0x16, 0x99].flatMap((type) =>
    [0, 5, 10, 15, 100, 0x80, 0xf7].map((time) => ipv4Packet(2, [type, time, 1, 2, 224, 0, 0, 1])),
  ),
  ipv4Packet(2, [0x22, 0, 1, 2]),
  ipv4Packet(4, [...ipv4Packet(1, [8, 0, 0, 0, 0, 0, 0, 0], { source: "10.0.0.1" }).subarray(14)]),
  ipv4Packet(41, [...v6(58, [128, 0, 0, 0]).subarray(14)]),
  ...[47, 50, 89, 255, 59, 94].map((protocol) => ipv4Packet(protocol, zeros(6))),
  ...[0, 1, 2, 43, 44, 60, 135, 6].map((next) => v6(next, zeros(8))),
  v6(0, [58, 0, 5, 2, 0, 0, 1, 0, 143, 0, 1, 2, 0, 0]),
  v6(0, [17, 1, 0, 0, 1, 9, ...zeros(9), 0, ...udpHeader()]),
  v6(0, [58, 3, 1, 0]),
  v6(0, [58]),
  v6(0, [58, 0, 1, 9, 0, 0, 0, 0]),
  v6(0, [58, 0, 0xc2, 4, 0, 0, 1, 0]),
  v6(0, [58, 0, 0xc2, 4, 0, 1, 0, 1]),
  changed(v6(0, [58, 0, 0xc2, 4, 0, 1, 0, 1, 128, 0, 1, 1]), { 19: 0 }),
  changed(v6(0, [58, 0, 1, 4, 0, 0, 0, 0]), { 19: 0 }),
  changed(v6(17, udpHeader()), { 19: 0 }),
  changed(v6(17, udpHeader()), { 14: 0x6b, 15: 0xcd, 19: 99 }),
  v6(58, [135, 0, 1]),
  ...[0, 5, 0x1a2, 0x712, 0x806, 0x88cc, 0xffff, 0x1234].map((type) =>
    changed(ipv4With([]), { 12: type >> 8, 13: type & 255 }),
  ),
  changed(ipv4With([]), { 12: 0, 13: 200 }),
  ...[1, 13, 14, 20, 33, 34, 40].map((length) => ipv4With([]).subarray(0, length)),
  ...[14, 40, 54, 60].map((length) => v6(17, udpHeader()).subarray(0, length)),
  ...[22, 80, 443, 2049, 3868, 4240, 4789, 6970, 8472, 9082, 18000, 38412, 49001, 49151, 65535].flatMap((port) => [
    ipv4Packet(6, tcpHeader({ sourcePort: port, destinationPort: port + 1 })),
    ipv4Packet(17, udpHeader({ sourcePort: port, destinationPort: port - 1 })),
    ipv4Packet(132, [port >> 8, port & 255, 0, 9, ...zeros(8)]),
  ]),
  // what upstream's parser keeps of these stays in what it says of every later packet
  tcpWith([2, 4, 5, 0xb4, 0, 9, 9, 9]),
  ...MULTIPATH.map((option) => tcpWith(option)),
  ipv4With([7, 3, 1, 0]),
  ipv4Packet(112, [0x21, 1, 100, 1, 0, 1, 0xba, 0x52, 192, 168, 0, 1]),
  ipv4Packet(112, [0x22, 1, 100, 1, 0, 1, 0xba, 0x52, 192, 168, 0, 1]),
  ipv4Packet(112, [0x21, 1, 100, 0, 0, 1, 0xba, 0x52, 192, 168, 0, 1]),
];
