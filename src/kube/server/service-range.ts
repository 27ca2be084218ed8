import { type Cidr, cidrContains, formatAddress, parseAddress, parseCidr } from "../../model/cidr.ts";

/** Kept for services that name their address, as Kubernetes does; the others are taken from above. */
const RESERVED_ADDRESSES = 256;
/** As kube-apiserver: a range has at most a million addresses. */
const MOST_HOST_BITS = 20;

/** An address family as Kubernetes names it. */
export type ServiceFamily = "IPv4" | "IPv6";

/** Where services of one family have their addresses. */
export interface ServiceRange {
  readonly family: ServiceFamily;
  readonly cidr: Cidr;
}

/** The family of an address; undefined when the text is no address. */
export function familyOfAddress(text: string): ServiceFamily | undefined {
  if (parseAddress(text) === undefined) return undefined;
  return text.includes(":") ? "IPv6" : "IPv4";
}

/** An address as it is compared: IPv6 has many spellings. Text that is no address stays as it is. */
export function canonicalAddress(text: string): string {
  const bytes = parseAddress(text);
  return bytes === undefined ? text : formatAddress(bytes);
}

function serviceRange(text: string): ServiceRange {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Error(`service range ${text} is no address prefix`);
  if ((cidr.family === 4 ? 32 : 128) - cidr.length > MOST_HOST_BITS) {
    throw new Error(`service range ${text} is too large: it may have ${MOST_HOST_BITS} bits of its own`);
  }
  return { family: cidr.family === 4 ? "IPv4" : "IPv6", cidr };
}

/** The ranges of a cluster, its first family first: one, or one of each family. Throws for anything else. */
export function serviceRanges(texts: readonly string[]): readonly ServiceRange[] {
  const ranges = texts.map(serviceRange);
  const families = new Set(ranges.map(({ family }) => family));
  if (ranges.length === 0 || families.size < ranges.length) {
    throw new Error(`service ranges ${texts.join(",")}: give one, or one of each family`);
  }
  return ranges;
}

function addressAt({ cidr }: ServiceRange, offset: number): string {
  const bytes = Uint8Array.from(cidr.bytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(12, view.getUint32(12) + offset);
  return formatAddress(bytes);
}

/** The last address that a service may have: IPv4 ends with the broadcast address. */
function lastOffset({ cidr }: ServiceRange): number {
  return cidr.family === 4 ? 2 ** (32 - cidr.length) - 2 : 2 ** (128 - cidr.length) - 1;
}

/** True when a service of this range may have the address; the range's own address is nobody's. */
export function holds(range: ServiceRange, address: string): boolean {
  const cidr = parseCidr(address);
  if (cidr === undefined || !cidrContains(range.cidr, cidr)) return false;
  const own = formatAddress(cidr.bytes);
  return own !== addressAt(range, 0) && (range.cidr.family === 6 || own !== addressAt(range, lastOffset(range) + 1));
}

/** The first address of the range that is not in `taken` (canonical texts); undefined when all are. */
export function freeAddress(range: ServiceRange, taken: ReadonlySet<string>): string | undefined {
  const last = lastOffset(range);
  for (let offset = 1 + RESERVED_ADDRESSES; offset <= last; offset++) {
    const address = addressAt(range, offset);
    if (!taken.has(address)) return address;
  }
  return undefined;
}
