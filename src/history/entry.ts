import { fromBinary } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { LostEventSchema } from "../../proto/gen/flow_pb.js";
import { type EncodedBytes, encodeMessage } from "../flow/encode.ts";
import { FlowEntry, type RingEntry } from "../flow/index.ts";

const FLOW = 1;
const LOST = 2;
/** Something that the agent did: it has a number in the ring, and is not kept. */
const PASSED_OVER = 3;
/** A kind and a length go before each message. */
const PREFIX_BYTES = 5;

/** Appends an entry as it lies in a block. */
export function encodeEntry(entry: RingEntry, out: EncodedBytes): void {
  out.ensure(PREFIX_BYTES);
  const start = out.at;
  out.at += PREFIX_BYTES;
  if (entry.kind === "flow") out.raw(entry.bytes);
  if (entry.kind === "lost") encodeMessage(LostEventSchema, entry.lost, out);
  const view = new DataView(out.bytes.buffer, start, PREFIX_BYTES);
  view.setUint8(0, { flow: FLOW, lost: LOST, agent: PASSED_OVER }[entry.kind]);
  view.setUint32(1, out.at - start - PREFIX_BYTES, true);
}

/** The entries of a block, read as they are asked for. Throws on bytes that are none. */
export function* decodeEntries(raw: Uint8Array): Generator<RingEntry, undefined> {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  for (let at = 0; at < raw.length; ) {
    const end = at + PREFIX_BYTES + view.getUint32(at + 1, true);
    if (end > raw.length) throw new RangeError("an entry that reaches beyond its block");
    const bytes = raw.subarray(at + PREFIX_BYTES, end);
    const kind = view.getUint8(at);
    if (kind === FLOW) yield FlowEntry.decoded(bytes);
    else if (kind === LOST) yield { kind: "lost", lost: fromBinary(LostEventSchema, bytes) };
    at = end;
  }
}

/** When an entry was, in milliseconds since the epoch; undefined when it does not say. */
export function timeOf(entry: RingEntry): number | undefined {
  if (entry.kind !== "flow") return millisecondsOf(entry.kind === "lost" ? entry.lost.last : entry.time);
  return Number.isNaN(entry.seconds) ? undefined : entry.seconds * 1000 + entry.nanos / 1e6;
}

/** Milliseconds since the epoch, with what is below one. */
export function millisecondsOf(time: Timestamp | undefined): number | undefined {
  return time === undefined ? undefined : Number(time.seconds) * 1000 + time.nanos / 1e6;
}
