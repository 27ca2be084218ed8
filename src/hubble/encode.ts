import type { Flow } from "../../proto/gen/flow_pb.js";
import { type GetFlowsResponse, GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import { messageEncoder } from "../wire/message-encoder.ts";

const encode = messageEncoder(GetFlowsResponseSchema);
/** What one reader was sent, for the others that follow: a flow of the ring is encoded once, whoever reads it. */
const encoded = new WeakMap<Flow, Uint8Array>();

/** The bytes of a response. A flow, once given, may not change. */
export function encodeFlowsResponse(response: GetFlowsResponse): Uint8Array {
  if (response.responseTypes.case !== "flow") return encode(response);
  const flow = response.responseTypes.value;
  const known = encoded.get(flow);
  if (known !== undefined) return known;
  const bytes = encode(response);
  encoded.set(flow, bytes);
  return bytes;
}
