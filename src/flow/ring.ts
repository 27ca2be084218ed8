import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { AgentEvent, Flow, LostEvent } from "../../proto/gen/flow_pb.js";

/** One slot: a flow, word of events that never became flows, or something that the agent did. */
export type RingEntry =
  | { readonly kind: "flow"; readonly flow: Flow }
  | { readonly kind: "lost"; readonly lost: LostEvent }
  | { readonly kind: "agent"; readonly event: AgentEvent; readonly time: Timestamp };

/** Answer of `FlowRing.read` when the slot was overwritten: how many entries from the asked one on are gone. */
export interface Overtaken {
  readonly kind: "overtaken";
  readonly missed: number;
}

/**
 * The last flows of a node. Entries have sequence numbers from 0 on; a reader keeps its own and learns truthfully how
 * much it missed when writers were faster.
 */
export interface FlowRing {
  readonly capacity: number;
  /** Sequence number of the oldest entry held; equals `next` when empty. */
  readonly oldest: number;
  /** Sequence number that the next entry will get. */
  readonly next: number;
  /** Flows appended since the start. */
  readonly seenFlows: number;
  append(entry: RingEntry): void;
  /** Keeps as many of the newest entries as fit. Throws RangeError as `createFlowRing` does. */
  resize(capacity: number): void;
  /** Undefined: not written yet. */
  read(sequence: number): RingEntry | Overtaken | undefined;
  /** Calls back after each append until the returned function is called. */
  onAppend(listener: () => void): () => void;
}

function checkCapacity(capacity: number): void {
  if (!Number.isInteger(capacity) || capacity < 1 || capacity > 65535 || ((capacity + 1) & capacity) !== 0) {
    throw new RangeError(`flow ring capacity ${capacity}: must be one less than a power of two, from 1 to 65535`);
  }
}

/** A ring of `size` entries, which must be 2^n - 1 and at most 65535. Throws RangeError otherwise. */
export function createFlowRing(size: number): FlowRing {
  checkCapacity(size);
  let capacity = size;
  let slots: (RingEntry | undefined)[] = new Array(capacity).fill(undefined);
  /** Nothing before it is held, whatever the capacity. */
  let first = 0;
  const listeners = new Set<() => void>();
  let next = 0;
  let seenFlows = 0;
  const oldestHeld = () => Math.max(first, next - capacity);
  return {
    get capacity() {
      return capacity;
    },
    get oldest() {
      return oldestHeld();
    },
    get next() {
      return next;
    },
    get seenFlows() {
      return seenFlows;
    },
    append(entry) {
      slots[next % capacity] = entry;
      next++;
      if (entry.kind === "flow") seenFlows++;
      for (const listener of listeners) listener();
    },
    resize(wanted) {
      checkCapacity(wanted);
      const held = slots;
      first = Math.max(oldestHeld(), next - wanted);
      slots = new Array(wanted).fill(undefined);
      for (let sequence = first; sequence < next; sequence++) slots[sequence % wanted] = held[sequence % capacity];
      capacity = wanted;
    },
    read(sequence) {
      const oldest = oldestHeld();
      if (sequence < oldest) return { kind: "overtaken", missed: oldest - sequence };
      return sequence >= next ? undefined : slots[sequence % capacity];
    },
    onAppend(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
