import { Aggregation, type AggregationLevel, type Datapath } from "../datapath/port.ts";

/** Cilium's names of the levels. */
export type AggregationName = keyof typeof Aggregation;

/**
 * How many trace events the node's kernel makes. By itself it is "Medium", and while somebody monitors a level that shows every
 * packet; what was asked for by name counts in any case, until the agent is started again.
 */
export class TraceLevel {
  private readonly datapath: Pick<Datapath, "setAggregation">;
  private asked: AggregationName | undefined;
  private isWatched = false;

  constructor(datapath: TraceLevel["datapath"]) {
    this.datapath = datapath;
  }

  get name(): AggregationName {
    return this.asked ?? (this.isWatched ? "Low" : "Medium");
  }

  set(asked: AggregationName): void {
    this.asked = asked;
    this.apply();
  }

  /** Somebody monitors, or nobody does any more. */
  watched(isWatched: boolean): void {
    this.isWatched = isWatched;
    this.apply();
  }

  private apply(): void {
    const level: AggregationLevel = Aggregation[this.name];
    this.datapath.setAggregation(level);
  }
}
