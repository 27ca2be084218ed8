import type { NameMatcher } from "../dns-pattern.ts";

/** One answer to one endpoint. Times are milliseconds since 1970. Names are in lower case with their last dot. */
export interface DnsLookup {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly lookupMs: number;
  readonly expiryMs: number;
  /** Seconds. */
  readonly ttl: number;
}

/** An address that a name lost: the answer behind it ran out, or there are too many. */
export interface LostAddress {
  readonly name: string;
  readonly address: string;
  readonly expiryMs: number;
}

export interface LookupLimits {
  /** Most addresses that a name may keep; 0 = no limit. */
  readonly maxAddressesPerName: number;
  /** Most that all names together may hold at any time. */
  readonly maxHeld: number;
}

/**
 * The answers that one endpoint got: of each name and address the one that lasts longest, as Cilium's `DNSCache`. What has run out stays until
 * `expire` is called, so that an address is not lost before something looks whether it is in use.
 */
export class Lookups {
  private readonly byName = new Map<string, Map<string, DnsLookup>>();
  private readonly byAddress = new Map<string, Set<string>>();
  /** Names that may have more addresses than they may keep. */
  private readonly crowded = new Set<string>();
  private readonly limits: LookupLimits;
  private count = 0;

  /** The limits may change. */
  constructor(limits: LookupLimits) {
    this.limits = limits;
  }

  /** Full: nothing new is taken in until something ran out. */
  get isFull(): boolean {
    return this.count >= this.limits.maxHeld;
  }

  /** Takes an answer in, as far as there is room; returns the addresses that the name did not have. */
  record(lookup: DnsLookup): readonly string[] {
    const held = this.byName.get(lookup.name) ?? new Map<string, DnsLookup>();
    const fresh: string[] = [];
    for (const address of lookup.addresses) {
      const old = held.get(address);
      if (old === undefined ? this.isFull : old.expiryMs >= lookup.expiryMs) continue;
      held.set(address, lookup);
      if (old !== undefined) continue;
      this.count++;
      fresh.push(address);
      const names = this.byAddress.get(address);
      if (names === undefined) this.byAddress.set(address, new Set([lookup.name]));
      else names.add(lookup.name);
    }
    if (held.size > 0) this.byName.set(lookup.name, held);
    const { maxAddressesPerName } = this.limits;
    if (maxAddressesPerName > 0 && held.size > maxAddressesPerName) this.crowded.add(lookup.name);
    return fresh;
  }

  /** Gives up what ran out before `nowMs`, and the soonest to run out of names with too many addresses. */
  expire(nowMs: number): readonly LostAddress[] {
    const lost: LostAddress[] = [];
    for (const [name, held] of this.byName) {
      for (const [address, { expiryMs }] of held) if (expiryMs < nowMs) lost.push({ name, address, expiryMs });
    }
    for (const { name, address } of lost) this.drop(name, address);
    for (const name of this.crowded) {
      const held = [...(this.byName.get(name) ?? [])].sort(([, a], [, b]) => a.expiryMs - b.expiryMs);
      for (const [address, { expiryMs }] of held.slice(0, Math.max(0, held.length - this.limits.maxAddressesPerName))) {
        lost.push({ name, address, expiryMs });
        this.drop(name, address);
      }
    }
    this.crowded.clear();
    return lost;
  }

  /** Gives up answers from before `beforeMs` for the names that match. */
  forget(matches: NameMatcher, beforeMs: number): readonly LostAddress[] {
    const lost: LostAddress[] = [];
    for (const [name, held] of this.byName) {
      if (!matches(name)) continue;
      for (const [address, { lookupMs, expiryMs }] of held) {
        if (lookupMs < beforeMs) lost.push({ name, address, expiryMs });
      }
    }
    for (const { name, address } of lost) this.drop(name, address);
    return lost;
  }

  namesOf(address: string): ReadonlySet<string> {
    return this.byAddress.get(address) ?? NO_NAMES;
  }

  /** Every answer of which something is kept, with the addresses that are kept of it. */
  list(): readonly DnsLookup[] {
    const kept = new Map<DnsLookup, string[]>();
    for (const held of this.byName.values()) {
      for (const [address, lookup] of held) {
        const addresses = kept.get(lookup);
        if (addresses === undefined) kept.set(lookup, [address]);
        else addresses.push(address);
      }
    }
    return [...kept].map(([lookup, addresses]) => ({ ...lookup, addresses }));
  }

  /** Every name with the addresses that it has. */
  *pairs(): Iterable<readonly [name: string, addresses: Iterable<string>]> {
    for (const [name, held] of this.byName) yield [name, held.keys()];
  }

  private drop(name: string, address: string): void {
    const held = this.byName.get(name);
    if (held?.delete(address) === true) this.count--;
    if (held?.size === 0) this.byName.delete(name);
    const names = this.byAddress.get(address);
    names?.delete(name);
    if (names?.size === 0) this.byAddress.delete(address);
  }
}

const NO_NAMES: ReadonlySet<string> = new Set();
