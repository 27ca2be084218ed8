import type { GetFlowsResponse } from "../../../proto/gen/observer_pb.js";
import { NodeState, type NodeStatusEvent } from "../../../proto/gen/relay_pb.js";
import { escapeControls } from "./color.ts";
import type { PrintOptions } from "./printer.ts";
import { formatTime } from "./time.ts";

const LIST_WIDTH = 50;

/** Names joined until about fifty characters, then how many more. */
function shortList(names: readonly string[]): string {
  let text = "";
  for (const [i, name] of names.entries()) {
    const grown = i === 0 ? name : `${text}, ${name}`;
    if (i > 0 && grown.length > LIST_WIDTH) return `${text} (and ${names.length - i} more)`;
    text = grown;
  }
  return text;
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
      return `Error ${JSON.stringify(event.message)} on ${count} nodes: ${nodes}`;
    default:
      return `unknown node status event: ${event.message}`;
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
  const relay = response.nodeName === "" ? "" : ` [${response.nodeName}]`;
  return `${escapeControls(`${formatTime(response.time, options.timeFormat)}${relay}: ${sentence(event)}`)}\n`;
}
