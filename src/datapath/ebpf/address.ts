/** Text of addresses, prefixes and macs to the bytes of bpf/abi.h and back. IPv4 lives as ::ffff:a.b.c.d. */
import { isIPv4 } from "node:net";

const V4_PREFIX = 96;

function octets(text: string): number[] {
  if (!isIPv4(text)) throw new Error(`datapath: "${text}" is not an IPv4 address (IPv6 is not supported yet)`);
  return text.split(".").map(Number);
}

/** Writes the 16 bytes of `text` at `offset`. */
export function writeAddress(buffer: Buffer, offset: number, text: string): void {
  buffer.fill(0, offset, offset + 10);
  buffer.fill(0xff, offset + 10, offset + 12);
  buffer.set(octets(text), offset + 12);
}

export function readAddress(buffer: Buffer, offset: number): string {
  return buffer.subarray(offset + 12, offset + 16).join(".");
}

/** `10.0.0.0/8` or an address to the address and the number of bits that count, of 32. */
export function splitPrefix(prefix: string): { address: string; bits: number } {
  const [address = "", bitsText = "32"] = prefix.split("/");
  const bits = Number(bitsText);
  octets(address);
  if (!/^\d+$/.test(bitsText) || bits > 32) throw new Error(`datapath: "${prefix}" is not an IPv4 prefix`);
  return { address, bits };
}

/** Length of the prefix as an LPM key counts it. */
export const lpmBits = (bits: number): number => V4_PREFIX + bits;
export const prefixText = (address: string, lpm: number): string => `${address}/${lpm - V4_PREFIX}`;

/** Network address and mask of a range as the numbers that lie in memory in network order. */
export function writeNetwork(buffer: Buffer, offset: number, prefix: string): void {
  const { address, bits } = splitPrefix(prefix);
  const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
  const value = Buffer.from(octets(address)).readUInt32BE(0);
  buffer.writeUInt32BE((value & mask) >>> 0, offset);
  buffer.writeUInt32BE(mask, offset + 4);
}

export function writeMac(buffer: Buffer, offset: number, text: string): void {
  const bytes = text.split(":").map((part) => Number.parseInt(part, 16));
  if (bytes.length !== 6 || bytes.some(Number.isNaN)) throw new Error(`datapath: "${text}" is not a mac address`);
  buffer.set(bytes, offset);
}

export function readMac(buffer: Buffer, offset: number): string {
  return Array.from(buffer.subarray(offset, offset + 6), (byte) => byte.toString(16).padStart(2, "0")).join(":");
}
