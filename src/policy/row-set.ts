import { type Group, type Part, partition } from "./partition.ts";
import type { Selection } from "./selector-cache.ts";

/** Rows that stand in a list at some place. */
interface Place extends Group {
  readonly place: number;
}

/** Rows of a selection, or some of them; undefined selection = nobody's. */
interface SelectedGroup extends Group {
  readonly selection: Selection | undefined;
}

/** For each row the last marking that it was in. */
let markOf = new Int32Array(0);
let lastMark = 0;

/** Some rows, told from all others, while no identity comes or goes. What is found out of them is kept for whoever asks next. */
export class RowSet {
  /** Each once. */
  readonly rows: readonly number[];
  private readonly idOf: readonly number[];
  private readonly found = new Map<readonly number[], readonly number[]>();
  private readonly known: { readonly lists: readonly Place[]; readonly parts: readonly Part<Place>[] }[] = [];
  private mark = 0;

  /** All rows of the lists. `idOf` gives the identity of every row. */
  constructor(lists: readonly (readonly number[])[], idOf: readonly number[]) {
    this.rows = lists.length === 1 ? lists[0]! : [...new Set(lists.flat())];
    this.idOf = idOf;
  }

  /** Adds those of the groups that have rows of the set to `found`, and these rows, as `among` gives them, to `lists`. */
  findGroups<G extends SelectedGroup>(groups: readonly G[], found: G[], lists: (readonly number[])[]): void {
    this.markAll();
    for (let place = 0; place < groups.length; place++) {
      const group = groups[place]!;
      const some = group.selection?.rows === group.rows ? this.amongSelected(group.selection) : this.among(group.rows);
      if (some.length === 0) continue;
      found.push(group);
      lists.push(some);
    }
  }

  /** Those of the rows that are in the set: for the same list the same answer. */
  among(rows: readonly number[]): readonly number[] {
    const known = this.found.get(rows);
    if (known !== undefined) return known;
    this.markAll();
    const found: number[] = [];
    for (let index = 0; index < rows.length; index++) if (markOf[rows[index]!] === this.mark) found.push(rows[index]!);
    this.found.set(rows, found);
    return found;
  }

  /** The same for a selection, which remembers its answer: who asks next has mostly the same selections. */
  private amongSelected({ rows, found }: Selection): readonly number[] {
    if (found.mark !== this.mark) {
      found.rows = this.among(rows);
      found.mark = this.mark;
    }
    return found.rows;
  }

  /** Parts rows of the set by lists that `among` gave: a part's groups are places in `rowLists`. */
  parted(rowLists: readonly (readonly number[])[]): readonly Part<Place>[] {
    const known = this.known.find(
      ({ lists }) => lists.length === rowLists.length && lists.every(({ rows }, place) => rows === rowLists[place]),
    );
    if (known !== undefined) return known.parts;
    const lists = rowLists.map((rows, place) => ({ rows, place }));
    const parts = partition(lists, this.idOf);
    this.known.push({ lists, parts });
    return parts;
  }

  /** Sets take turns with the marks. */
  private markAll(): void {
    if (this.mark !== 0 && this.mark === lastMark) return;
    if (markOf.length < this.idOf.length) markOf = new Int32Array(this.idOf.length * 2);
    this.mark = ++lastMark;
    for (const row of this.rows) markOf[row] = this.mark;
  }
}
