import type { Flow, LostEvent } from "../../../proto/gen/flow_pb.js";
import { LostEventSource } from "../../../proto/gen/flow_pb.js";
import type { GetFlowsResponse } from "../../../proto/gen/observer_pb.js";
import { escapeControls } from "./color.ts";
import { hostTexts } from "./host.ts";
import { authText, enumName, flowTypeText, policyNamesText, summaryText, verdictText } from "./names.ts";
import { nodeStatusLine } from "./node-status.ts";
import { NOTHING, type Printer, type PrintOptions } from "./printer.ts";
import { formatTime } from "./time.ts";

const ESCAPE = "\u001b";

/** Foreign text is escaped before the palette colours it, so only our own sequences reach the terminal. */
function safeFlow(flow: Flow): Flow {
  const text = `${flow.Summary}${flow.source?.podName}${flow.destination?.podName}${flow.sourceNames}${flow.destinationNames}`;
  if (!text.includes(ESCAPE) && !text.includes("\r")) return flow;
  const clean = { ...flow, Summary: escapeControls(flow.Summary) };
  clean.sourceNames = flow.sourceNames.map(escapeControls);
  clean.destinationNames = flow.destinationNames.map(escapeControls);
  if (flow.source) clean.source = { ...flow.source, podName: escapeControls(flow.source.podName) };
  if (flow.destination) clean.destination = { ...flow.destination, podName: escapeControls(flow.destination.podName) };
  return clean;
}

/** `{time} [{node}]: {source} {arrow} {destination} {type} {verdict} ({summary})`, ends swapped for a reply. */
export function compactFlow(unsafe: Flow, options: PrintOptions): string {
  const flow = safeFlow(unsafe);
  const { source, destination } = hostTexts(flow, options);
  const [left, right] = flow.isReply ? [destination, source] : [source, destination];
  const arrow = flow.isReply === undefined ? "<>" : flow.isReply ? "<-" : "->";
  const node = options.nodeName ? ` [${escapeControls(flow.nodeName)}]` : "";
  const verdict = options.palette.verdict(flow.verdict, verdictText(flow));
  const policies = options.policyNames ? escapeControls(policyNamesText(flow)) : "";
  const auth = authText(flow);
  const summary = summaryText(flow) + (auth === "" ? "" : `; Auth: ${options.palette.auth(flow.authType, auth)}`);
  return `${formatTime(flow.time, options.timeFormat)}${node}: ${left.host} ${left.identity} ${arrow} ${right.host} ${right.identity} ${flowTypeText(flow)} ${verdict}${policies} (${summary})`;
}

/** `EVENTS LOST: HUBBLE_RING_BUFFER CPU(0) 12`, with the first and last time when both are known. */
export function compactLost(lost: LostEvent, response: GetFlowsResponse, options: PrintOptions): string {
  const node = options.nodeName ? ` [${escapeControls(response.nodeName)}]` : "";
  const range =
    lost.first && lost.last
      ? ` (first: ${formatTime(lost.first, options.timeFormat)}, last: ${formatTime(lost.last, options.timeFormat)})`
      : "";
  return `${formatTime(response.time, options.timeFormat)}${node} EVENTS LOST: ${enumName(LostEventSource, lost.source)} CPU(${lost.cpu ?? 0}) ${lost.numEventsLost}${range}`;
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
