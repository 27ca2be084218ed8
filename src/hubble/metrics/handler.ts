import type { Flow } from "../../../proto/gen/flow_pb.js";
import type { Counter, Family, Histogram, Registry } from "../../metrics/index.ts";
import type { FlowLabels } from "./context.ts";

/** What a handler is made with. */
export interface HandlerContext {
  readonly registry: Registry;
  readonly labels: FlowLabels;
  /** Its options by name in lower case, with their first value. */
  readonly options: ReadonlyMap<string, string>;
  /** Seconds since the epoch. */
  readonly now: () => number;
}

/** Counts flows in families that it has put into the registry. */
export interface Handler {
  readonly families: readonly Family<Counter | Histogram>[];
  process(flow: Flow): void;
}
