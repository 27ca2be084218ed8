import { type GetFlowsResponse, GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import { type EncodedBytes, encodeMessage } from "../flow/encode.ts";
import { FlowEntry } from "../flow/index.ts";

/** Appends a GetFlowsResponse; of a flow of the ring it is there already. */
export function encodeFlowsResponse(response: FlowEntry | GetFlowsResponse, out: EncodedBytes): void {
  if (response instanceof FlowEntry) out.raw(response.response);
  else encodeMessage(GetFlowsResponseSchema, response, out);
}
