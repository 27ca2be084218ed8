import { create } from "@bufbuild/protobuf";
import {
  type GetAgentEventsResponse,
  GetAgentEventsResponseSchema,
  type GetDebugEventsResponse,
  type GetFlowsResponse,
  GetFlowsResponseSchema,
} from "../../proto/gen/observer_pb.js";
import type { FlowEntry, RingEntry } from "../flow/index.ts";
import type { RingView } from "./reader.ts";
import type { FlowQuery } from "./request.ts";

/** GetFlows: flows that pass the filters, masked, and word of lost events; `nodeName` is the observer's own. */
export function flowView(query: FlowQuery, nodeName: string): RingView<GetFlowsResponse> {
  const { matches, mask } = query;
  return {
    matches: (entry) => entry.kind === "flow" && (matches === undefined || matches(entry.flow)),
    respond: (entry) => flowResponse(entry as FlowEntry, mask),
    tellLost: (value, time) =>
      create(GetFlowsResponseSchema, { responseTypes: { case: "lostEvents", value }, nodeName, time }),
  };
}

/** The same for who writes bytes: a whole flow is given as the ring has it. */
export function encodedFlowView(query: FlowQuery, nodeName: string): RingView<FlowEntry | GetFlowsResponse> {
  const view = flowView(query, nodeName);
  return query.mask ? view : { ...view, respond: (entry) => entry as FlowEntry };
}

/** The envelope takes node and time from the flow as it is after masking. */
function flowResponse(entry: FlowEntry, mask: FlowQuery["mask"]): GetFlowsResponse {
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
