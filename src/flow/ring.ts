import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { AgentEvent, Flow, LostEvent } from "../../proto/gen/flow_pb.js";
import { AlikeFlow } from "./alike.ts";
import { EncodedBytes } from "./encode.ts";
import { FlowEntry } from "./flow-entry.ts";
import { encodeResponse, envelopeOf } from "./response.ts";

/** Word of events that never became flows, or something that the agent did. */
type Notice =
  | { readonly kind: "lost"; readonly lost: LostEvent }
  | { readonly kind: "agent"; readonly event: AgentEvent; readonly time: Timestamp };

/** What is appended. A flow may not change afterwards. */
export type NewEntry = Notice | NewFlow;

/** A flow, or how it differs from others. */
type NewFlow = AlikeFlow | { readonly kind: "flow"; readonly flow: Flow };

/** What is read. */
export type RingEntry = Notice | FlowEntry;

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
  append(entry: NewEntry): void;
  /** Keeps as many of the newest entries as fit. Throws RangeError as `createFlowRing` does. */
  resize(capacity: number): void;
  /** Undefined: not written yet. A flow's entry holds until the next append, its `flow` beyond that once it was asked for. */
  read(sequence: number): RingEntry | Overtaken | undefined;
  /** Calls back after each append until the returned function is called. */
  onAppend(listener: () => void): () => void;
}

/** Of the newest flows what they were made of is kept too: who follows reads their fields, and who keeps up need not decode them. */
const NEWEST = 256;
/** Flows share pieces of memory; a piece that has less room left than most flows need is followed by another, whose flows are gone. */
const ROOM_BYTES = 4 << 10;

/**
 * The slots of a ring, in columns; of flows the responses that clients get. As messages they would outlive the young generation: collecting them took
 * two fifths of an agent's time under a flood.
 */
class Slots {
  readonly capacity: number;
  private readonly notices: (Notice | undefined)[];
  private readonly chunks: (Uint8Array | undefined)[];
  private readonly starts: Uint32Array;
  private readonly ends: Uint32Array;
  /** Of a flow without a time NaN. */
  private readonly seconds: Float64Array;
  private readonly nanos: Uint32Array;
  private readonly nodeNames: string[];

  constructor(capacity: number) {
    this.capacity = capacity;
    this.notices = new Array(capacity).fill(undefined);
    this.chunks = new Array(capacity).fill(undefined);
    this.starts = new Uint32Array(capacity);
    this.ends = new Uint32Array(capacity);
    this.seconds = new Float64Array(capacity);
    this.nanos = new Uint32Array(capacity);
    this.nodeNames = new Array(capacity).fill("");
  }

  setNotice(slot: number, notice: Notice): void {
    this.notices[slot] = notice;
    this.chunks[slot] = undefined;
  }

  setFlow(slot: number, entry: NewFlow, chunk: Uint8Array, start: number, end: number): void {
    const { seconds, nanos, nodeName } = entry instanceof AlikeFlow ? entry : envelopeOf(entry.flow);
    this.notices[slot] = undefined;
    this.chunks[slot] = chunk;
    this.starts[slot] = start;
    this.ends[slot] = end;
    this.seconds[slot] = seconds;
    this.nanos[slot] = nanos;
    this.nodeNames[slot] = nodeName;
  }

  entry(slot: number, made: { readonly flow: Flow } | undefined): RingEntry | undefined {
    const chunk = this.chunks[slot];
    if (chunk === undefined) return this.notices[slot];
    const bytes = chunk.subarray(this.starts[slot], this.ends[slot]);
    return new FlowEntry(bytes, this.seconds[slot]!, this.nanos[slot]!, this.nodeNames[slot]!, made);
  }

  copy(slot: number, to: Slots, target: number): void {
    to.notices[target] = this.notices[slot];
    to.chunks[target] = this.chunks[slot];
    to.starts[target] = this.starts[slot]!;
    to.ends[target] = this.ends[slot]!;
    to.seconds[target] = this.seconds[slot]!;
    to.nanos[target] = this.nanos[slot]!;
    to.nodeNames[target] = this.nodeNames[slot]!;
  }
}

/** Memory that is full, in the order of its flows, to be written over when the ring has none of them any more. */
class FullPieces {
  private readonly pieces: { readonly bytes: Uint8Array; readonly last: number }[] = [];

  add(bytes: Uint8Array, last: number): void {
    this.pieces.push({ bytes, last });
  }

  /** A piece whose flows all came before `oldest`; after a ring has shrunk there are more of them than are needed. */
  free(oldest: number): Uint8Array | undefined {
    let free: Uint8Array | undefined;
    while (this.pieces[0] !== undefined && this.pieces[0].last < oldest) free = this.pieces.shift()?.bytes;
    return free;
  }
}

function checkCapacity(capacity: number): void {
  if (!Number.isInteger(capacity) || capacity < 1 || capacity > 65535 || ((capacity + 1) & capacity) !== 0) {
    throw new RangeError(`flow ring capacity ${capacity}: must be one less than a power of two, from 1 to 65535`);
  }
}

/** A ring of `size` entries, which must be 2^n - 1 and at most 65535. Throws RangeError otherwise. */
export function createFlowRing(size: number): FlowRing {
  checkCapacity(size);
  let slots = new Slots(size);
  const newest: (NewFlow | undefined)[] = new Array(NEWEST).fill(undefined);
  const encoded = new EncodedBytes();
  /** Nothing before it is held, whatever the capacity. */
  let first = 0;
  const listeners = new Set<() => void>();
  let next = 0;
  let seenFlows = 0;
  const oldestHeld = () => Math.max(first, next - slots.capacity);
  const full = new FullPieces();

  const appendFlow = (entry: NewFlow) => {
    const start = encoded.at;
    if (entry instanceof AlikeFlow) entry.encode(encoded);
    else encodeResponse(entry.flow, encoded);
    slots.setFlow(next % slots.capacity, entry, encoded.bytes, start, encoded.at);
    if (encoded.bytes.length - encoded.at < ROOM_BYTES) {
      const free = full.free(oldestHeld());
      full.add(encoded.bytes, next);
      encoded.take(free);
    }
    seenFlows++;
  };

  return {
    get capacity() {
      return slots.capacity;
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
      if (entry.kind === "flow") appendFlow(entry);
      else slots.setNotice(next % slots.capacity, entry);
      newest[next % NEWEST] = entry.kind === "flow" ? entry : undefined;
      next++;
      for (const listener of listeners) listener();
    },
    resize(wanted) {
      checkCapacity(wanted);
      const held = slots;
      first = Math.max(oldestHeld(), next - wanted);
      slots = new Slots(wanted);
      for (let sequence = first; sequence < next; sequence++) {
        held.copy(sequence % held.capacity, slots, sequence % wanted);
      }
    },
    read(sequence) {
      const oldest = oldestHeld();
      if (sequence < oldest) return { kind: "overtaken", missed: oldest - sequence };
      if (sequence >= next) return undefined;
      return slots.entry(sequence % slots.capacity, next - sequence <= NEWEST ? newest[sequence % NEWEST] : undefined);
    },
    onAppend(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
