import { formatAddress } from "../../model/cidr.ts";

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

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
  const [first, second, third] = [view.getUint32(offset), view.getUint32(offset + 4), view.getUint32(offset + 8)];
  if ((first | second | third | view.getUint32(offset + 12)) === 0) return "";
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, 16);
  return first === 0 && second === 0 && third === 0xffff ? ipv4Text(bytes, 12) : ipv6Text(bytes, 0);
}

/** `aa:bb:cc:dd:ee:ff` of six bytes at `offset`. */
export function macText(bytes: Uint8Array, offset: number): string {
  let text = HEX[bytes[offset] ?? 0]!;
  for (let i = 1; i < 6; i++) text += `:${HEX[bytes[offset + i] ?? 0]}`;
  return text;
}
