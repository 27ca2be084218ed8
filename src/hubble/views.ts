import { create } from "@bufbuild/protobuf";
import {
  type GetAgentEventsResponse,
  GetAgentEventsResponseSchema,
  type GetDebugEventsResponse,
  type GetFlowsResponse,
  GetFlowsResponseSchema,
} from "../../proto/gen/observer_pb.js";
import type { RingEntry } from "../flow/index.ts";
import type { RingView } from "./reader.ts";
import type { FlowQuery } from "./request.ts";

/** GetFlows: flows that pass the filters, masked, and word of lost events; `nodeName` is the observer's own. */
export function flowView({ matches, mask }: FlowQuery, nodeName: string): RingView<GetFlowsResponse> {
  return {
    matches: (entry) => entry.kind === "flow" && matches(entry.flow),
    respond: (entry) => flowResponse(entry as Extract<RingEntry, { kind: "flow" }>, mask),
    tellLost: (value, time) =>
      create(GetFlowsResponseSchema, { responseTypes: { case: "lostEvents", value }, nodeName, time }),
  };
}

/** The envelope takes node and time from the flow as it is after masking. */
function flowResponse(entry: Extract<RingEntry, { kind: "flow" }>, mask: FlowQuery["mask"]): GetFlowsResponse {
  const flow = mask ? mask(entry.flow) : entry.flow;
  const response: GetFlowsResponse = {
    $typeName: "observer.GetFlowsResponse",
    responseTypes: { case: "flow", value: flow },
    nodeName: flow.nodeName,
  };
  if (flow.time) response.time = flow.time;
  return response;
}

/** GetAgentEvents. */
export function agentEventView(nodeName: string): RingView<GetAgentEventsResponse> {
  return {
    matches: (entry) => entry.kind === "agent",
    respond: (entry) => {
      const { event: agentEvent, time } = entry as Extract<RingEntry, { kind: "agent" }>;
      return create(GetAgentEventsResponseSchema, { agentEvent, nodeName, time });
    },
  };
}

/** GetDebugEvents: our datapath has no debug mode, so that this finds what a Cilium agent without `--debug` has: none. */
export function debugEventView(): RingView<GetDebugEventsResponse> {
  return {
    matches: () => false,
    respond: () => {
      throw new Error("no entry of the ring is a debug event");
    },
  };
}
