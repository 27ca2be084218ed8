import type { NameMatcher } from "../dns-pattern.ts";
import { HeldAddresses } from "./held-addresses.ts";
import { type DnsLookup, Lookups } from "./lookups.ts";
import { type Zombie, Zombies } from "./zombies.ts";

/** Cilium's `tofqdns-*` settings, with its defaults, and one that it does not have. */
export interface FqdnLimits {
  /** `tofqdns-min-ttl`, in seconds: a shorter TTL counts as this; default 0. */
  readonly minTtl?: number;
  /** `tofqdns-endpoint-max-ip-per-hostname`; default 1000, 0 = no limit. */
  readonly maxAddressesPerName?: number;
  /** `tofqdns-max-deferred-connection-deletes`, for each endpoint; default 10,000. */
  readonly maxDeferredDeletes?: number;
  /** `tofqdns-idle-connection-grace-period`, in milliseconds; default 0. */
  readonly idleGraceMs?: number;
  /**
   * Most addresses of all names that one endpoint's answers may hold: what is beyond is not learned, so that `toFQDNs` does
   * not select it. A pod that may ask for every name could fill the memory otherwise. Default 50,000.
   */
  readonly maxHeld?: number;
}

export const DEFAULT_LIMITS: Required<FqdnLimits> = {
  minTtl: 0,
  maxAddressesPerName: 1000,
  maxDeferredDeletes: 10_000,
  idleGraceMs: 0,
  maxHeld: 50_000,
};

/** The addresses that an answer gives to the name that was asked for. */
export interface FqdnAnswer {
  /** In lower case with its last dot, as `absoluteName` writes it. */
  readonly name: string;
  /** As `formatAddress` writes them. */
  readonly addresses: readonly string[];
  /** Seconds. */
  readonly ttl: number;
}

/** What one endpoint has learned. */
export interface EndpointNames {
  readonly id: number;
  readonly lookups: readonly DnsLookup[];
  readonly zombies: readonly Zombie[];
}

class Endpoint {
  readonly lookups: Lookups;
  readonly zombies: Zombies;

  constructor(limits: Required<FqdnLimits>) {
    this.lookups = new Lookups(limits);
    this.zombies = new Zombies(limits);
  }
}

/**
 * The names that a node's endpoints asked for, and their addresses: what `toFQDNs` selects by. An address that one
 * endpoint learned counts for all of the node, as in Cilium, and goes when no endpoint has an answer for it that is in
 * force and none is connected to it. Time comes in as milliseconds since 1970. What changes something returns the names
 * that may have other addresses now; `addressesOf` says which.
 */
export class FqdnCache {
  private readonly limits: Required<FqdnLimits> = { ...DEFAULT_LIMITS };
  private early = false;
  private readonly endpoints = new Map<number, Endpoint>();
  private readonly held = new HeldAddresses();
  private changes = 0;

  constructor(limits: FqdnLimits = {}) {
    this.setLimits(limits);
  }

  /** Holds from the next answer and the next `collect` on. What is not named is the default. */
  setLimits(limits: FqdnLimits): void {
    Object.assign(this.limits, DEFAULT_LIMITS, limits);
  }

  /** Grows when there is something new to keep for a restart. */
  get revision(): number {
    return this.changes;
  }

  /** True when the last collection gave up what had time left, for a limit was reached. */
  get gaveUpEarly(): boolean {
    return this.early;
  }

  /** An endpoint got an answer. An answer without addresses changes nothing. */
  record(endpointId: number, { name, addresses, ttl: sent }: FqdnAnswer, nowMs: number): readonly string[] {
    if (addresses.length === 0) return [];
    this.changes++;
    const { lookups, zombies } = this.endpoint(endpointId);
    const ttl = Math.max(sent, this.limits.minTtl);
    const fresh = lookups.record({ name, addresses, lookupMs: nowMs, expiryMs: nowMs + ttl * 1000, ttl });
    for (const address of fresh) this.held.add(name, address);
    // What is asked for again is no zombie any more.
    if (fresh.length > 0) for (const address of zombies.revive(name, addresses, nowMs)) this.held.remove(name, address);
    return this.changedNames();
  }

  /**
   * A round over all connections, which began at `startMs`, saw each of these addresses in use by the endpoint. `nextMs` is when the next one
   * is expected. Without such rounds no address that was ever learned is given up.
   */
  connectionsSeen(
    inUse: Iterable<readonly [endpointId: number, address: string]>,
    startMs: number,
    nextMs: number,
  ): void {
    const byEndpoint = new Map<number, string[]>();
    for (const [id, address] of inUse) {
      const addresses = byEndpoint.get(id);
      if (addresses === undefined) byEndpoint.set(id, [address]);
      else addresses.push(address);
    }
    for (const [id, { zombies }] of this.endpoints) zombies.seen(byEndpoint.get(id) ?? [], startMs, nextMs);
  }

