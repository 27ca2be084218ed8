import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Flow, LostEventSource } from "../../proto/gen/flow_pb.js";
import { type GetFlowsResponse, GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import type { FlowRing, RingEntry } from "../flow/index.ts";
import { compareTimestamps, type FlowQuery } from "./request.ts";

/** How often at most a reader is told that the ring overtook it. */
const LOST_INTERVAL_MS = 1000;

/** What a reader gives: the next response, `wait` when there is none yet, `end` when there will be none. */
export type ReadResult<R = GetFlowsResponse> = R | "wait" | "end";

export interface FlowReader {
  next(): ReadResult;
}

export interface ReaderOptions {
  readonly ring: FlowRing;
  readonly query: FlowQuery;
  readonly nodeName: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Walks back from the newest entry as far as the query reaches. */
function startOf(ring: FlowRing, query: FlowQuery): number {
  if (query.first && !query.since) return ring.oldest;
  if (query.follow && query.number === 0 && !query.since) return ring.next;
  let start = ring.next;
  let found = 0;
  for (let sequence = ring.next - 1; sequence >= ring.oldest; sequence--) {
    const entry = ring.read(sequence);
    if (entry?.kind === "flow") {
      if (query.since && entry.flow.time && compareTimestamps(entry.flow.time, query.since) < 0) return start;
      if (query.matches(entry.flow)) found++;
    }
    start = sequence;
    if (!query.since && query.number > 0 && found === query.number) return start;
  }
  return start;
}

/**
 * Reads a ring as GetFlows demands. What the ring overwrote before it was read is told as lost events, at most once a
 * second and at the end.
 */
export function createFlowReader(options: ReaderOptions): FlowReader {
  const { ring, query, nodeName, now } = options;
  let sequence = startOf(ring, query);
  let sent = 0;
  let missed = 0;
  let lastTold = Number.NEGATIVE_INFINITY;

  const tellMissed = (force: boolean): GetFlowsResponse | undefined => {
    if (missed === 0 || (!force && now() - lastTold < LOST_INTERVAL_MS)) return undefined;
    const time = timestampFromMs(now());
    const value = { source: LostEventSource.HUBBLE_RING_BUFFER, numEventsLost: BigInt(missed) };
    missed = 0;
    lastTold = now();
    return create(GetFlowsResponseSchema, { responseTypes: { case: "lostEvents", value }, nodeName, time });
  };

  const respond = (entry: RingEntry): ReadResult | undefined => {
    if (entry.kind === "lost") {
      const time = entry.lost.last ?? timestampFromMs(now());
      return create(GetFlowsResponseSchema, {
        responseTypes: { case: "lostEvents", value: entry.lost },
        nodeName,
        time,
      });
    }
    const { flow } = entry;
    if (query.until && flow.time && compareTimestamps(flow.time, query.until) > 0) return "end";
    if (!query.matches(flow)) return undefined;
    sent++;
    return toResponse(query.mask ? query.mask(flow) : flow);
  };

  return {
    next() {
      for (;;) {
        const told = tellMissed(false);
        if (told) return told;
        if (!query.follow && query.number > 0 && sent >= query.number) return tellMissed(true) ?? "end";
        const entry = ring.read(sequence);
        if (entry === undefined) return query.follow ? "wait" : (tellMissed(true) ?? "end");
        if (entry.kind === "overtaken") {
          missed += entry.missed;
          sequence = ring.oldest;
          continue;
        }
        const result = respond(entry);
        if (result === "end") {
          return tellMissed(true) ?? "end";
        }
        sequence++;
        if (result !== undefined) return result;
      }
    },
  };
}

/** The envelope takes node and time from the flow as it is after masking. */
function toResponse(flow: Flow): GetFlowsResponse {
  const response: GetFlowsResponse = {
    $typeName: "observer.GetFlowsResponse",
    responseTypes: { case: "flow", value: flow },
    nodeName: flow.nodeName,
  };
  if (flow.time) response.time = flow.time;
  return response;
}

/** Resolves at the next append or abort. */
export function nextAppend(ring: FlowRing, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stop();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const stop = ring.onAppend(done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
