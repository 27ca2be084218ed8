import { DIRECTIONS, type Direction } from "../model/verdict.ts";
import { type Column, type ColumnEntry, isSameEntry } from "./column.ts";
import type { DirectionPolicy, RenewedDirection } from "./direction-policy.ts";
import { OriginTable } from "./origin.ts";
import type { EndpointPolicy, L7Redirect, PolicyMapEntry, RuleOrigin } from "./policy-map.ts";
import { isDenyPrecedence } from "./precedence.ts";
import type { IdentityChange } from "./selector-cache.ts";

/** An entry that several peers have. */
export interface EntryRun {
  readonly direction: Direction;
  /** Numeric identities of the peers. */
  readonly identities: readonly number[];
  readonly entry: ColumnEntry;
  /** Index into the policy's `origins`: which rules made it. */
  readonly origin: number;
}

/** Entries that came and went. An entry that changed is in both. */
export interface EntryChanges {
  readonly added: readonly EntryRun[];
  readonly removed: readonly EntryRun[];
}

/** The runs' entries one by one, as a datapath stores them. */
export function spelledOut(runs: readonly EntryRun[]): PolicyMapEntry[] {
  return runs.flatMap(({ direction, identities, entry, origin }) =>
    identities.map((id) => entryFor(direction, id, entry, origin)),
  );
}

/** How many entries the runs are. */
export function countOf(runs: readonly EntryRun[]): number {
  return runs.reduce((sum, { identities }) => sum + identities.length, 0);
}

const NO_CHANGES: EntryChanges = { added: [], removed: [] };

function byKey(a: PolicyMapEntry, b: PolicyMapEntry): number {
  if (a.direction !== b.direction) return a.direction === "ingress" ? -1 : 1;
  return a.identity - b.identity || a.protocol - b.protocol || a.portPrefix - b.portPrefix || a.port - b.port;
}

/** Entries of the column that the other has not. */
function newsOf(column: Column | undefined, other: Column | undefined): readonly ColumnEntry[] {
  const entries = column?.entries ?? [];
  return other === undefined
    ? entries
    : entries.filter((entry) => !other.entries.some((each) => isSameEntry(each, entry)));
}

/**
 * The policy of one endpoint, kept by columns: peers whom the same clauses select share their entries. The lists of the
 * EndpointPolicy are made of them when they are asked for, and again after identities have come or gone.
 */
export class ComputedPolicy implements EndpointPolicy {
  readonly revision: number;
  readonly ingress: DirectionPolicy;
  readonly egress: DirectionPolicy;
  private readonly table = new OriginTable();
  private cachedEntries: readonly PolicyMapEntry[] | undefined;
  private cachedRedirects: readonly L7Redirect[] | undefined;

  constructor(revision: number, ingress: DirectionPolicy, egress: DirectionPolicy) {
    this.revision = revision;
    this.ingress = ingress;
    this.egress = egress;
  }

  get ingressDefaultOrigin(): number {
    return this.defaultOrigin(this.ingress);
  }

  get egressDefaultOrigin(): number {
    return this.defaultOrigin(this.egress);
  }

  get ingressEnforced(): boolean {
    return this.ingress.enforced;
  }

  get egressEnforced(): boolean {
    return this.egress.enforced;
  }

  get version(): number {
    return this.ingress.version + this.egress.version;
  }

  /** Whether single identities can come and go without computing the whole again. */
  get isIncremental(): boolean {
    return this.ingress.isIncremental && this.egress.isIncremental;
  }

  /** Whether identities that none of its selections has matter to it. */
  get followsEveryIdentity(): boolean {
    return this.ingress.followsEveryIdentity || this.egress.followsEveryIdentity;
  }

  /** How many entries there are, without making them. */
  get entryCount(): number {
    return this.ingress.entryCount + this.egress.entryCount;
  }

