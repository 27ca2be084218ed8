/** Longest-prefix lookup, for the datapath in memory. */
import { cidrContains, formatAddress, parseCidr } from "../../model/cidr.ts";
import type { IpcacheEntry } from "../port.ts";

function prefixOf(text: string) {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Error(`datapath: "${text}" is not an IPv4 or IPv6 prefix`);
  return cidr;
}

/** The prefix as it is listed; an address as the prefix of its full length. Throws on what is neither. */
export function normalPrefix(prefix: string): string {
  const { bytes, length } = prefixOf(prefix);
  return `${formatAddress(bytes)}/${length}`;
}

export function longestPrefix(entries: ReadonlyMap<string, IpcacheEntry>, address: string): IpcacheEntry | undefined {
  const wanted = prefixOf(address);
  const found = [...entries].filter(([prefix]) => cidrContains(prefixOf(prefix), wanted));
  return found.sort(([a], [b]) => prefixOf(b).length - prefixOf(a).length)[0]?.[1];
}
