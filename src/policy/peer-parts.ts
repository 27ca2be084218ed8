import type { Column } from "./column.ts";
import type { ClauseGroup } from "./named-ports.ts";
import { type Part, partition } from "./partition.ts";
import type { RowSet } from "./row-set.ts";
import type { Selection } from "./selector-cache.ts";

/** Peers that the same clauses select, and the column that they share. */
export interface Peers {
  /** Whose clauses these are. */
  readonly groups: readonly ClauseGroup[];
  /** Numeric identities. */
  readonly ids: number[];
  readonly column: Column;
}

/** Whoever knows the columns. */
interface Columns {
  columnFor(groups: readonly ClauseGroup[]): Column;
}

/** What went and what is new. */
export interface Difference<T> {
  readonly gone: readonly T[];
  readonly fresh: readonly T[];
}

/** Identities that have another column than before; undefined = the one of every peer. */
export interface Move {
  readonly ids: readonly number[];
  readonly from: Column | undefined;
  readonly to: Column | undefined;
}

/** All peers of one direction that any clause selects, parted by the groups that they are in. */
export class PeerParts {
  /** In an order that stays, for parts are told apart by it. */
  readonly groups: readonly ClauseGroup[];
  private readonly columns: Columns;
  private parts: Peers[] = [];
  /** The last group of each part: a part is looked for by it, for most parts have one that no other has. */
  private leads: ClauseGroup[] = [];
  private peerCount = 0;
  /** Place in `groups`, by the rows of the selection. */
  private placeOf: Map<readonly number[], number> | undefined;
  private entries = 0;

  constructor(groups: readonly ClauseGroup[], columns: Columns) {
    this.groups = groups;
    this.columns = columns;
  }

  get all(): readonly Peers[] {
    return this.parts;
  }

  /** Entries of all peers. */
  get entryCount(): number {
    return this.entries;
  }

  /** Parts all rows. `idOf` gives the identity of every row. */
  fill(idOf: readonly number[]): void {
    for (const part of partition(this.groups, idOf)) this.push(this.peersOf(part));
  }

  /**
   * Takes over the parts of earlier groups, which stay as they were, and moves only rows of groups that went or are new: those
   * that stayed are the same objects in the same order, and new ones follow them. `changed` has all these rows.
   * Undefined, and nothing done, where that would not be less work.
   */
  fillFrom(earlier: PeerParts, changed: RowSet, { gone, fresh }: Difference<ClauseGroup>): Move[] | undefined {
    if (changed.rows.length * 2 > earlier.peerCount) return undefined;
    this.parts = earlier.parts.slice();
    this.leads = earlier.leads.slice();
    this.peerCount = earlier.peerCount;
    this.entries = earlier.entries;
    const moving: ClauseGroup[] = [];
    const lists: (readonly number[])[] = [];
    changed.findGroups(earlier.groups, moving, lists);
    changed.findGroups(fresh, moving, lists);
    return changed.parted(lists).map((part) => {
      const [before, after]: [ClauseGroup[], ClauseGroup[]] = [[], []];
      for (const { place } of part.groups) {
        const group = moving[place]!;
        if (!fresh.includes(group)) before.push(group);
        if (!gone.includes(group)) after.push(group);
      }
      const from = this.take(before, part.ids);
      return { ids: part.ids, from, to: this.join(after, part.ids)?.column };
    });
  }

  /** The identity joined these selections. Returns the column that is its own now; undefined = none. */
  add(id: number, selections: readonly Selection[]): Column | undefined {
    const groups = this.groupsOf(selections);
    if (groups.length === 0) return undefined;
    const known = this.parts[this.placeOfPart(groups)];
    if (known === undefined) return this.join(groups, [id])?.column;
    known.ids.push(id);
    this.count(known.column, 1);
    return known.column;
  }

  /** Returns the column that the identity had; undefined = none of its own. */
  remove(id: number, selections: readonly Selection[]): Column | undefined {
    const peers = this.parts[this.placeOfPart(this.groupsOf(selections))];
    const index = peers?.ids.indexOf(id) ?? -1;
    if (peers === undefined || index === -1) return undefined;
    peers.ids[index] = peers.ids.at(-1)!;
    peers.ids.pop();
    this.count(peers.column, -1);
    return peers.column;
  }

  private peersOf({ groups, ids }: Part<ClauseGroup>): Peers {
    return { groups, ids, column: this.columns.columnFor(groups) };
  }

  private count({ entries }: Column, ids: number): void {
    this.peerCount += ids;
    this.entries += ids * entries.length;
  }

  /** Puts identities into the part of these groups, and returns it; undefined = there are no groups. */
  private join(groups: readonly ClauseGroup[], ids: readonly number[]): Peers | undefined {
    if (groups.length === 0) return undefined;
    const place = this.placeOfPart(groups);
    const known = this.parts[place];
    const peers =
      known === undefined
        ? this.peersOf({ groups, ids: ids.slice() })
        : { groups: known.groups, ids: known.ids.concat(ids), column: known.column };
    if (known === undefined) this.push(peers);
    else {
      this.count(peers.column, ids.length);
      this.parts[place] = peers;
    }
    return peers;
  }

  private push(peers: Peers): void {
    this.count(peers.column, peers.ids.length);
    this.parts.push(peers);
    this.leads.push(peers.groups.at(-1)!);
  }

  /** Takes identities from the part of these groups, and returns its column; undefined = there is no such part. */
  private take(groups: readonly ClauseGroup[], ids: readonly number[]): Column | undefined {
    const place = this.placeOfPart(groups);
    const peers = this.parts[place];
    if (peers === undefined) return undefined;
    this.count(peers.column, -ids.length);
    if (ids.length < peers.ids.length) {
      const leaving = new Set(ids);
      this.parts[place] = { ...peers, ids: peers.ids.filter((id) => !leaving.has(id)) };
    } else {
      this.parts[place] = this.parts.at(-1)!;
      this.leads[place] = this.leads.at(-1)!;
      this.parts.pop();
      this.leads.pop();
    }
    return peers.column;
  }

  /** -1 = nobody is in exactly these groups. */
  private placeOfPart(groups: readonly ClauseGroup[]): number {
    const lead = groups.at(-1);
    if (lead === undefined) return -1;
    for (let place = this.leads.indexOf(lead); place !== -1; place = this.leads.indexOf(lead, place + 1)) {
      const known = this.parts[place]!.groups;
      if (known.every((group, index) => group === groups[index])) return place;
    }
    return -1;
  }

  /** The groups behind selections, in their order here. */
  private groupsOf(selections: readonly Selection[]): ClauseGroup[] {
    this.placeOf ??= new Map(this.groups.map(({ rows }, place) => [rows, place]));
    const places = selections.flatMap(({ rows }) => this.placeOf!.get(rows) ?? []);
    return places.sort((a, b) => a - b).map((place) => this.groups[place]!);
  }
}

/** What went and what is new, where the later list begins with what stayed, in the same order. */
export function differenceOf<T>(before: readonly T[], now: readonly T[]): Difference<T> {
  const gone: T[] = [];
  let same = 0;
  for (let place = 0; place < before.length; place++) {
    if (before[place] === now[same]) same++;
    else gone.push(before[place]!);
  }
  return { gone, fresh: now.slice(same) };
}
