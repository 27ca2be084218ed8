import type { RawResponse } from "./raw-flows.ts";
import type { ReadResult } from "./reader.ts";

/** Responses that a lane holds before its sender must wait. */
const LANE_LIMIT = 8192;

interface Waiting {
  readonly response: RawResponse;
  readonly arrivedMs: number;
}

/** One sender into a merge. */
export interface Lane {
  push(responses: readonly RawResponse[]): void;
  /** Resolves when the lane has room. */
  room(): Promise<void>;
  close(): void;
}

/**
 * Merges streams by time. The earliest response leaves when every open lane has something to compare it with, or when it
 * has waited for the window: a lane that is silent for longer may come out of order, and nobody waits for it.
 */
export interface Merge {
  lane(): Lane;
  /** Puts a response before all that wait. */
  announce(response: RawResponse): void;
  /** No lane will be opened any more: the merge ends with the last one. */
  seal(): void;
  next(): ReadResult<RawResponse>;
  ready(signal: AbortSignal): Promise<void>;
}

interface LaneState {
  readonly queue: Waiting[];
  head: number;
  open: boolean;
  hasRoom: (() => void) | undefined;
}

function takeHead(lane: LaneState): Waiting | undefined {
  const taken = lane.queue[lane.head];
  if (taken === undefined) return undefined;
  lane.head++;
  if (lane.head === lane.queue.length) {
    lane.queue.length = 0;
    lane.head = 0;
  } else if (lane.head > LANE_LIMIT) {
    lane.queue.splice(0, lane.head);
    lane.head = 0;
  }
  if (lane.queue.length - lane.head < LANE_LIMIT / 2) lane.hasRoom?.();
  return taken;
}

/** What has no time (none in practice) goes first. */
function isBefore(a: RawResponse, b: RawResponse): boolean {
  if (Number.isNaN(a.seconds)) return !Number.isNaN(b.seconds);
  return a.seconds < b.seconds || (a.seconds === b.seconds && a.nanos < b.nanos);
}

function earliest(lanes: Iterable<LaneState>): { lane: LaneState; waiting: Waiting; complete: boolean } | undefined {
  let best: { lane: LaneState; waiting: Waiting } | undefined;
  let complete = true;
  for (const lane of lanes) {
    const waiting = lane.queue[lane.head];
    if (waiting === undefined) {
      if (lane.open) complete = false;
      continue;
    }
    if (best === undefined || isBefore(waiting.response, best.waiting.response)) best = { lane, waiting };
  }
  return best && { lane: best.lane, waiting: best.waiting, complete };
}

/** A merge with this window; `now` in milliseconds. */
export function createMerge(windowMs: number, now: () => number): Merge {
  const lanes = new Set<LaneState>();
  const announced: RawResponse[] = [];
  let sealed = false;
  let wake: (() => void) | undefined;
  let dueMs: number | undefined;
  const notify = () => wake?.();

  const next = (): ReadResult<RawResponse> => {
    const first = announced.shift();
    if (first) return first;
    dueMs = undefined;
    const head = earliest(lanes);
    if (head) {
      const due = head.waiting.arrivedMs + windowMs;
      if (head.complete || now() >= due) {
        takeHead(head.lane);
        if (!head.lane.open && head.lane.queue.length === 0) lanes.delete(head.lane);
        return head.waiting.response;
      }
      dueMs = due;
      return "wait";
    }
    for (const lane of lanes) if (!lane.open) lanes.delete(lane);
    return sealed && lanes.size === 0 ? "end" : "wait";
  };

  return {
    next,
    lane: () => openLane(lanes, now, notify),
    announce(response) {
      announced.push(response);
      notify();
    },
    seal() {
      sealed = true;
      notify();
    },
    ready: (signal) =>
      new Promise((resolve) => {
        const timer = dueMs === undefined ? undefined : setTimeout(() => done(), Math.max(0, dueMs - now()));
        const done = () => {
          clearTimeout(timer);
          if (wake === inTurn) wake = undefined;
          signal.removeEventListener("abort", done);
          resolve();
        };
        // what the other nodes sent meanwhile goes with it: a write for each chunk that comes costs more than all else
        const inTurn = () => {
          wake = undefined;
          setImmediate(done);
        };
        wake = inTurn;
        signal.addEventListener("abort", done);
        if (signal.aborted) done();
      }),
  };
}

function openLane(lanes: Set<LaneState>, now: () => number, notify: () => void): Lane {
  const state: LaneState = { queue: [], head: 0, open: true, hasRoom: undefined };
  lanes.add(state);
  return {
    push(responses) {
      const arrivedMs = now();
      for (const response of responses) state.queue.push({ response, arrivedMs });
      notify();
    },
    room() {
      if (state.queue.length - state.head < LANE_LIMIT) return Promise.resolve();
      return new Promise((resolve) => {
        state.hasRoom = resolve;
      });
    },
    close() {
      state.open = false;
      notify();
    },
  };
}
