import type { GetFlowsResponse } from "../../../proto/gen/observer_pb.js";
import { NodeState, type NodeStatusEvent, NodeStatusEventSchema } from "../../../proto/gen/relay_pb.js";
import { quoteGo } from "./go-quote.ts";
import type { PrintOptions } from "./printer.ts";
import { protoText } from "./proto-text.ts";
import { formatTime } from "./time.ts";

const LIST_WIDTH = 50;

const SEPARATOR = ", ";
const bytes = (text: string) => new TextEncoder().encode(text).length;

/** Names joined until about fifty bytes, then how many more. */
export function shortList(names: readonly string[]): string {
  let length = 0;
  const cut = names.findIndex((name, i) => {
    length += bytes(name) + SEPARATOR.length;
    return length > LIST_WIDTH && i > 0;
  });
  if (cut < 0) return names.join(SEPARATOR);
  return `${names.slice(0, cut).join(SEPARATOR)} (and ${names.length - cut} more)`;
}

function sentence(event: NodeStatusEvent): string {
  const count = event.nodeNames.length;
  const nodes = shortList(event.nodeNames);
  switch (event.stateChange) {
    case NodeState.NODE_CONNECTED:
      return `Receiving flows from ${count} nodes: ${nodes}`;
    case NodeState.NODE_UNAVAILABLE:
      return `${count} nodes are unavailable: ${nodes}`;
    case NodeState.NODE_GONE:
      return `${count} nodes removed from cluster: ${nodes}`;
    case NodeState.NODE_ERROR:
      return `Error ${quoteGo(event.message)} on ${count} nodes: ${nodes}`;
    default:
      return `unknown node status event: ${protoText(NodeStatusEventSchema, event)}`;
  }
}

/** Whether a status is told: good news only when debugging. */
export function isToldStatus(event: NodeStatusEvent, options: PrintOptions): boolean {
  const bad = event.stateChange === NodeState.NODE_ERROR || event.stateChange === NodeState.NODE_UNAVAILABLE;
  return bad || options.debug;
}

/** The line for standard error; empty for good news, which is only told when debugging. */
export function nodeStatusLine(response: GetFlowsResponse, options: PrintOptions): string {
  if (response.responseTypes.case !== "nodeStatus") return "";
  const event = response.responseTypes.value;
  if (!isToldStatus(event, options)) return "";
  return options.palette.escape(
    `${formatTime(response.time, options.timeFormat)} [${response.nodeName}]: ${sentence(event)}\n`,
  );
}
