import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Flow } from "../../proto/gen/flow_pb.js";
import { EncodedBytes, encodeFlow } from "./encode.ts";

/** Tags of GetFlowsResponse: fields 1, 1000 and 1001 of wire type 2, length-delimited. */
const FLOW_TAG = (1 << 3) | 2;
const NODE_NAME_TAG = (1000 << 3) | 2;
const TIME_TAG = (1001 << 3) | 2;
/** Of a Timestamp. */
const SECONDS_TAG = 1 << 3;
const NANOS_TAG = 2 << 3;

/** What a response says beside the flow. */
export interface Envelope {
  readonly nodeName: string;
  /** Since the epoch; NaN of a flow without a time. */
  readonly seconds: number;
  readonly nanos: number;
}

export function envelopeOf({ nodeName, time }: Flow): Envelope {
  return { nodeName, seconds: Number(time?.seconds ?? Number.NaN), nanos: time?.nanos ?? 0 };
}

/** Appends the protobuf encoding of an `observer.GetFlowsResponse` of this flow: node and time are the flow's. */
export function encodeResponse(flow: Flow, out: EncodedBytes): void {
  out.varint(FLOW_TAG);
  const start = out.begin();
  encodeFlow(flow, out);
  out.end(start);
  encodeEnvelope(envelopeOf(flow), out);
}

/** The same of a flow's encoding. */
export function responseOf(flow: Uint8Array, envelope: Envelope): Uint8Array {
  const out = new EncodedBytes(flow.length + 64 + 3 * envelope.nodeName.length);
  out.varint(FLOW_TAG);
  out.varint(flow.length);
  out.raw(flow);
  encodeEnvelope(envelope, out);
  return out.take(new Uint8Array());
}

function encodeEnvelope({ nodeName, seconds, nanos }: Envelope, out: EncodedBytes): void {
  if (nodeName !== "") {
    out.varint(NODE_NAME_TAG);
    const start = out.begin();
    out.text(nodeName);
    out.end(start);
  }
  if (Number.isNaN(seconds)) return;
  out.varint(TIME_TAG);
  const start = out.begin();
  if (seconds !== 0) {
    out.varint(SECONDS_TAG);
    if (seconds > 0) out.varint(seconds);
    else out.varint64(BigInt(seconds));
  }
  if (nanos !== 0) {
    out.varint(NANOS_TAG);
    out.varint(nanos);
  }
  out.end(start);
}

/** The flow's encoding within a response's: a view of it. */
export function flowWithin(response: Uint8Array): Uint8Array {
  const reader = new BinaryReader(response);
  reader.tag();
  return reader.bytes();
}
