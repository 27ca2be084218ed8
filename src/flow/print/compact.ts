import type { Flow, LostEvent } from "../../../proto/gen/flow_pb.js";
import { LostEventSource } from "../../../proto/gen/flow_pb.js";
import type { GetFlowsResponse } from "../../../proto/gen/observer_pb.js";
import { escapeControls } from "./color.ts";
import { hostTexts } from "./host.ts";
import { enumName, flowTypeText, policyNamesText, summaryText, verdictText } from "./names.ts";
import { nodeStatusLine } from "./node-status.ts";
import { NOTHING, type Printer, type PrintOptions } from "./printer.ts";
import { safeFlow } from "./safe.ts";
import { formatTime } from "./time.ts";

/** `{time} [{node}]: {source} {arrow} {destination} {type} {verdict} ({summary})`, ends swapped for a reply. */
export function compactFlow(unsafe: Flow, options: PrintOptions): string {
  const flow = safeFlow(unsafe);
  const { source, destination } = hostTexts(flow, options);
  const [left, right] = flow.isReply ? [destination, source] : [source, destination];
  const arrow = flow.isReply === undefined ? "<>" : flow.isReply ? "<-" : "->";
  const node = options.nodeName ? ` [${escapeControls(flow.nodeName)}]` : "";
  const verdict = options.palette.verdict(flow.verdict, verdictText(flow));
  const policies = options.policyNames ? escapeControls(policyNamesText(flow)) : "";
  return `${formatTime(flow.time, options.timeFormat)}${node}: ${left.host} ${left.identity} ${arrow} ${right.host} ${right.identity} ${flowTypeText(flow)} ${verdict}${policies} (${summaryText(flow, options.palette)})`;
}

/** `EVENTS LOST: HUBBLE_RING_BUFFER CPU(0) 12`, with the first and last time when both are known. */
export function compactLost(lost: LostEvent, response: GetFlowsResponse, options: PrintOptions): string {
  const range =
    lost.first && lost.last
      ? ` (first: ${formatTime(lost.first, options.timeFormat)}, last: ${formatTime(lost.last, options.timeFormat)})`
      : "";
  return `${formatTime(response.time, options.timeFormat)} EVENTS LOST: ${enumName(LostEventSource, lost.source)} CPU(${lost.cpu ?? 0}) ${lost.numEventsLost}${range}`;
}

/** One line a flow: hubble's default output. */
export function compactPrinter(options: PrintOptions): Printer {
  return {
    print(response) {
      const { responseTypes } = response;
      if (responseTypes.case === "flow") return { out: `${compactFlow(responseTypes.value, options)}\n`, err: "" };
      if (responseTypes.case === "lostEvents") {
        return { out: `${compactLost(responseTypes.value, response, options)}\n`, err: "" };
      }
      return responseTypes.case === "nodeStatus" ? { out: "", err: nodeStatusLine(response, options) } : NOTHING;
    },
    finish: () => "",
  };
}
