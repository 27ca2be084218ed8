import type { Labels } from "../model/label.ts";
import type { SelectOptions, Selector } from "../model/selector.ts";
import { clusterByNumber, isByNumber } from "./entities.ts";
import { type Condition, LabelIndex } from "./label-index.ts";
import { LabelRows } from "./label-rows.ts";

/** The identities that a selector selects, kept up to date. */
export interface Selection {
  readonly selector: Selector;
  /** Rows of the selected identities (see `SelectorCache.identityAt`), in no order. */
  readonly rows: readonly number[];
  /** What the set of rows that asked last found here: kept beside the rows, for to look it up costs as much as to find it. */
  readonly found: { mark: number; rows: readonly number[] };
}

interface LiveSelection extends Selection {
  readonly rows: number[];
  readonly conditions: readonly Condition[];
  /** The condition under whose labels the selection is filed; undefined = every identity is tried. */
  readonly driver: Condition | undefined;
  users: number;
}

/** A change of identities, and which selections it touched. */
export interface IdentityChange {
  readonly row: number;
  readonly selections: readonly Selection[];
}

const NO_ROWS: readonly number[] = [];
/** Rows of removed identities are not used again until so many have come together. */
const COMPACTION_SLACK = 4_096;

function removeRow(rows: number[], row: number): void {
  const index = rows.lastIndexOf(row);
  if (index === -1) return;
  rows[index] = rows.at(-1)!;
  rows.pop();
}

/**
 * Knows every identity with its labels, and which of them each selector in use selects. Identities stand in rows; a label
 * points to the rows that have it, and a selector is compared only with rows that share a label with it.
 */
export class SelectorCache {
  readonly options: SelectOptions;
  private index: LabelIndex;
  private rowOf = new Map<number, number>();
  private ids: number[] = [];
  private labels = new LabelRows();
  /** By label number: rows that have the label, some of them gone. */
  private rowsByLabel: number[][] = [];
  private readonly selections = new Map<string, LiveSelection>();
  private readonly drivenBy = new Map<Condition, Set<LiveSelection>>();
  private readonly undriven = new Set<LiveSelection>();
  /** Rises whenever rows are numbered anew; what holds rows is stale then. */
  generation = 0;

  constructor(options: SelectOptions = {}) {
    this.options = options;
    this.index = new LabelIndex(options);
  }

  /** The identity of each row, those that are gone included. */
  get idsByRow(): readonly number[] {
    return this.ids;
  }

  /** The number of the identity in a row. */
  identityAt(row: number): number {
    return this.ids[row]!;
  }

  /** Rows of all identities. */
  rows(): Iterable<number> {
    return this.rowOf.values();
  }

  labelsOf(id: number): Labels | undefined {
    const row = this.rowOf.get(id);
    if (row === undefined) return undefined;
    return Array.from(this.labels.of(row), (label) => this.index.label(label)).filter((label) => !isByNumber(label));
  }

  identities(): Iterable<number> {
    return this.rowOf.keys();
  }

  hasIdentity(id: number): boolean {
    return this.rowOf.has(id);
  }

  /** Adds the identity, or gives it other labels. */
  upsertIdentity(id: number, labels: Labels): IdentityChange {
    this.removeIdentity(id);
    const own = [...labels, ...clusterByNumber(id, labels)].map((label) => this.index.number(label));
    const row = this.labels.push(own);
    this.ids.push(id);
    this.rowOf.set(id, row);
    for (const label of own) {
      const rows = this.rowsByLabel[label];
      // Most labels are one identity's alone: a list that begins with one row has no room to spare.
      if (rows === undefined) this.rowsByLabel[label] = [row];
      else rows.push(row);
    }
    const joined: LiveSelection[] = [];
    for (const selection of this.candidatesOf(own)) {
      if (!this.labels.meetsAll(row, selection.conditions)) continue;
      selection.rows.push(row);
      joined.push(selection);
    }
    return { row, selections: joined };
  }

  /** Undefined when there is no such identity. */
  removeIdentity(id: number): IdentityChange | undefined {
    const row = this.rowOf.get(id);
    if (row === undefined) return undefined;
    const left: LiveSelection[] = [];
    for (const selection of this.candidatesOf(this.labels.of(row))) {
      if (!this.labels.meetsAll(row, selection.conditions)) continue;
      removeRow(selection.rows, row);
      left.push(selection);
    }
    this.labels.drop(row);
    this.rowOf.delete(id);
    if (this.ids.length > 2 * this.rowOf.size + COMPACTION_SLACK) this.compact();
    return { row, selections: left };
  }

