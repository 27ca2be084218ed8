import { Family, type FamilyOptions } from "./family.ts";
import { numberText } from "./number-text.ts";
import { Counter, Gauge, Histogram, type Sample, type Series } from "./series.ts";

/** Buckets where nothing else is said: those of Prometheus' clients, in seconds. */
export const DEFAULT_BUCKETS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** One line as it is listed; the buckets of a histogram have the label `le`. */
export interface Metric {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

type AnyFamily = Family<Series>;

/** What one port serves: families by name, and what looks up numbers just before somebody reads them. */
export class Registry {
  private readonly byName = new Map<string, AnyFamily>();
  private readonly collectors = new Set<() => void>();
  private readonly refused = this.counter({
    name: "shieldgate_metrics_series_refused_total",
    help: "Values that were not counted, because their metric has as many series as it may",
    labels: ["metric"],
  });

  counter<L extends string>(options: FamilyOptions<L>): Family<Counter, L> {
    return this.add(new Family("counter", options, () => new Counter(), this.refusal(options.name)));
  }

  /**
   * A counter under a name of somebody else's, which has no `_total`. As a counter a checker would complain of it, and OpenMetrics would
   * give it another name.
   */
  untypedCounter<L extends string>(options: FamilyOptions<L>): Family<Counter, L> {
    return this.add(new Family("untyped", options, () => new Counter(), this.refusal(options.name)));
  }

  gauge<L extends string>(options: FamilyOptions<L>): Family<Gauge, L> {
    return this.add(new Family("gauge", options, () => new Gauge(), this.refusal(options.name)));
  }

  histogram<L extends string>(
    options: FamilyOptions<L> & { readonly buckets?: readonly number[] },
  ): Family<Histogram, L> {
    const buckets = options.buckets ?? DEFAULT_BUCKETS;
    return this.add(new Family("histogram", options, () => new Histogram(buckets), this.refusal(options.name)));
  }

  /** `collector` is called before each reading, to set what is looked up and not counted. */
  collect(collector: () => void): void {
    this.collectors.add(collector);
  }

  /** Forgets the families. */
  remove(families: Iterable<{ readonly name: string }>): void {
    for (const { name } of families) this.byName.delete(name);
  }

  /** The families by name, as they are now. */
  families(): readonly AnyFamily[] {
    for (const collector of this.collectors) collector();
    return [...this.byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Every line with its labels and value, as they are now, by name and labels. */
  metrics(): Metric[] {
    return this.families().flatMap((family) =>
      [...family.all()].flatMap(([values, series]) => {
        const labels = Object.fromEntries(family.labels.map((label, at) => [label, values[at]!]));
        return series.samples().map((sample) => listed(family.name, labels, sample));
      }),
    );
  }

  private refusal(name: string): () => void {
    return () => this.refused.of(name).inc();
  }

  private add<S extends Series, L extends string>(family: Family<S, L>): Family<S, L> {
    if (this.byName.has(family.name)) throw new Error(`metric ${family.name} is there already`);
    this.byName.set(family.name, family as unknown as AnyFamily);
    return family;
  }
}

function listed(name: string, labels: Metric["labels"], { suffix, le, value }: Sample): Metric {
  return {
    name: name + suffix,
    labels: le === undefined ? labels : { ...labels, le: numberText(le) },
    value,
  };
}
