import type { Cidr } from "./cidr.ts";

/** Where prefixes are cut, in bits of their own family: few, since what is under a key is compared one by one. */
const CUTS = { 4: [0, 8, 16], 6: [0, 16, 32, 48] } as const;
const KINDS = 8;

/**
 * Numbers of the prefixes around this one that have a length at which prefixes are cut, the longest last. Where one prefix contains
 * another, the last number of the outer is among those of the inner.
 */
export function prefixKeys({ family, bytes, length }: Cidr): number[] {
  const start = family === 4 ? 12 : 0;
  const keys: number[] = [];
  let value = 0;
  let at = 0;
  for (const [index, cut] of CUTS[family].entries()) {
    if (cut > length) break;
    for (; at < cut / 8; at++) value = value * 256 + bytes[start + at]!;
    keys.push(value * KINDS + index + (family === 4 ? 0 : CUTS[6].length));
  }
  return keys;
}
