import { canonicalAddress } from "../../model/cidr.ts";
import type { DnsObservation } from "../../model/dns-observation.ts";
import type { EndpointNames, FqdnCache } from "./fqdn-cache.ts";
import type { DnsLookup } from "./lookups.ts";
import type { Zombie } from "./zombies.ts";

const VERSION = 1;

/** The cache as text for `readFqdnState`, in JSON; fields have the names that Cilium's API gives them. */
export function formatFqdnState(cache: FqdnCache): string {
  const endpoints = [...cache.list()].map(({ id, lookups, zombies }) => ({
    id,
    lookups: lookups.map(({ name, addresses, ttl, lookupMs }) => ({
      fqdn: name,
      ips: addresses,
      ttl,
      "lookup-time": new Date(lookupMs).toISOString(),
    })),
    zombies: zombies.map(({ address, names, aliveAtMs, dueMs }) => ({
      ip: address,
      names,
      "alive-at": new Date(aliveAtMs).toISOString(),
      "delete-pending-at": new Date(dueMs).toISOString(),
    })),
  }));
  return JSON.stringify({ version: VERSION, endpoints });
}

/**
 * Reads such a text back, for `FqdnCache.restore`. Never throws: what makes no sense is left out and told in `errors`,
 * and a text that is none of this kind gives no endpoint.
 */
export function readFqdnState(text: string): { readonly endpoints: EndpointNames[]; readonly errors: string[] } {
  const errors: string[] = [];
  const state = parsed(text);
  if (!isObject(state) || state["version"] !== VERSION || !Array.isArray(state["endpoints"]))
    return { endpoints: [], errors: [`no list of names of version ${VERSION}`] };
  const endpoints = state["endpoints"].flatMap((value: unknown, index): EndpointNames[] => {
    const id = isObject(value) ? value["id"] : undefined;
    if (!isObject(value) || !isCount(id)) {
      errors.push(`endpoints[${index}] has no number`);
      return [];
    }
    const listed = <T>(field: string, read: (item: Record<string, unknown>) => T | undefined): T[] => {
      const items: unknown = value[field];
      if (!Array.isArray(items)) errors.push(`endpoint ${id} has no list of ${field}`);
      return (Array.isArray(items) ? items : []).flatMap((item: unknown, at) => {
        const found = isObject(item) ? read(item) : undefined;
        if (found === undefined) errors.push(`${field}[${at}] of endpoint ${id} makes no sense`);
        return found === undefined ? [] : [found];
      });
    };
    return [{ id, lookups: listed("lookups", readLookup), zombies: listed("zombies", readZombie) }];
  });
  return { endpoints, errors };
}

/** Reads one observation as JSON; undefined when it is none, such as half a line. Never throws. */
export function readDnsObservation(text: string): DnsObservation | undefined {
  const value = parsed(text);
  if (!isObject(value)) return undefined;
  const { endpointId, name, addresses, ttlSeconds, timeMs } = value;
  if (!isCount(endpointId) || !isName(name) || !isListOf(addresses, isAddress)) return undefined;
  if (typeof timeMs !== "number" || !Number.isFinite(timeMs)) return undefined;
  return isCount(ttlSeconds) ? { endpointId, name, addresses, ttlSeconds, timeMs } : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readLookup(item: Record<string, unknown>): DnsLookup | undefined {
  const { fqdn, ips, ttl } = item;
  const lookupMs = timeOf(item["lookup-time"]);
  if (!isName(fqdn) || lookupMs === undefined || !isListOf(ips, isAddress)) return undefined;
  if (!isCount(ttl)) return undefined;
  return { name: fqdn, addresses: ips, lookupMs, expiryMs: lookupMs + ttl * 1000, ttl };
}

function readZombie(item: Record<string, unknown>): Zombie | undefined {
  const { ip, names } = item;
  const aliveAtMs = timeOf(item["alive-at"]);
  const dueMs = timeOf(item["delete-pending-at"]);
  if (!isAddress(ip) || !isListOf(names, isName) || aliveAtMs === undefined || dueMs === undefined) return undefined;
  return { address: ip, names, aliveAtMs, dueMs };
}

function timeOf(value: unknown): number | undefined {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.endsWith(".") && value === value.toLowerCase();
}

function isAddress(value: unknown): value is string {
  return typeof value === "string" && canonicalAddress(value) === value;
}

function isListOf<T>(value: unknown, isItem: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.length > 0 && value.every(isItem);
}
