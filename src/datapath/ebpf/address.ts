/** Text of addresses, prefixes and macs to the bytes of bpf/abi.h and back. IPv4 lives as ::ffff:a.b.c.d. */
import { bitsOf, type Cidr, formatAddress, formatCidr, parseAddress, parseCidr } from "../../model/cidr.ts";

const V4_BITS = 96;

/** The latest addresses that were written: the proxy asks for the same ones again and again. */
const known = new Map<string, Uint8Array>();
const MOST_KNOWN = 1024;

/** Writes the 16 bytes of `text` at `offset`. */
export function writeAddress(buffer: Buffer, offset: number, text: string): void {
  let bytes = known.get(text);
  if (bytes === undefined) {
    bytes = parseAddress(text);
    if (bytes === undefined) throw new Error(`datapath: "${text}" is not an IPv4 or IPv6 address`);
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(text, bytes);
  }
  buffer.set(bytes, offset);
}

/** Whether the 16 bytes are an IPv4 address. */
export function isMapped(buffer: Buffer, offset: number): boolean {
  return buffer.readBigUInt64BE(offset) === 0n && buffer.readUInt32BE(offset + 8) === 0xffff;
}

export function readAddress(buffer: Buffer, offset: number): string {
  return formatAddress(buffer.subarray(offset, offset + 16));
}

/** `10.0.0.0/8` or an address alone; throws on what is neither. */
export function prefixOf(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Error(`datapath: "${text}" is not an IPv4 or IPv6 prefix`);
  return cidr;
}

/** The prefix of an LPM key: its 16 bytes at `offset` and the number of bits that count, of 128. */
export function readPrefix(buffer: Buffer, offset: number, bits: number): string {
  const bytes = new Uint8Array(buffer.subarray(offset, offset + 16));
  const isV4 = bits >= V4_BITS && !formatAddress(bytes).includes(":");
  return formatCidr({ family: isV4 ? 4 : 6, bytes, length: isV4 ? bits - V4_BITS : bits });
}

/** Network address and mask of a range (struct sg_range). */
export function writeRange(buffer: Buffer, offset: number, prefix: string): void {
  const cidr = prefixOf(prefix);
  const bits = bitsOf(cidr);
  buffer.set(cidr.bytes, offset);
  for (let index = 0; index < 16; index++) {
    const rest = Math.min(8, Math.max(0, bits - 8 * index));
    buffer[offset + 16 + index] = (0xff00 >> rest) & 0xff;
  }
}

export function writeMac(buffer: Buffer, offset: number, text: string): void {
  const bytes = text.split(":").map((part) => Number.parseInt(part, 16));
  if (bytes.length !== 6 || bytes.some(Number.isNaN)) throw new Error(`datapath: "${text}" is not a mac address`);
  buffer.set(bytes, offset);
}

export function readMac(buffer: Buffer, offset: number): string {
  return Array.from(buffer.subarray(offset, offset + 6), (byte) => byte.toString(16).padStart(2, "0")).join(":");
}
