import { describe, expect, test } from "vitest";
import { dnsLookupRows, dnsLookups } from "./dns-lookups.ts";
import { FqdnCache } from "./fqdn-cache.ts";
import { formatFqdnState, readDnsObservation, readFqdnState } from "./fqdn-state.ts";

const T0 = Date.parse("2026-01-01T00:00:00Z");

/** Endpoint 7 has an answer in force and one that ran out; endpoint 9 has one of IPv6. */
function filled(): FqdnCache {
  const cache = new FqdnCache();
  cache.record(7, { name: "old.example.com.", addresses: ["192.0.2.9"], ttl: 10 }, T0);
  cache.record(7, { name: "api.example.com.", addresses: ["192.0.2.1", "192.0.2.2"], ttl: 300 }, T0);
  cache.record(9, { name: "api.example.com.", addresses: ["2001:db8::1"], ttl: 0 }, T0 + 60_000);
  cache.collect(T0 + 20_000);
  cache.connectionsSeen([[7, "192.0.2.9"]], T0 + 30_000, T0 + 40_000);
  return cache;
}

function restored(text: string): FqdnCache {
  const { endpoints, errors } = readFqdnState(text);
  expect(errors).toEqual([]);
  const cache = new FqdnCache();
  for (const endpoint of endpoints) cache.restore(endpoint);
  return cache;
}

describe("a restart", () => {
  test("loses nothing", () => {
    const cache = filled();
    const text = formatFqdnState(cache);
    const again = restored(text);
    expect(formatFqdnState(again)).toBe(text);
    expect([...again.names()].toSorted()).toEqual([...cache.names()].toSorted());
    for (const name of cache.names()) expect(again.addressesOf(name)).toEqual(cache.addressesOf(name));
  });

  test("leaves what ran out meanwhile, until two rounds saw no connection", () => {
    const cache = restored(formatFqdnState(filled()));
    const later = T0 + 86_400_000;
    expect(cache.collect(later)).toEqual([]);
    cache.connectionsSeen([[7, "192.0.2.1"]], later + 1000, later + 2000);
    cache.connectionsSeen([[7, "192.0.2.1"]], later + 2000, later + 3000);
    expect(cache.collect(later + 2500).toSorted()).toEqual(["api.example.com.", "old.example.com."]);
    expect(cache.addressesOf("api.example.com.")).toEqual(["192.0.2.1", "192.0.2.2"]);
  });

  test("leaves an answer in force as long as it would have been", () => {
    const cache = new FqdnCache();
    cache.record(7, { name: "a.x.", addresses: ["192.0.2.1"], ttl: 300 }, T0);
    const lookups = (at: number) => {
      const again = restored(formatFqdnState(cache));
      again.collect(at);
      return dnsLookups(again, { source: "lookup" }).length;
    };
    expect([lookups(T0 + 299_000), lookups(T0 + 301_000)]).toEqual([1, 0]);
  });

  test("lists endpoints by their number, whoever asked first", () => {
    const cache = new FqdnCache();
    for (const id of [9, 7, 8]) cache.record(id, { name: "a.x.", addresses: ["192.0.2.1"], ttl: 300 }, T0);
    expect(dnsLookups(cache).map((each) => each["endpoint-id"])).toEqual([7, 8, 9]);
  });

  test("an address that is both in force and a zombie of the same name goes with the last of them", () => {
    const cache = new FqdnCache();
    const lookup = { name: "a.x.", addresses: ["192.0.2.1"], lookupMs: T0, expiryMs: T0 + 1000, ttl: 1 };
    const zombie = { address: "192.0.2.1", names: ["a.x."], aliveAtMs: 0, dueMs: T0 };
    for (const _ of [1, 2]) cache.restore({ id: 1, lookups: [lookup], zombies: [zombie] });
    expect(cache.removeEndpoint(1)).toEqual(["a.x."]);
  });
});

