import { addressPrefix, cidrContains, parseCidr } from "../model/cidr.ts";

/** The value of the longest prefix that holds the address; undefined when none does. */
export function longestMatch<T>(prefixes: ReadonlyMap<string, T>, address: string): T | undefined {
  const exact = prefixes.get(addressPrefix(address));
  if (exact !== undefined) return exact;
  const wanted = parseCidr(address);
  if (wanted === undefined) return undefined;
  let best: { readonly length: number; readonly value: T } | undefined;
  for (const [prefix, value] of prefixes) {
    if (prefix.endsWith("/32") || prefix.endsWith("/128")) continue;
    const cidr = parseCidr(prefix);
    if (cidr === undefined || !cidrContains(cidr, wanted) || cidr.length <= (best?.length ?? -1)) continue;
    best = { length: cidr.length, value };
  }
  return best?.value;
}
