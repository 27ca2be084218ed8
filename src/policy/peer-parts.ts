import type { Column } from "./column.ts";
import type { ClauseGroup } from "./named-ports.ts";
import { markRows, type Part, partition } from "./partition.ts";
import type { Selection } from "./selector-cache.ts";

/** Peers that the same clauses select, and the column that they share. */
export interface Peers {
  /** Whose clauses these are. */
  readonly groups: readonly ClauseGroup[];
  /** Numeric identities. */
  readonly ids: number[];
  readonly column: Column;
}

type ColumnFor = (groups: readonly ClauseGroup[]) => Column;

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
  private readonly columnFor: ColumnFor;
  private parts: Peers[] = [];
  /** Place in `groups`, by the rows of the selection. */
  private placeOf: Map<readonly number[], number> | undefined;
  /** By `keyOf` of their groups. Made when it is first needed. */
  private byKey: Map<string, Peers> | undefined;
  private entries = 0;

  constructor(groups: readonly ClauseGroup[], columnFor: ColumnFor) {
    this.groups = groups;
    this.columnFor = columnFor;
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
    this.parts = partition(this.groups, idOf).map((part) => this.peersOf(part));
    this.entries = this.parts.reduce((sum, { ids, column }) => sum + ids.length * column.entries.length, 0);
  }

  /**
   * Takes over the parts of earlier groups and moves only rows of groups that went or are new: those that stayed are the same
   * objects in the same order, and new ones follow them. The earlier parts can be read from then on, not changed. Undefined, and
   * nothing done, where that would not be less work.
   */
  fillFrom(earlier: PeerParts, idOf: readonly number[]): Move[] | undefined {
    const { gone, fresh } = differenceOf(earlier.groups, this.groups);
    const moved = markRows([...gone, ...fresh], idOf.length);
    const total = earlier.parts.reduce((sum, { ids }) => sum + ids.length, 0);
    if (moved.count * 2 > total) return undefined;
    this.byKey = earlier.index();
    this.entries = earlier.entries;
    const moves: Move[] = [];
    const left = new Map<Peers, Set<number>>();
    const joining: Part<ClauseGroup>[] = [];
    for (const { groups, ids } of partition([...earlier.groups, ...fresh], idOf, moved)) {
      const from = this.byKey.get(keyOf(groups.filter((group) => !fresh.has(group))));
      if (from !== undefined) left.set(from, new Set([...(left.get(from) ?? []), ...ids]));
      joining.push({ groups: groups.filter((group) => !gone.has(group)), ids });
      moves.push({ ids, from: from?.column, to: undefined });
    }
    this.parts = earlier.parts.flatMap((peers) => {
      const leaving = left.get(peers);
      return leaving === undefined ? [peers] : this.without(peers, leaving);
    });
    return moves.map((move, index) => {
      const part = joining[index]!;
      return part.groups.length === 0 ? move : { ...move, to: this.join(part).column };
    });
  }

  /** The identity joined these selections. Returns the column that is its own now; undefined = none. */
  add(id: number, selections: readonly Selection[]): Column | undefined {
    const groups = this.groupsOf(selections);
    return groups.length === 0 ? undefined : this.join({ groups, ids: [id] }).column;
  }

  /** Returns the column that the identity had; undefined = none of its own. */
  remove(id: number, selections: readonly Selection[]): Column | undefined {
    const groups = this.groupsOf(selections);
    const peers = this.index().get(keyOf(groups));
    const index = peers?.ids.indexOf(id) ?? -1;
    if (peers === undefined || index === -1) return undefined;
    peers.ids[index] = peers.ids.at(-1)!;
    peers.ids.pop();
    this.entries -= peers.column.entries.length;
    return peers.column;
  }

  private peersOf({ groups, ids }: Part<ClauseGroup>): Peers {
    return { groups, ids, column: this.columnFor(groups) };
  }

  private join(part: Part<ClauseGroup>): Peers {
    const [index, key] = [this.index(), keyOf(part.groups)];
    const known = index.get(key);
    const peers = known ?? this.peersOf(part);
    this.entries += part.ids.length * peers.column.entries.length;
    if (known !== undefined) for (const id of part.ids) known.ids.push(id);
    else {
      index.set(key, peers);
      this.parts.push(peers);
    }
    return peers;
  }

  /** What is left of the peers, as a list of one or none; they themselves are not changed. */
  private without(peers: Peers, leaving: ReadonlySet<number>): Peers[] {
    const rest = { ...peers, ids: peers.ids.filter((id) => !leaving.has(id)) };
    this.entries -= (peers.ids.length - rest.ids.length) * peers.column.entries.length;
    if (rest.ids.length === 0) this.index().delete(keyOf(peers.groups));
    else this.index().set(keyOf(peers.groups), rest);
    return rest.ids.length === 0 ? [] : [rest];
  }

  /** The groups behind selections, in their order here. */
  private groupsOf(selections: readonly Selection[]): ClauseGroup[] {
    this.placeOf ??= new Map(this.groups.map(({ rows }, place) => [rows, place]));
    const places = selections.flatMap(({ rows }) => this.placeOf!.get(rows) ?? []);
    return places.sort((a, b) => a - b).map((place) => this.groups[place]!);
  }

  private index(): Map<string, Peers> {
    this.byKey ??= new Map(this.parts.map((peers) => [keyOf(peers.groups), peers]));
    return this.byKey;
  }
}

function keyOf(groups: readonly ClauseGroup[]): string {
  let key = "";
  for (const { serial } of groups) key += `${serial},`;
  return key;
}

/** What went and what is new, where the later list begins with what stayed, in the same order. */
export function differenceOf<T>(
  before: readonly T[],
  now: readonly T[],
): { readonly gone: Set<T>; readonly fresh: Set<T> } {
  const gone = new Set<T>();
  let same = 0;
  for (const each of before) {
    if (each === now[same]) same++;
    else gone.add(each);
  }
  return { gone, fresh: new Set(now.slice(same)) };
}
