/** A sample that stands for others, e.g. the trace of a request; only OpenMetrics shows it. */
export interface Exemplar {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Seconds since the epoch. */
  readonly timestamp: number;
}

/** One line of the text form: the family's name and `suffix`, with labels beyond the series' own. */
export interface Sample {
  readonly suffix: "" | "_bucket" | "_sum" | "_count";
  readonly le?: number;
  readonly value: number;
  readonly exemplar?: Exemplar | undefined;
}

/** The numbers of one set of label values. */
export interface Series {
  samples(): readonly Sample[];
}

/** A number that grows. */
export class Counter implements Series {
  value = 0;
  private exemplar: Exemplar | undefined;

  inc(by = 1, exemplar?: Exemplar): void {
    this.value += by;
    if (exemplar !== undefined) this.exemplar = exemplar;
  }

  samples(): readonly Sample[] {
    return [{ suffix: "", value: this.value, exemplar: this.exemplar }];
  }
}

/** A number that is what it is now. */
export class Gauge implements Series {
  value = 0;

  set(value: number): void {
    this.value = value;
  }

  samples(): readonly Sample[] {
    return [{ suffix: "", value: this.value }];
  }
}

/** How values are spread, in buckets by their upper bounds. */
export class Histogram implements Series {
  private readonly bounds: readonly number[];
  private readonly counts: number[];
  private readonly exemplars: (Exemplar | undefined)[] = [];
  private sum = 0;

  /** `bounds` ascend; the bucket without end is not among them. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number, exemplar?: Exemplar): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++;
    this.counts[bucket]! += 1;
    this.sum += value;
    if (exemplar !== undefined) this.exemplars[bucket] = exemplar;
  }

  samples(): readonly Sample[] {
    let count = 0;
    const buckets = this.counts.map((own, at): Sample => {
      count += own;
      return { suffix: "_bucket", le: this.bounds[at] ?? Infinity, value: count, exemplar: this.exemplars[at] };
    });
    return [...buckets, { suffix: "_sum", value: this.sum }, { suffix: "_count", value: count }];
  }
}