describe("a file that makes no sense", () => {
  test.each([
    ["nothing", ""],
    ["half a file", '{"version":1,"endpoints":[{"id":7,"look'],
    ["null", "null"],
    ["a list", "[]"],
    ["another version", '{"version":2,"endpoints":[]}'],
    ["no list", '{"version":1,"endpoints":{}}'],
  ])("%s is empty, with an error", (_, text) => {
    expect(readFqdnState(text)).toEqual({ endpoints: [], errors: ["no list of names of version 1"] });
  });

  test.each([
    ["an endpoint without a number", { endpoints: [{ id: -1, lookups: [], zombies: [] }] }],
    ["no list of lookups", { lookups: 5 }],
    ["no list of zombies", { zombies: undefined }],
    ["a name without its dot", { lookup: { fqdn: "a.x" } }],
    ["a name in capitals", { lookup: { fqdn: "A.x." } }],
    ["no address", { lookup: { ips: ["192.0.2.256"] } }],
    ["an address in another form", { lookup: { ips: ["2001:DB8::1"] } }],
    ["no addresses", { lookup: { ips: [] } }],
    ["a TTL that is none", { lookup: { ttl: 1.5 } }],
    ["a time that is none", { lookup: { "lookup-time": "yesterday" } }],
    ["a zombie without names", { zombie: { names: [] } }],
    ["a zombie without times", { zombie: { "alive-at": 5 } }],
  ])("%s is left out, with an error, and the rest stays", (_, change: Record<string, unknown>) => {
    const lookup = { fqdn: "a.x.", ips: ["192.0.2.1"], ttl: 30, "lookup-time": "2026-01-01T00:00:00.000Z" };
    const time = "2026-01-01T00:00:00.000Z";
    const zombie = { ip: "192.0.2.2", names: ["b.x."], "alive-at": time, "delete-pending-at": time };
    const bad = {
      id: 1,
      lookups: [{ ...lookup, ...(change["lookup"] as object) }],
      zombies: [{ ...zombie, ...(change["zombie"] as object) }],
      ...("lookups" in change || "zombies" in change ? change : {}),
    };
    const endpoints = [
      ...((change["endpoints"] as unknown[]) ?? [bad]),
      { id: 2, lookups: [lookup], zombies: [zombie] },
    ];
    const read = readFqdnState(JSON.stringify({ version: 1, endpoints }));
    expect(read.errors).toHaveLength(1);
    expect(read.endpoints.at(-1)).toMatchObject({ id: 2, lookups: [{ name: "a.x." }], zombies: [{ names: ["b.x."] }] });
  });
});

describe("one observation", () => {
  const whole = { endpointId: 7, name: "a.x.", addresses: ["192.0.2.1"], ttlSeconds: 30, timeMs: T0 };

  test("is read back", () => expect(readDnsObservation(JSON.stringify(whole))).toEqual(whole));

  test.each<[string, string]>([
    ["half a line", JSON.stringify(whole).slice(0, -9)],
    ["a number", "5"],
    ["null", "null"],
    ["no addresses", JSON.stringify({ ...whole, addresses: undefined })],
    ["no address", JSON.stringify({ ...whole, addresses: ["a.x"] })],
    ["no name", JSON.stringify({ ...whole, name: 5 })],
    ["no endpoint", JSON.stringify({ ...whole, endpointId: "7" })],
    ["no TTL", JSON.stringify({ ...whole, ttlSeconds: -1 })],
    ["no time", JSON.stringify({ ...whole, timeMs: null })],
  ])("%s is none", (_, text) => expect(readDnsObservation(text)).toBeUndefined());
});

describe("what is listed", () => {
  const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();

  test("answers, then addresses that connections use, in the form of Cilium's API", () => {
    expect(dnsLookups(filled())).toEqual([
      {
        "endpoint-id": 7,
        "expiration-time": at(300),
        fqdn: "api.example.com.",
        ips: ["192.0.2.1", "192.0.2.2"],
        "lookup-time": at(0),
        source: "lookup",
        ttl: 300,
      },
      {
        "endpoint-id": 7,
        "expiration-time": at(40),
        fqdn: "old.example.com.",
        ips: ["192.0.2.9"],
        "lookup-time": at(30),
        source: "connection",
      },
      {
        "endpoint-id": 9,
        "expiration-time": at(60),
        fqdn: "api.example.com.",
        ips: ["2001:db8::1"],
        "lookup-time": at(60),
        source: "lookup",
      },
    ]);
  });

  test("by endpoint, name and source", () => {
    const cache = filled();
    expect(dnsLookups(cache, { endpointId: 9 })).toHaveLength(1);
    expect(dnsLookups(cache, { matches: (name) => name.startsWith("api.") })).toHaveLength(2);
    expect(dnsLookups(cache, { source: "connection" })).toHaveLength(1);
    expect(dnsLookups(cache, { endpointId: 8 })).toEqual([]);
  });

  test("as a table; what has not been seen has Go's time that is none", () => {
    const cache = filled();
    cache.record(9, { name: "z.x.", addresses: ["192.0.2.7"], ttl: 1 }, T0);
    cache.collect(T0 + 30_000);
    expect(dnsLookupRows(dnsLookups(cache, { endpointId: 7 }))).toEqual([
      ["Endpoint", "Source", "FQDN", "TTL", "ExpirationTime", "IPs"],
      ["7", "lookup", "api.example.com.", "300", at(300), "192.0.2.1,192.0.2.2"],
      ["7", "connection", "old.example.com.", "0", at(40), "192.0.2.9"],
    ]);
    const unseen = new FqdnCache();
    unseen.record(1, { name: "z.x.", addresses: ["192.0.2.7"], ttl: 1 }, T0);
    unseen.collect(T0 + 30_000);
    expect(dnsLookupRows(dnsLookups(unseen))[1]?.[4]).toBe("0001-01-01T00:00:00.000Z");
  });
});