  /** Makes zombies of what ran out, and gives up those that nobody uses any more. Cilium does it once a minute. */
  collect(nowMs: number): readonly string[] {
    this.early = false;
    for (const { lookups, zombies } of this.endpoints.values()) {
      for (const { name, address, expiryMs } of lookups.expire(nowMs)) {
        this.changes++;
        if (zombies.namesOf(address)?.has(name) !== true) this.held.add(name, address);
        zombies.add(name, address, Math.max(nowMs, expiryMs));
        this.held.remove(name, address);
      }
      for (const { address, names, dueMs } of zombies.bury()) {
        this.early ||= dueMs > nowMs;
        for (const name of names) this.held.remove(name, address);
      }
    }
    return this.changedNames();
  }

  /** Forgets names at once, connected or not: `cilium fqdn cache clean`. What is learned at `nowMs` or later stays. */
  forget(matches: NameMatcher, nowMs: number): readonly string[] {
    for (const { lookups, zombies } of this.endpoints.values()) {
      for (const { name, address } of lookups.forget(matches, nowMs)) this.held.remove(name, address);
      for (const { address, names } of zombies.forget(matches, nowMs)) {
        for (const name of names) this.held.remove(name, address);
      }
    }
    return this.changedNames();
  }

  /** The endpoint is gone, and with it what it alone had learned. */
  removeEndpoint(id: number): readonly string[] {
    const gone = this.endpoints.get(id);
    if (gone === undefined) return [];
    this.endpoints.delete(id);
    for (const [name, addresses] of gone.lookups.pairs())
      for (const address of addresses) this.held.remove(name, address);
    for (const { address, names } of gone.zombies.list()) for (const name of names) this.held.remove(name, address);
    return this.changedNames();
  }

  /** No endpoint has learned anything. */
  get isEmpty(): boolean {
    return this.endpoints.size === 0;
  }

  /** The endpoint holds all that it may, and learns nothing new before something ran out. */
  isFull(endpointId: number): boolean {
    return this.endpoints.get(endpointId)?.lookups.isFull ?? false;
  }

  /** Every name that has addresses, of any endpoint. */
  names(): Iterable<string> {
    return this.held.names();
  }

  /** The addresses of a name that any endpoint learned. */
  addressesOf(name: string): readonly string[] {
    return this.held.addressesOf(name);
  }

  /** The names that the endpoint knows an address by, sorted: what its flows show. */
  namesOf(endpointId: number, address: string): readonly string[] {
    const endpoint = this.endpoints.get(endpointId);
    if (endpoint === undefined) return [];
    return [...new Set([...endpoint.lookups.namesOf(address), ...(endpoint.zombies.namesOf(address) ?? [])])].sort();
  }

  /** What each endpoint has learned: for `dnsLookups`, and for a file that `readFqdnState` reads. */
  *list(): Iterable<EndpointNames & { readonly alive: readonly Zombie[]; readonly nextRoundMs: number }> {
    for (const [id, { lookups, zombies }] of this.endpoints) {
      const { nextRoundMs } = zombies;
      yield { id, lookups: lookups.list(), zombies: zombies.list(), alive: zombies.alive(), nextRoundMs };
    }
  }

  /** Takes an endpoint's names back in after a restart. What ran out meanwhile stays until two rounds saw no connection. */
  restore({ id, lookups, zombies }: EndpointNames): readonly string[] {
    const endpoint = this.endpoint(id);
    for (const lookup of lookups) {
      for (const address of endpoint.lookups.record(lookup)) this.held.add(lookup.name, address);
    }
    for (const zombie of zombies) {
      const known = endpoint.zombies.namesOf(zombie.address);
      endpoint.zombies.restore({ ...zombie, names: [...new Set([...(known ?? []), ...zombie.names])] });
      for (const name of zombie.names) if (known?.has(name) !== true) this.held.add(name, zombie.address);
    }
    return this.changedNames();
  }

  private endpoint(id: number): Endpoint {
    const known = this.endpoints.get(id);
    if (known !== undefined) return known;
    const fresh = new Endpoint(this.limits);
    this.endpoints.set(id, fresh);
    return fresh;
  }

  private changedNames(): readonly string[] {
    const names = this.held.takeChanged();
    if (names.length > 0) this.changes++;
    return names;
  }
}
