import { formatAddress } from "../../model/cidr.ts";

const V4_PREFIX_WORDS = [0, 0, 0, 0, 0, 0xffff] as const;

/** Dotted text of four bytes at `offset`. The caller has checked that they are there. */
export function ipv4Text(bytes: Uint8Array, offset: number): string {
  return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`;
}

/** Text of sixteen bytes at `offset` in the shortest form of RFC 5952. The caller has checked that they are there. */
export function ipv6Text(bytes: Uint8Array, offset: number): string {
  return formatAddress(bytes.subarray(offset, offset + 16));
}

/** Text of a `struct sg_addr`: IPv4 when it is mapped into ::ffff:0:0/96; empty when all bytes are zero. */
export function mappedAddressText(view: DataView, offset: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, 16);
  if (V4_PREFIX_WORDS.every((word, i) => view.getUint16(offset + 2 * i) === word)) return ipv4Text(bytes, 12);
  return bytes.every((byte) => byte === 0) ? "" : ipv6Text(bytes, 0);
}

/** `aa:bb:cc:dd:ee:ff` of six bytes at `offset`. */
export function macText(bytes: Uint8Array, offset: number): string {
  let text = "";
  for (let i = 0; i < 6; i++) text += `${i ? ":" : ""}${(bytes[offset + i] ?? 0).toString(16).padStart(2, "0")}`;
  return text;
}
