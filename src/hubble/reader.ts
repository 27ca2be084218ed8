import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { LostEvent } from "../../proto/gen/flow_pb.js";
import { LostEventSchema, LostEventSource } from "../../proto/gen/flow_pb.js";
import type { FlowRing, RingEntry } from "../flow/index.ts";
import { compareTimestamps, type RingQuery } from "./request.ts";

/** How often at most a reader is told that the ring overtook it. */
const LOST_INTERVAL_MS = 1000;

/** What a reader gives: the next response, `wait` when there is none yet, `end` when there will be none. */
export type ReadResult<R> = R | "wait" | "end";

export interface RingReader<R> {
  next(): ReadResult<R>;
  /** Resolves when `next` may have something new, or the signal aborts. */
  ready(signal: AbortSignal): Promise<void>;
}

/** Entries of the ring that a reader is after, and what becomes of them. */
export interface RingView<R> {
  /** Undefined for entries that the reader is not after. */
  readonly matches: (entry: RingEntry) => boolean;
  readonly respond: (entry: RingEntry) => R;
  /** Word of events that were lost; absent = these readers are not told, as upstream's are not. */
  readonly tellLost?: (lost: LostEvent, time: Timestamp) => R;
}

export interface ReaderOptions<R extends object> {
  readonly ring: FlowRing;
  readonly query: RingQuery;
  readonly view: RingView<R>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Undefined for lost events: no bound of time holds for them. */
function timeOf(entry: RingEntry): Timestamp | undefined {
  return entry.kind === "lost" ? undefined : entry.time;
}

/** Walks back from the newest entry as far as the query reaches. */
export function startOf<R extends object>({ ring, query, view: { matches } }: ReaderOptions<R>): number {
  if (query.first && !query.since) return ring.oldest;
  if (query.follow && query.number === 0 && !query.since) return ring.next;
  let start = ring.next;
  let found = 0;
  for (let sequence = ring.next - 1; sequence >= ring.oldest; sequence--) {
    const entry = ring.read(sequence);
    if (entry !== undefined && entry.kind !== "overtaken" && matches(entry)) {
      const time = timeOf(entry);
      if (query.since && time && compareTimestamps(time, query.since) < 0) return start;
      found++;
    }
    start = sequence;
    if (!query.since && query.number > 0 && found === query.number) return start;
  }
  return start;
}

/** Where a reader of the ring begins, and how many answers the query has had before. */
export interface Begin {
  readonly sequence: number;
  readonly sent: number;
}

/** What an entry is to the query: an answer, nothing, or the end. */
export function answerTo<R extends object>(
  entry: RingEntry,
  { query, view, now }: ReaderOptions<R>,
): ReadResult<R> | undefined {
  if (entry.kind === "lost") return view.tellLost?.(entry.lost, entry.lost.last ?? timestampFromMs(now()));
  const time = query.since || query.until ? timeOf(entry) : undefined;
  if (query.until && time && compareTimestamps(time, query.until) > 0) return "end";
  if (query.since && time && compareTimestamps(time, query.since) < 0) return undefined;
  return view.matches(entry) ? view.respond(entry) : undefined;
}

/** Counts what the ring overwrote before it was read, to be told at most once a second. */
class Missed {
  private readonly now: () => number;
  private count = 0;
  private firstMs = 0;
  private lastMs = 0;
  private toldMs = Number.NEGATIVE_INFINITY;

  constructor(now: () => number) {
    this.now = now;
  }

  add(count: number): void {
    this.lastMs = this.now();
    if (this.count === 0) this.firstMs = this.lastMs;
    this.count += count;
  }

  /** When there is something to tell that must wait, in how many ms it may be told. */
  get dueInMs(): number | undefined {
    return this.count === 0 ? undefined : Math.max(0, this.toldMs + LOST_INTERVAL_MS - this.now());
  }

  /** Undefined when there is nothing to tell, or not yet (unless `force`). */
  take(force: boolean): LostEvent | undefined {
    if (this.count === 0 || (!force && this.now() - this.toldMs < LOST_INTERVAL_MS)) return undefined;
    const lost = create(LostEventSchema, {
      source: LostEventSource.HUBBLE_RING_BUFFER,
      numEventsLost: BigInt(this.count),
      first: timestampFromMs(this.firstMs),
      last: timestampFromMs(this.lastMs),
    });
    this.count = 0;
    this.toldMs = this.now();
    return lost;
  }
}

/**
 * Reads a ring as GetFlows and its siblings demand. What the ring overwrote before it was read is told as lost events, at
 * most once a second and at the end.
 */
export function createRingReader<R extends object>(
  options: ReaderOptions<R>,
  begin: Begin = { sequence: startOf(options), sent: 0 },
): RingReader<R> {
  const { ring, query, view, now } = options;
  const missed = new Missed(now);
  let { sequence, sent } = begin;

  const tellMissed = (force: boolean): R | undefined => {
    if (view.tellLost === undefined) return undefined;
    const lost = missed.take(force);
    return lost && view.tellLost(lost, timestampFromMs(now()));
  };

  return {
    ready: (signal) => nextAppend(ring, signal, view.tellLost && missed.dueInMs),
    next() {
      for (;;) {
        const told = tellMissed(false);
        if (told) return told;
        if (!query.follow && query.number > 0 && sent >= query.number) return tellMissed(true) ?? "end";
        const entry = ring.read(sequence);
        if (entry === undefined) return query.follow ? "wait" : (tellMissed(true) ?? "end");
        if (entry.kind === "overtaken") {
          missed.add(entry.missed);
          sequence = ring.oldest;
          continue;
        }
        const result = answerTo(entry, options);
        if (result === "end") return tellMissed(true) ?? "end";
        sequence++;
        if (result === undefined) continue;
        if (entry.kind !== "lost") sent++;
        return result;
      }
    },
  };
}

/** Resolves at the next append or abort, or after so many ms. */
function nextAppend(ring: FlowRing, signal: AbortSignal, patienceMs?: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stop();
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = patienceMs === undefined ? undefined : setTimeout(done, patienceMs);
    const stop = ring.onAppend(done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
