/** Longest-prefix lookup over IPv4 prefixes, for the datapath in memory. */
import { isIPv4 } from "node:net";
import type { IpcacheEntry } from "../port.ts";

function toNumber(address: string): number {
  if (!isIPv4(address)) throw new Error(`datapath: "${address}" is not an IPv4 address (IPv6 is not supported yet)`);
  return address.split(".").reduce((value, part) => value * 256 + Number(part), 0);
}

/** `10.1.2.3/8` as `10.1.2.3/8`, an address as `/32`; throws on what is neither. */
export function normalPrefix(prefix: string): string {
  const [address = "", bits = "32"] = prefix.split("/");
  toNumber(address);
  if (!/^\d+$/.test(bits) || Number(bits) > 32) throw new Error(`datapath: "${prefix}" is not an IPv4 prefix`);
  return `${address}/${Number(bits)}`;
}

function contains(prefix: string, address: number): boolean {
  const [network = "", bits = "32"] = prefix.split("/");
  const size = 2 ** (32 - Number(bits));
  return Math.floor(toNumber(network) / size) === Math.floor(address / size);
}

export function longestPrefix(entries: ReadonlyMap<string, IpcacheEntry>, address: string): IpcacheEntry | undefined {
  const wanted = toNumber(address);
  const bits = (prefix: string) => Number(prefix.split("/")[1]);
  const found = [...entries].filter(([prefix]) => contains(prefix, wanted));
  return found.sort(([a], [b]) => bits(b) - bits(a))[0]?.[1];
}
