/** A block of ports that share their leading bits, as a longest-prefix-match key holds it. */
export interface PortPrefix {
  readonly port: number;
  /** Leading bits that count: 16 = one port, 0 = all. */
  readonly prefix: number;
}

export const PORT_BITS = 16;
export const MAX_PORT = 65_535;

/** The fewest blocks that cover exactly `first`..`last` (0..65535, both included), lowest first. */
export function portPrefixes(first: number, last: number): PortPrefix[] {
  const blocks: PortPrefix[] = [];
  let port = first;
  while (port <= last) {
    let size = port === 0 ? MAX_PORT + 1 : port & -port;
    while (port + size - 1 > last) size /= 2;
    blocks.push({ port, prefix: PORT_BITS - Math.log2(size) });
    port += size;
  }
  return blocks;
}

/** First port of the block of `prefix` bits around `port`. */
export function maskPort(port: number, prefix: number): number {
  return prefix === 0 ? 0 : port & (MAX_PORT << (PORT_BITS - prefix)) & MAX_PORT;
}
