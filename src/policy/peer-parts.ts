import type { Clause } from "./clause.ts";
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

interface PeerNode {
  readonly next: Map<ClauseGroup, PeerNode>;
  peers: Peers | undefined;
}

type ColumnFor = (groups: readonly ClauseGroup[]) => Column;

/** All peers of one direction that any clause selects, parted by the groups that they are in. */
export class PeerParts {
  /** In the order of their serials, by which parts are told apart. */
  readonly groups: readonly ClauseGroup[];
  private readonly columnFor: ColumnFor;
  private parts: Peers[] = [];
  /** Place in `groups`, by the rows of the selection. */
  private placeOf: Map<readonly number[], number> | undefined;
  private nodes: PeerNode | undefined;

  constructor(groups: readonly ClauseGroup[], columnFor: ColumnFor) {
    this.groups = groups;
    this.columnFor = columnFor;
  }

  get all(): readonly Peers[] {
    return this.parts;
  }

  /** Parts all rows. `idOf` gives the identity of every row. */
  fill(idOf: readonly number[]): void {
    this.parts = partition(this.groups, idOf).map((part) => this.peersOf(part));
  }

  /**
   * Takes over the parts of earlier groups, some of which are the same objects as groups here, and moves only rows of groups
   * that are not. The earlier parts must not be used any more. False, and nothing done, where that would not be less work.
   */
  fillFrom(earlier: PeerParts, idOf: readonly number[]): boolean {
    const [before, now] = [new Set(earlier.groups), new Set(this.groups)];
    const gone = earlier.groups.filter((group) => !now.has(group));
    const fresh = this.groups.filter((group) => !before.has(group));
    const moved = markRows([...gone, ...fresh], idOf.length);
    const total = earlier.parts.reduce((sum, { ids }) => sum + ids.length, 0);
    if (moved.count * 2 > total) return false;
    const left = new Map<Peers, Set<number>>();
    for (const { groups, ids } of partition(earlier.groups, idOf, moved)) {
      const from = earlier.nodeOf(groups).peers;
      if (from !== undefined) left.set(from, new Set(ids));
    }
    this.parts = earlier.parts.flatMap((peers) => {
      const leaving = left.get(peers);
      if (leaving === undefined) return [peers];
      const ids = peers.ids.filter((id) => !leaving.has(id));
      return ids.length === 0 ? [] : [{ ...peers, ids }];
    });
    for (const part of partition(this.groups, idOf, moved)) this.join(part);
    return true;
  }

  /** The identity joined these selections. Returns the column that is its own now; undefined = none. */
  add(id: number, selections: readonly Selection[]): Column | undefined {
    const groups = this.groupsOf(selections);
    return groups.length === 0 ? undefined : this.join({ groups, ids: [id] }).column;
  }

  /** Returns the column that the identity had; undefined = none of its own. */
  remove(id: number, selections: readonly Selection[]): Column | undefined {
    const groups = this.groupsOf(selections);
    const peers = groups.length === 0 ? undefined : this.nodeOf(groups).peers;
    const index = peers?.ids.indexOf(id) ?? -1;
    if (peers === undefined || index === -1) return undefined;
    peers.ids[index] = peers.ids.at(-1)!;
    peers.ids.pop();
    return peers.column;
  }

  private peersOf({ groups, ids }: Part<ClauseGroup>): Peers {
    return { groups, ids, column: this.columnFor(groups) };
  }

  private join(part: Part<ClauseGroup>): Peers {
    const node = this.nodeOf(part.groups);
    if (node.peers !== undefined) {
      for (const id of part.ids) node.peers.ids.push(id);
      return node.peers;
    }
    node.peers = this.peersOf(part);
    this.parts.push(node.peers);
    return node.peers;
  }

  /** The groups behind selections, in their order here. */
  private groupsOf(selections: readonly Selection[]): ClauseGroup[] {
    this.placeOf ??= new Map(this.groups.map(({ rows }, place) => [rows, place]));
    const places = selections.flatMap(({ rows }) => this.placeOf!.get(rows) ?? []);
    return places.sort((a, b) => a - b).map((place) => this.groups[place]!);
  }

  private nodeOf(groups: readonly ClauseGroup[]): PeerNode {
    if (this.nodes === undefined) {
      this.nodes = { next: new Map(), peers: undefined };
      for (const peers of this.parts) this.nodeOf(peers.groups).peers = peers;
    }
    let node = this.nodes;
    for (const group of groups) {
      let next = node.next.get(group);
      if (next === undefined) {
        next = { next: new Map(), peers: undefined };
        node.next.set(group, next);
      }
      node = next;
    }
    return node;
  }
}

function isSameClause(a: Clause, b: Clause): boolean {
  return (
    a.filter === b.filter &&
    a.precedence === b.precedence &&
    a.verdict === b.verdict &&
    a.l7 === b.l7 &&
    a.auth === b.auth &&
    a.log === b.log &&
    areSame(a.origins, b.origins, Object.is)
  );
}

function areSame<T>(a: readonly T[], b: readonly T[], isSame: (x: T, y: T) => boolean): boolean {
  return a.length === b.length && a.every((each, index) => isSame(each, b[index]!));
}

/** True when both lists of clauses say the same. */
export function areSameClauses(a: readonly Clause[], b: readonly Clause[]): boolean {
  return areSame(a, b, isSameClause);
}

/** The groups, each replaced by the earlier one that says the same about the same rows; sorted by serial. */
export function adoptGroups(groups: readonly ClauseGroup[], earlier: readonly ClauseGroup[]): ClauseGroup[] {
  const known = new Map(earlier.map((group) => [group.rows, group]));
  const adopted = groups.map((group) => {
    const same = known.get(group.rows);
    return same !== undefined && areSameClauses(same.clauses, group.clauses) ? same : group;
  });
  return adopted.sort((a, b) => a.serial - b.serial);
}
