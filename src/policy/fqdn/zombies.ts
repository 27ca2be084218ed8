import type { NameMatcher } from "../dns-pattern.ts";

/** An address whose answer ran out and that may still be in use. Times are milliseconds since 1970. */
export interface Zombie {
  readonly address: string;
  readonly names: readonly string[];
  /** When a connection to it was last seen; 0 = never. */
  readonly aliveAtMs: number;
  /** When it ran out, or was found to have. */
  readonly dueMs: number;
}

export interface ZombieLimits {
  /** Most addresses that are kept; 0 = none. */
  readonly maxDeferredDeletes: number;
  /** Most addresses that a name may keep; 0 = no limit. */
  readonly maxAddressesPerName: number;
  /** How long an address without connections is kept, in milliseconds. */
  readonly idleGraceMs: number;
}

interface Entry {
  readonly address: string;
  names: Set<string>;
  aliveAtMs: number;
  dueMs: number;
  /** How many rounds over the connections there had been when it came. */
  readonly round: number;
}

/** Rounds that must pass: an address may come in the middle of one that has passed its connections already. */
const ROUNDS = 2;

/**
 * Addresses that one endpoint may still be connected to after their answers ran out, as Cilium's `DNSZombieMappings`: one
 * dies when two rounds over all connections have passed since it came and the last of them, which began after it ran out,
 * saw none to it nor to another address of its names.
 */
export class Zombies {
  private readonly entries = new Map<string, Entry>();
  private readonly limits: ZombieLimits;
  private rounds = 0;
  private seenMs = 0;
  private nextMs = 0;

  /** The limits may change. */
  constructor(limits: ZombieLimits) {
    this.limits = limits;
  }

  /** When the next round over the connections is expected; 0 = not known. */
  get nextRoundMs(): number {
    return this.nextMs;
  }

  add(name: string, address: string, dueMs: number): void {
    const known = this.entries.get(address);
    if (known === undefined) {
      const fresh = { address, names: new Set([name]), aliveAtMs: this.seenMs, dueMs, round: this.rounds };
      this.entries.set(address, fresh);
      return;
    }
    known.names.add(name);
    known.dueMs = Math.max(known.dueMs, dueMs);
    known.aliveAtMs = Math.max(known.aliveAtMs, this.seenMs);
  }

  /** A round over all connections, which began at `startMs`, saw connections to these addresses. */
  seen(addresses: Iterable<string>, startMs: number, nextMs: number): void {
    for (const address of addresses) {
      const entry = this.entries.get(address);
      if (entry !== undefined) entry.aliveAtMs = startMs + this.limits.idleGraceMs;
    }
    this.seenMs = startMs;
    this.nextMs = nextMs;
    this.rounds++;
  }

  /** Gives up the dead, and the least important where there are too many; returns them. */
  bury(): readonly Zombie[] {
    const aliveNames = this.aliveNames();
    const dead = new Set<Entry>();
    for (const entry of this.entries.values()) if (!this.isAlive(entry, aliveNames)) dead.add(entry);
    const { maxDeferredDeletes, maxAddressesPerName } = this.limits;
    if (maxAddressesPerName > 0) {
      for (const held of aliveNames.values()) for (const entry of excess(held, maxAddressesPerName)) dead.add(entry);
    }
    const alive = [...this.entries.values()].filter((entry) => !dead.has(entry));
    for (const entry of excess(alive, maxDeferredDeletes)) dead.add(entry);
    for (const { address } of dead) this.entries.delete(address);
    return [...dead].map(toZombie);
  }

  /** Gives up these addresses of the name, which a new answer names again. */
  revive(name: string, addresses: Iterable<string>, atMs: number): readonly string[] {
    const revived: string[] = [];
    for (const address of addresses) {
      const entry = this.entries.get(address);
      if (entry === undefined || entry.dueMs > atMs || !entry.names.delete(name)) continue;
      revived.push(address);
      if (entry.names.size === 0) this.entries.delete(address);
    }
    return revived;
  }

  /** Gives up the names that match, alive or not, of addresses that ran out by `beforeMs`; returns what was given up. */
  forget(matches: NameMatcher, beforeMs: number): readonly Pick<Zombie, "address" | "names">[] {
    const lost: Pick<Zombie, "address" | "names">[] = [];
    for (const entry of this.entries.values()) {
      if (entry.dueMs > beforeMs) continue;
      const names = [...entry.names].filter(matches);
      if (names.length === 0) continue;
      lost.push({ address: entry.address, names });
      for (const name of names) entry.names.delete(name);
      if (entry.names.size === 0) this.entries.delete(entry.address);
    }
    return lost;
  }

  namesOf(address: string): ReadonlySet<string> | undefined {
    return this.entries.get(address)?.names;
  }

  list(): readonly Zombie[] {
    return [...this.entries.values()].map(toZombie);
  }

  /** Those that `bury` would keep for their connections. */
  alive(): readonly Zombie[] {
    const aliveNames = this.aliveNames();
    return [...this.entries.values()].filter((entry) => this.isAlive(entry, aliveNames)).map(toZombie);
  }

  /** Takes back what `list` gave before a restart; two new rounds must pass before it dies. */
  restore({ address, names, aliveAtMs, dueMs }: Zombie): void {
    this.entries.set(address, { address, names: new Set(names), aliveAtMs, dueMs, round: this.rounds });
  }

  private isConnected({ aliveAtMs, dueMs, round }: Entry): boolean {
    return this.seenMs <= dueMs + this.limits.idleGraceMs || this.seenMs <= aliveAtMs || this.rounds < round + ROUNDS;
  }

  private isAlive(entry: Entry, aliveNames: ReadonlyMap<string, unknown>): boolean {
    return this.isConnected(entry) || [...entry.names].some((name) => aliveNames.has(name));
  }

  /** Names with a connected address, and all their addresses. */
  private aliveNames(): ReadonlyMap<string, readonly Entry[]> {
    const byName = new Map<string, Entry[]>();
    const connected = new Set<string>();
    for (const entry of this.entries.values()) {
      const isConnected = this.isConnected(entry);
      for (const name of entry.names) {
        if (isConnected) connected.add(name);
        const held = byName.get(name);
        if (held === undefined) byName.set(name, [entry]);
        else held.push(entry);
      }
    }
    for (const name of byName.keys()) if (!connected.has(name)) byName.delete(name);
    return byName;
  }
}

/** The least important of too many: seen alive longest ago, then due longest ago, then with the fewest names. */
function excess(entries: readonly Entry[], limit: number): readonly Entry[] {
  if (entries.length <= limit) return [];
  const sorted = [...entries].sort(
    (a, b) => a.aliveAtMs - b.aliveAtMs || a.dueMs - b.dueMs || a.names.size - b.names.size,
  );
  return sorted.slice(0, entries.length - limit);
}

function toZombie({ address, names, aliveAtMs, dueMs }: Entry): Zombie {
  return { address, names: [...names], aliveAtMs, dueMs };
}
