/** An address prefix. Addresses are 16 bytes; IPv4 a.b.c.d is ::ffff:a.b.c.d. */
export interface Cidr {
  readonly family: 4 | 6;
  /** Bits beyond `length` are zero. */
  readonly bytes: Uint8Array;
  /** Counted in the address's own family: 0..32 or 0..128. */
  readonly length: number;
}

const V4_OFFSET_BITS = 96;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/** 16 bytes of an IPv4 or IPv6 address; undefined when the text is not one (no leading zeros, no zones, no mapped IPv4). */
export function parseAddress(text: string): Uint8Array | undefined {
  return text.includes(":") ? parseV6(text) : parseV4(text);
}

/** Four numbers up to 255 without needless zeros, read unit by unit: every packet's record comes through here. */
function parseV4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(16);
  bytes[10] = 0xff;
  bytes[11] = 0xff;
  let place = 12;
  let digits = 0;
  let octet = 0;
  for (let index = 0; index <= text.length; index++) {
    const unit = index === text.length ? DOT : text.charCodeAt(index);
    if (unit === DOT) {
      if (digits === 0 || octet > 255 || place === 16) return undefined;
      bytes[place++] = octet;
      digits = 0;
      octet = 0;
    } else {
      if (unit < ZERO || unit > NINE || digits === 3 || (digits > 0 && octet === 0)) return undefined;
      octet = octet * 10 + unit - ZERO;
      digits++;
    }
  }
  return place === 16 ? bytes : undefined;
}

function parseV6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groups(halves[0]!);
  const tail = halves.length === 2 ? groups(halves[1]!) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const bytes = new Uint8Array(16);
  [...head, ...new Array<number>(missing).fill(0), ...tail].forEach((group, index) => {
    bytes[index * 2] = group >> 8;
    bytes[index * 2 + 1] = group & 0xff;
  });
  return isMappedV4(bytes) ? undefined : bytes;
}

/** 16-bit groups of one side of `::`; the last one may be an IPv4 address, which counts for two. */
function groups(text: string): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const found: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      found.push(Number.parseInt(part, 16));
      continue;
    }
    const v4 = index === parts.length - 1 ? parseV4(part) : undefined;
    if (v4 === undefined) return undefined;
    found.push((v4[12]! << 8) | v4[13]!, (v4[14]! << 8) | v4[15]!);
  }
  return found;
}

function isMappedV4(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
}

/** Reads `address/length`, or an address alone as its full length. Host bits are cleared. Undefined when it is neither. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.lastIndexOf("/");
  const bytes = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (bytes === undefined) return undefined;
  const family = isMappedV4(bytes) ? 4 : 6;
  const most = family === 4 ? 32 : 128;
  const digits = slash === -1 ? String(most) : text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(digits) || Number(digits) > most) return undefined;
  const length = Number(digits);
  return { family, bytes: mask(bytes, family === 4 ? V4_OFFSET_BITS + length : length), length };
}

function mask(bytes: Uint8Array, bits: number): Uint8Array {
  const masked = new Uint8Array(16);
  const whole = bits >> 3;
  masked.set(bytes.subarray(0, whole));
  if (whole < 16) masked[whole] = bytes[whole]! & (0xff00 >> (bits & 7));
  return masked;
}

/** The prefix of this length, at most its own, that contains it. */
export function supernet({ family, bytes }: Cidr, length: number): Cidr {
  return { family, bytes: mask(bytes, family === 4 ? V4_OFFSET_BITS + length : length), length };
}

/** Length of the prefix in the 128-bit form. */
export function bitsOf(cidr: Cidr): number {
  return cidr.family === 4 ? V4_OFFSET_BITS + cidr.length : cidr.length;
}

/** True when every address of `inner` is in `outer`; prefixes of different families never contain each other. */
export function cidrContains(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || outer.length > inner.length) return false;
  const bits = bitsOf(outer);
  const whole = bits >> 3;
  for (let index = 0; index < whole; index++) if (outer.bytes[index] !== inner.bytes[index]) return false;
  return (bits & 7) === 0 || outer.bytes[whole] === (inner.bytes[whole]! & (0xff00 >> (bits & 7)) & 0xff);
}

/** Text of a 16-byte address; IPv6 as RFC 5952 wants it. */
export function formatAddress(bytes: Uint8Array): string {
  if (isMappedV4(bytes)) return bytes.subarray(12).join(".");
  const values = Array.from({ length: 8 }, (_, index) => (bytes[index * 2]! << 8) | bytes[index * 2 + 1]!);
  const gap = longestZeroRun(values);
  const hex = (part: readonly number[]) => part.map((value) => value.toString(16)).join(":");
  if (gap.length < 2) return hex(values);
  return `${hex(values.slice(0, gap.start))}::${hex(values.slice(gap.start + gap.length))}`;
}

function longestZeroRun(values: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [index, value] of values.entries()) {
    length = value === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: index - length + 1, length };
  }
  return best;
}

/** The prefix that holds this address alone, given as text. */
export function addressPrefix(address: string): string {
  return address.includes(":") ? `${address}/128` : `${address}/32`;
}

/** An address with a port; IPv6 in brackets (RFC 5952, 6). */
export function addressPort(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The text of an address as it is written here, whatever form it came in; undefined when it is none. */
export function canonicalAddress(text: string): string | undefined {
  const bytes = parseAddress(text);
  return bytes === undefined ? undefined : formatAddress(bytes);
}

/** `address/length`. */
export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.bytes)}/${cidr.length}`;
}
