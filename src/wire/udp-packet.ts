const UDP = 17;
const UDP_HEADER = 8;
const V4_HEADER = 20;
const V6_HEADER = 40;
const TTL = 64;
const MOST_BYTES = 0xffff;

/** Who sends a datagram to whom. Addresses are 4 or 16 bytes, both of one family; ports in host order. */
export interface UdpPath {
  readonly source: Uint8Array;
  readonly sourcePort: number;
  readonly destination: Uint8Array;
  readonly destinationPort: number;
}

/** Where packets are written: a buffer for each would be what a collection has most to do with. */
const written = new Uint8Array(V6_HEADER + MOST_BYTES);
const view = new DataView(written.buffer);

/**
 * The whole IP packet of a datagram: IPv4 without options (RFC 791) or IPv6 without extension headers (RFC 8200), UDP with
 * its checksum (RFC 768). The IPv4 header's own checksum and identification are zero: Linux fills them in for raw sockets.
 * Lent until the next call. Undefined when the datagram is too long for a packet.
 */
export function udpPacket(path: UdpPath, payload: Uint8Array): Uint8Array | undefined {
  const { source, destination } = path;
  const length = UDP_HEADER + payload.length;
  const header = source.length === 4 ? V4_HEADER : V6_HEADER;
  // The length field of IPv4 counts its header, that of IPv6 does not.
  if (length > (header === V4_HEADER ? MOST_BYTES - V4_HEADER : MOST_BYTES)) return undefined;
  const packet = written.subarray(0, header + length);
  packet.fill(0, 0, header + UDP_HEADER);
  if (source.length === 4) {
    view.setUint8(0, 0x45);
    view.setUint16(2, packet.length);
    view.setUint16(6, 0x4000); // not to be cut up on the way
    view.setUint8(8, TTL);
    view.setUint8(9, UDP);
  } else {
    view.setUint8(0, 0x60);
    view.setUint16(4, length);
    view.setUint8(6, UDP);
    view.setUint8(7, TTL);
  }
  packet.set(source, header - 2 * source.length);
  packet.set(destination, header - source.length);
  view.setUint16(header, path.sourcePort);
  view.setUint16(header + 2, path.destinationPort);
  view.setUint16(header + 4, length);
  packet.set(payload, header + UDP_HEADER);
  // The pseudo header has the same words as the two addresses, the protocol and the length.
  const sum = onesComplementSum(packet, header - 2 * source.length) + UDP + length;
  view.setUint16(header + 6, folded(sum) ^ 0xffff || 0xffff);
  return packet;
}

function onesComplementSum(bytes: Uint8Array, from: number): number {
  let sum = 0;
  for (let at = from; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  return sum;
}

function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) rest = (rest & 0xffff) + Math.floor(rest / 0x10000);
  return rest;
}