  /** Starts or shares the selection of a selector; give it back with `release`. */
  retain(selector: Selector): Selection {
    const known = this.selections.get(selector.text);
    if (known !== undefined) {
      known.users++;
      return known;
    }
    const conditions = this.index.conditionsOf(selector);
    const driver = this.smallest(conditions);
    const selection: LiveSelection = {
      selector,
      conditions,
      driver,
      rows: [],
      found: { mark: 0, rows: NO_ROWS },
      users: 1,
    };
    this.selections.set(selector.text, selection);
    this.file(selection);
    this.fill(selection);
    return selection;
  }

  release(selection: Selection): void {
    const live = selection as LiveSelection;
    if (--live.users > 0) return;
    this.selections.delete(live.selector.text);
    this.undriven.delete(live);
    const driven = live.driver && this.drivenBy.get(live.driver);
    if (driven?.delete(live) && driven.size === 0) this.drivenBy.delete(live.driver!);
    this.index.release(live.conditions);
  }

  /** Numbers of the identities that the selector selects now. */
  select(selector: Selector): ReadonlySet<number> {
    const selection = this.retain(selector);
    const found = new Set(selection.rows.map((row) => this.ids[row]!));
    this.release(selection);
    return found;
  }

  /** Selections that somebody with these labels may be in. */
  private candidatesOf(labels: Iterable<number>): Set<LiveSelection> {
    const found = new Set<LiveSelection>(this.undriven);
    for (const label of labels) {
      for (const condition of this.index.conditionsWith(label)) {
        const driven = this.drivenBy.get(condition);
        if (driven !== undefined) for (const selection of driven) found.add(selection);
      }
    }
    return found;
  }

  private file(selection: LiveSelection): void {
    if (selection.driver === undefined) {
      this.undriven.add(selection);
      return;
    }
    const driven = this.drivenBy.get(selection.driver);
    if (driven === undefined) this.drivenBy.set(selection.driver, new Set([selection]));
    else driven.add(selection);
  }

  private fill({ driver, conditions, rows }: LiveSelection): void {
    if (driver === undefined) {
      this.labels.collect([...this.rowOf.values()], conditions, rows);
      return;
    }
    const others = conditions.filter((condition) => condition !== driver);
    const isSingle = driver.labels.size < 2;
    const found: number[] = isSingle ? rows : [];
    for (const label of driver.labels) this.labels.collect(this.rowsByLabel[label] ?? NO_ROWS, others, found);
    // A row may have two labels of a driver's set (one key in two sources cannot be; two names of one address can).
    if (!isSingle) for (const row of new Set(found)) rows.push(row);
  }

  /** Of the conditions that say what must be there, the one with the fewest rows; undefined = there is none. */
  private smallest(conditions: readonly Condition[]): Condition | undefined {
    let best: Condition | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < conditions.length; index++) {
      const condition = conditions[index]!;
      if (condition.negative) continue;
      const size = this.sizeOf(condition);
      if (size >= least) continue;
      best = condition;
      least = size;
    }
    return best;
  }

  private sizeOf({ labels, only }: Condition): number {
    if (only !== -1) return this.rowsByLabel[only]?.length ?? 0;
    let size = 0;
    for (const label of labels) size += this.rowsByLabel[label]?.length ?? 0;
    return size;
  }

  /** Numbers the rows anew, without those that are gone, and forgets labels that nobody has. */
  private compact(): void {
    const kept = [...this.rowOf.keys()].map((id) => ({ id, labels: this.labelsOf(id)! }));
    const selections = [...this.selections.values()];
    this.index = new LabelIndex(this.options);
    this.rowOf = new Map();
    this.ids = [];
    this.labels = new LabelRows();
    this.rowsByLabel = [];
    this.drivenBy.clear();
    this.undriven.clear();
    this.selections.clear();
    for (const { id, labels } of kept) this.upsertIdentity(id, labels);
    for (const selection of selections) this.restart(selection);
    this.generation++;
  }

  private restart(old: LiveSelection): void {
    const conditions = this.index.conditionsOf(old.selector);
    const driver = this.smallest(conditions);
    const selection = Object.assign(old, { conditions, driver });
    selection.rows.length = 0;
    this.selections.set(old.selector.text, selection);
    this.file(selection);
    this.fill(selection);
  }
}