  /** Visits every entry without making a list of them. Identity 0 = every peer. */
  forEachEntry(visit: (direction: Direction, identity: number, entry: ColumnEntry) => void): void {
    for (const direction of DIRECTIONS) {
      const { anyColumn, peers } = this[direction];
      for (const entry of anyColumn.entries) visit(direction, 0, entry);
      for (const { ids, column } of peers) {
        for (const id of ids) for (const entry of column.entries) visit(direction, id, entry);
      }
    }
  }

  get entries(): readonly PolicyMapEntry[] {
    if (this.cachedEntries !== undefined) return this.cachedEntries;
    const entries: PolicyMapEntry[] = [];
    this.forEachEntry((direction, id, entry) =>
      entries.push(entryFor(direction, id, entry, this.table.indexOf(entry.origins))),
    );
    this.cachedEntries = entries.sort(byKey);
    return entries;
  }

  get redirects(): readonly L7Redirect[] {
    this.cachedRedirects ??= [this.ingress, this.egress].flatMap(({ redirects, levels }) =>
      redirects.list(levels, this.table),
    );
    return this.cachedRedirects;
  }

  /** Complete for every entry and redirect that was handed out. */
  get origins(): readonly (readonly RuleOrigin[])[] {
    void [this.ingressDefaultOrigin, this.egressDefaultOrigin, this.entries, this.redirects];
    return this.table.all();
  }

  /** A new identity, by the change that the selector cache reported. Only while `isIncremental`. */
  addIdentity(id: number, change: IdentityChange): EntryChanges {
    const added = this.entriesTouched(id, (direction) => direction.addIdentity(id, change));
    return added.length === 0 ? NO_CHANGES : { added, removed: [] };
  }

  removeIdentity(id: number, change: IdentityChange): EntryChanges {
    const removed = this.entriesTouched(id, (direction) => direction.removeIdentity(id, change));
    return removed.length === 0 ? NO_CHANGES : { added: [], removed };
  }

  /** What became of the entries of the policy that this one renewed, where identities moved so; undefined = all was computed anew. */
  changesOf(directions: Readonly<Partial<Record<Direction, RenewedDirection>>>): EntryChanges | undefined {
    const added: EntryRun[] = [];
    const removed: EntryRun[] = [];
    for (const direction of DIRECTIONS) {
      const renewed = directions[direction];
      if (renewed === undefined) continue;
      if (renewed.moves === undefined) return undefined;
      for (const { ids, from, to } of renewed.moves) {
        for (const entry of newsOf(from, to)) removed.push(this.runOf(direction, ids, entry));
        for (const entry of newsOf(to, from)) added.push(this.runOf(direction, ids, entry));
      }
    }
    return { added, removed };
  }

  private runOf(direction: Direction, identities: readonly number[], entry: ColumnEntry): EntryRun {
    return { direction, identities, entry, origin: this.table.indexOf(entry.origins) };
  }

  private entriesTouched(id: number, step: (direction: DirectionPolicy) => Column | undefined): EntryRun[] {
    return DIRECTIONS.flatMap((direction) => {
      const column = step(this[direction]);
      if (column === undefined) return [];
      // An identity without entries of its own may still stand in the proxy's lists.
      this.cachedEntries = undefined;
      this.cachedRedirects = undefined;
      return column.entries.map((entry) => this.runOf(direction, [id], entry));
    });
  }

  private defaultOrigin({ defaultOrigins }: DirectionPolicy): number {
    return defaultOrigins === undefined ? -1 : this.table.indexOf(defaultOrigins);
  }
}

/** The entry as a datapath stores it; `origin` is the number of its origins. */
function entryFor(direction: Direction, identity: number, entry: ColumnEntry, origin: number): PolicyMapEntry {
  const { protocol, port, prefix, precedence, authType, hasOwnAuth, redirect } = entry;
  const deny = isDenyPrecedence(precedence);
  // Written out: there are thousands of entries, and spreading one object into another makes two of each.
  return redirect === undefined
    ? { direction, identity, protocol, port, portPrefix: prefix, deny, precedence, authType, hasOwnAuth, origin }
    : {
        direction,
        identity,
        protocol,
        port,
        portPrefix: prefix,
        deny,
        precedence,
        authType,
        hasOwnAuth,
        redirect,
        origin,
      };
}
