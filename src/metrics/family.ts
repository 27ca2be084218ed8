import type { Series } from "./series.ts";

/** `untyped`: a counter whose name does not say so. */
export type MetricType = "counter" | "gauge" | "histogram" | "untyped";

/** Series that a family holds unless it says otherwise: a flood of names must not fill the memory. */
export const MOST_SERIES = 10_000;

export interface FamilyOptions<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
  /** Most series that are held. */
  readonly mostSeries?: number;
}

type Branch<S> = Map<string, Branch<S> | S>;

/**
 * The series of one name, one for each set of label values. They stand in a tree by value, so that the hot path finds its own
 * without making a string of all values, and no value can be read as two.
 */
export class Family<S extends Series, L extends string = string> {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly labels: readonly L[];
  private readonly make: () => S;
  private readonly mostSeries: number;
  /** Takes what has no room; nobody reads it. */
  private readonly surplus: S;
  private readonly refused: () => void;
  private readonly root: Branch<S> = new Map();
  private count = 0;

  /** `refused` is called each time that a series has no room. */
  constructor(type: MetricType, options: FamilyOptions<L>, make: () => S, refused: () => void) {
    this.type = type;
    this.name = options.name;
    this.help = options.help;
    this.labels = options.labels ?? [];
    this.mostSeries = options.mostSeries ?? MOST_SERIES;
    this.make = make;
    this.surplus = make();
    this.refused = refused;
    if (this.labels.length === 0) this.of();
  }

  get size(): number {
    return this.count;
  }

  /** The series of these values, in the order of the labels. Above the limit: one that nobody shows. */
  of(...values: string[]): S {
    return this.at(values);
  }

  /** As `of`; the list may be used again. Throws RangeError for a wrong number of values. */
  at(values: readonly string[]): S {
    if (values.length !== this.labels.length) throw new RangeError(`${this.name}: ${values.length} values of labels`);
    let branch: Branch<S> = this.root;
    const last = Math.max(values.length - 1, 0);
    for (let depth = 0; depth < last; depth++) {
      const next = branch.get(values[depth]!) as Branch<S> | undefined;
      if (next === undefined) return this.grow(values);
      branch = next;
    }
    return (branch.get(values[last] ?? "") as S | undefined) ?? this.grow(values);
  }

  /** Forgets every series whose labels have all of these values, as `where` names them. */
  remove(where: Readonly<Record<string, string>>): void {
    if (Object.keys(where).every((label) => this.labels.includes(label as L))) this.prune(this.root, 0, where);
  }

  clear(): void {
    this.root.clear();
    this.count = 0;
  }

  /** Every series with its values, sorted by them. */
  *all(): Generator<readonly [values: readonly string[], series: S]> {
    yield* this.walk(this.root, []);
  }

  private grow(values: readonly string[]): S {
    if (this.count >= this.mostSeries) {
      this.refused();
      return this.surplus;
    }
    this.count++;
    let branch: Branch<S> = this.root;
    const last = Math.max(values.length - 1, 0);
    for (const value of values.slice(0, last)) {
      const next = (branch.get(value) as Branch<S> | undefined) ?? new Map();
      branch.set(value, next);
      branch = next;
    }
    const series = this.make();
    branch.set(values[last] ?? "", series);
    return series;
  }

  private prune(branch: Branch<S>, depth: number, where: Readonly<Record<string, string>>): void {
    const wanted = where[this.labels[depth] ?? ""];
    for (const [value, below] of branch) {
      if (wanted !== undefined && value !== wanted) continue;
      if (!(below instanceof Map)) this.count--;
      else {
        this.prune(below, depth + 1, where);
        if (below.size > 0) continue;
      }
      branch.delete(value);
    }
  }

  private *walk(branch: Branch<S>, above: readonly string[]): Generator<readonly [readonly string[], S]> {
    for (const value of [...branch.keys()].sort()) {
      const below = branch.get(value)!;
      const values = this.labels.length === 0 ? [] : [...above, value];
      if (below instanceof Map) yield* this.walk(below, values);
      else yield [values, below];
    }
  }
}
