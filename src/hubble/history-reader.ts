import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { LostEventSchema, LostEventSource } from "../../proto/gen/flow_pb.js";
import type { RingEntry } from "../flow/index.ts";
import { type FlowHistory, millisecondsOf } from "../history/index.ts";
import { answerTo, createRingReader, type ReaderOptions, type RingReader, startOf } from "./reader.ts";

/**
 * Reads as GetFlows demands: the ring, and before it the history when the query has a `since` that lies before what the ring
 * holds. Without one the ring is all that there is, as with Cilium.
 */
export function createFlowReader<R extends object>(options: ReaderOptions<R>, history?: FlowHistory): RingReader<R> {
  const sequence = startOf(options);
  if (history === undefined || options.query.since === undefined || sequence > options.ring.oldest) {
    return createRingReader(options, { sequence, sent: 0 });
  }
  return createHistoryReader(options, history);
}

/**
 * Reads the history block by block, then the ring from where the history ends. What came while it was read is in one of both: the
 * history is written out before the ring takes over.
 */
function createHistoryReader<R extends object>(options: ReaderOptions<R>, history: FlowHistory): RingReader<R> {
  const { ring, query, view, now } = options;
  const cursor = history.read({
    sinceMs: millisecondsOf(query.since) ?? Number.NEGATIVE_INFINITY,
    untilMs: millisecondsOf(query.until) ?? Number.POSITIVE_INFINITY,
  });
  /** Who does not follow gets what was there when it asked. */
  const last = query.follow ? Number.POSITIVE_INFINITY : ring.next;
  let entries: Iterator<RingEntry> | undefined;
  let rest: RingReader<R> | undefined;
  let sent = 0;
  let sequence: number | undefined;
  let missed = 0;

  const tellMissed = (): R | undefined => {
    const value = { source: LostEventSource.HUBBLE_RING_BUFFER, numEventsLost: BigInt(missed) };
    missed = 0;
    return view.tellLost?.(create(LostEventSchema, value), timestampFromMs(now()));
  };

  const open = async (): Promise<boolean> => {
    const block = await cursor.next();
    if (block === undefined) return false;
    missed += block.missedBefore;
    if (block.firstSequence !== undefined) sequence = block.firstSequence + block.count;
    entries = block.entries()[Symbol.iterator]();
    return true;
  };

  const goOnInRing = (): RingReader<R> => {
    // files outside the query's times are passed over unread: what lies in them is not lost
    const begin = cursor.sequence ?? Math.max(sequence ?? startOf(options), ring.oldest);
    return createRingReader(options, { sequence: begin, sent });
  };

  return {
    next() {
      if (rest !== undefined) return rest.next();
      const told = missed > 0 ? tellMissed() : undefined;
      if (told !== undefined) return told;
      for (;;) {
        if (!query.follow && query.number > 0 && sent >= query.number) return "end";
        const taken = entries?.next();
        if (taken === undefined || taken.done) return "wait";
        const result = answerTo(taken.value, options);
        // the times in a history need not go forward: what lies behind `until` is not the end
        if (result === undefined || result === "end") continue;
        if (taken.value.kind !== "lost") sent++;
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
