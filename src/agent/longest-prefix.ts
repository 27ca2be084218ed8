import { cidrContains, parseCidr } from "../model/cidr.ts";

/** The value of the longest prefix that holds the address; undefined when none does. */
export function longestMatch<T>(prefixes: ReadonlyMap<string, T>, address: string): T | undefined {
  const exact = prefixes.get(`${address}/32`);
  if (exact !== undefined) return exact;
  const wanted = parseCidr(`${address}/32`);
  if (wanted === undefined) return undefined;
  let best: { readonly length: number; readonly value: T } | undefined;
  for (const [prefix, value] of prefixes) {
    if (prefix.endsWith("/32")) continue;
    const cidr = parseCidr(prefix);
    if (cidr === undefined || !cidrContains(cidr, wanted) || cidr.length <= (best?.length ?? -1)) continue;
    best = { length: cidr.length, value };
  }
  return best?.value;
}
