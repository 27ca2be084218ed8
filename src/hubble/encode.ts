import { type GetFlowsResponse, GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import { type EncodedBytes, encodeMessage } from "../flow/encode.ts";
import { FlowEntry } from "../flow/index.ts";

/** Tags of GetFlowsResponse: fields 1, 1000 and 1001 of wire type 2, length-delimited. */
const FLOW_TAG = (1 << 3) | 2;
const NODE_NAME_TAG = (1000 << 3) | 2;
const TIME_TAG = (1001 << 3) | 2;
/** Of a Timestamp. */
const SECONDS_TAG = 1 << 3;
const NANOS_TAG = 2 << 3;

/** Appends a GetFlowsResponse: of a flow of the ring its bytes, with node and time as `flowView` gives them. */
export function encodeFlowsResponse(response: FlowEntry | GetFlowsResponse, out: EncodedBytes): void {
  if (!(response instanceof FlowEntry)) {
    encodeMessage(GetFlowsResponseSchema, response, out);
    return;
  }
  const { bytes, nodeName, seconds, nanos } = response;
  out.varint(FLOW_TAG);
  out.varint(bytes.length);
  out.raw(bytes);
  if (nodeName !== "") {
    out.varint(NODE_NAME_TAG);
    const start = out.begin();
    out.text(nodeName);
    out.end(start);
  }
  if (!Number.isNaN(seconds)) {
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
}
