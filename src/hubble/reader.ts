import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Flow, LostEventSource } from "../../proto/gen/flow_pb.js";
import { type GetFlowsResponse, GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import type { FlowRing, RingEntry } from "../flow/index.ts";
import type { FlowHistory } from "../history/index.ts";
import { compareTimestamps, type FlowQuery } from "./request.ts";

/** How often at most a reader is told that the ring overtook it. */
const LOST_INTERVAL_MS = 1000;

/** What a reader gives: the next response, `wait` when there is none yet, `end` when there will be none. */
export type ReadResult<R = GetFlowsResponse> = R | "wait" | "end";

export interface FlowReader {
  next(): ReadResult;
  /** After `wait`: resolves when `next` may have something, or the signal aborts. Rejects when the history cannot be read. */
  ready(signal: AbortSignal): Promise<void>;
}

export interface ReaderOptions {
  readonly ring: FlowRing;
  readonly query: FlowQuery;
  readonly nodeName: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** What the ring has no more; a query with `since` reaches into it. */
  readonly history?: FlowHistory;
}

/** Where a reader of the ring begins, and what the query has had before. */
interface Progress {
  readonly sequence: number;
  readonly sent: number;
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
 * Reads as GetFlows demands: the ring, and before it the history when the query has a `since` that lies before what the ring holds.
 * Without one the ring is all that there is, as with Cilium.
 */
export function createFlowReader(options: ReaderOptions): FlowReader {
  const { ring, query, history } = options;
  const sequence = startOf(ring, query);
  if (history === undefined || query.since === undefined || sequence > ring.oldest) {
    return createRingReader(options, { sequence, sent: 0 });
  }
  return createHistoryReader(options, history);
}

/** What an entry is to the query: an answer, nothing, or the end. */
export function answerTo(entry: RingEntry, options: ReaderOptions): ReadResult | undefined {
  const { query, nodeName, now } = options;
  if (entry.kind === "lost") {
    const time = entry.lost.last ?? timestampFromMs(now());
    return create(GetFlowsResponseSchema, { responseTypes: { case: "lostEvents", value: entry.lost }, nodeName, time });
  }
  const { flow } = entry;
  if (query.until && flow.time && compareTimestamps(flow.time, query.until) > 0) return "end";
  if (!query.matches(flow)) return undefined;
  return toResponse(query.mask ? query.mask(flow) : flow);
}

/** Says that so many entries are gone. */
export function lostResponse(missed: number, { nodeName, now }: ReaderOptions): GetFlowsResponse {
  const value = { source: LostEventSource.HUBBLE_RING_BUFFER, numEventsLost: BigInt(missed) };
  const time = timestampFromMs(now());
  return create(GetFlowsResponseSchema, { responseTypes: { case: "lostEvents", value }, nodeName, time });
}

/** What the ring overwrote before it was read is told as lost events, at most once a second and at the end. */
function createRingReader(options: ReaderOptions, begin: Progress): FlowReader {
  const { ring, query, now } = options;
  let { sequence, sent } = begin;
  let missed = 0;
  let lastTold = Number.NEGATIVE_INFINITY;

  const tellMissed = (force: boolean): GetFlowsResponse | undefined => {
    if (missed === 0 || (!force && now() - lastTold < LOST_INTERVAL_MS)) return undefined;
    const told = lostResponse(missed, options);
    missed = 0;
    lastTold = now();
    return told;
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
        const result = answerTo(entry, options);
        if (result === "end") return tellMissed(true) ?? "end";
        sequence++;
        if (result === undefined) continue;
        if (entry.kind === "flow") sent++;
        return result;
      }
    },
    ready: (signal) => nextAppend(ring, signal),
  };
}

/**
 * Reads the history block by block, then the ring from where the history ends. What came while it was read is in one of both: the
 * history is written out before the ring takes over.
 */
function createHistoryReader(options: ReaderOptions, history: FlowHistory): FlowReader {
  const { ring, query } = options;
  const cursor = history.read({
    sinceMs: millisecondsOf(query.since) ?? Number.NEGATIVE_INFINITY,
    untilMs: millisecondsOf(query.until) ?? Number.POSITIVE_INFINITY,
  });
  /** Who does not follow gets what was there when it asked. */
  const last = query.follow ? Number.POSITIVE_INFINITY : ring.next;
  let entries: Iterator<RingEntry> | undefined;
  let rest: FlowReader | undefined;
  let sent = 0;
  let sequence: number | undefined;
  let missed = 0;

  const isOf = (entry: RingEntry): boolean => {
    if (entry.kind !== "flow" || !entry.flow.time) return true;
    if (query.until && compareTimestamps(entry.flow.time, query.until) > 0) return false;
    return query.since === undefined || compareTimestamps(entry.flow.time, query.since) >= 0;
  };

  const open = async (): Promise<boolean> => {
    const block = await cursor.next();
    if (block === undefined) return false;
    missed += block.missedBefore;
    if (block.firstSequence !== undefined) sequence = block.firstSequence + block.count;
    entries = block.entries()[Symbol.iterator]();
    return true;
  };

  const goOnInRing = (): FlowReader => {
    // files outside the query's times are passed over unread: what lies in them is not lost
    const begin = cursor.sequence ?? Math.max(sequence ?? startOf(ring, query), ring.oldest);
    return createRingReader(options, { sequence: begin, sent });
  };

  return {
    next() {
      if (rest !== undefined) return rest.next();
      if (missed > 0) {
        const told = lostResponse(missed, options);
        missed = 0;
        return told;
      }
      for (;;) {
        if (!query.follow && query.number > 0 && sent >= query.number) return "end";
        const taken = entries?.next();
        if (taken === undefined || taken.done) return "wait";
        const result = isOf(taken.value) ? answerTo(taken.value, options) : undefined;
        if (result === undefined) continue;
        if (taken.value.kind === "flow") sent++;
        return result;
      }
    },
    async ready(signal) {
      if (rest !== undefined) return rest.ready(signal);
      if (sequence !== undefined && sequence >= last) {
        rest = { next: () => "end", ready: async () => undefined };
        return;
      }
      if (await open()) return;
      // what waits for the disk may have left the ring by the time it is read
      await history.flush();
      if (!(await open())) rest = goOnInRing();
    },
  };
}

function millisecondsOf(time: Timestamp | undefined): number | undefined {
  return time === undefined ? undefined : Number(time.seconds) * 1000 + time.nanos / 1e6;
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
