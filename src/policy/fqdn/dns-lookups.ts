import { compareText } from "../../model/label.ts";
import type { NameMatcher } from "../dns-pattern.ts";
import type { FqdnCache } from "./fqdn-cache.ts";

/** What `cilium fqdn cache list` lists: the model `DNSLookup` of Cilium's API, which leaves out a 0. */
export interface DnsLookupModel {
  readonly fqdn: string;
  readonly ips: readonly string[];
  readonly "lookup-time": string;
  readonly ttl?: number;
  readonly "expiration-time": string;
  readonly "endpoint-id"?: number;
  /** An answer that was got, or an address whose answer ran out and that is in use. */
  readonly source: "lookup" | "connection";
}

export interface DnsLookupFilter {
  readonly endpointId?: number;
  readonly matches?: NameMatcher;
  readonly source?: DnsLookupModel["source"];
}

/** Go's time that is none. */
const NEVER = "0001-01-01T00:00:00.000Z";

function timeText(ms: number): string {
  return ms === 0 ? NEVER : new Date(ms).toISOString();
}

/** What the endpoints know, by endpoint, source and name. */
export function dnsLookups(cache: FqdnCache, filter: DnsLookupFilter = {}): DnsLookupModel[] {
  const { endpointId, matches = () => true, source } = filter;
  const found: DnsLookupModel[] = [];
  for (const { id, lookups, alive, nextRoundMs } of [...cache.list()].sort((a, b) => a.id - b.id)) {
    if (endpointId !== undefined && id !== endpointId) continue;
    const owner = id === 0 ? {} : { "endpoint-id": id };
    const got = lookups.map(
      ({ name, addresses, lookupMs, expiryMs, ttl }): DnsLookupModel => ({
        ...owner,
        "expiration-time": timeText(expiryMs),
        fqdn: name,
        ips: addresses,
        "lookup-time": timeText(lookupMs),
        source: "lookup",
        ...(ttl === 0 ? {} : { ttl }),
      }),
    );
    const used = alive.flatMap(({ names, address, aliveAtMs }) =>
      names.map(
        (name): DnsLookupModel => ({
          ...owner,
          "expiration-time": timeText(nextRoundMs),
          fqdn: name,
          ips: [address],
          "lookup-time": timeText(aliveAtMs),
          source: "connection",
        }),
      ),
    );
    for (const list of [got, used]) found.push(...list.sort((a, b) => compareText(a.fqdn, b.fqdn)));
  }
  return found.filter((lookup) => matches(lookup.fqdn) && (source === undefined || lookup.source === source));
}

/** The same as the rows of a table, its head first. */
export function dnsLookupRows(lookups: readonly DnsLookupModel[]): string[][] {
  const rows = lookups.map(({ "endpoint-id": id = 0, source, fqdn, ttl = 0, "expiration-time": expiry, ips }) => [
    String(id),
    source,
    fqdn,
    String(ttl),
    expiry,
    ips.join(","),
  ]);
  return [["Endpoint", "Source", "FQDN", "TTL", "ExpirationTime", "IPs"], ...rows];
}
