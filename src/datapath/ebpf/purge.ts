/** Takes an address out of connection tracking: the next pod with it must not inherit its connections. */
import { LAYOUT } from "./layout.ts";
import { batches, type KernelMap } from "./map.ts";

const KEY = LAYOUT.sg_ct_key;

/** Returns how many entries went. `address` is the 16 bytes of an address. */
export function purgeAddress(conntrack: KernelMap, address: Buffer): number {
  const gone: Buffer[] = [];
  for (const { keys, count } of batches(conntrack, KEY.size, LAYOUT.sg_ct_entry.size)) {
    for (let at = 0; at < count * KEY.size; at += KEY.size) {
      const key = keys.subarray(at, at + KEY.size);
      const src = key.subarray(KEY.fields.src, KEY.fields.src + 16);
      const dst = key.subarray(KEY.fields.dst, KEY.fields.dst + 16);
      if (src.equals(address) || dst.equals(address)) gone.push(Buffer.from(key));
    }
  }
  for (const key of gone) conntrack.delete(key);
  return gone.length;
}
