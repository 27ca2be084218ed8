import type { Flow } from "../../../proto/gen/flow_pb.js";
import type { GetFlowsResponse } from "../../../proto/gen/observer_pb.js";
import { hostTexts } from "./host.ts";
import { lostSource, lostSummary } from "./lost.ts";
import { flowTypeText, summaryText, verdictText } from "./names.ts";
import { nodeStatusLine } from "./node-status.ts";
import { NOTHING, type Printer, type PrintOptions } from "./printer.ts";
import { formatTime } from "./time.ts";

/** `{time} [{node}]: {source} {arrow} {destination} {type} {verdict} ({summary})`, ends swapped for a reply. */
export function compactFlow(flow: Flow, options: PrintOptions): string {
  const { source, destination } = hostTexts(flow, options);
  const [left, right] = flow.isReply ? [destination, source] : [source, destination];
  const arrow = flow.isReply === undefined ? "<>" : flow.isReply ? "<-" : "->";
  const node = options.nodeName ? ` [${flow.nodeName}]` : "";
  const verdict = verdictText(flow, options);
  return options.palette.escape(
    `${formatTime(flow.time, options.timeFormat)}${node}: ${left.host} ${left.identity} ${arrow} ${right.host} ${right.identity} ${flowTypeText(flow)} ${verdict} (${summaryText(flow, options.palette)})\n`,
  );
}

/** One line a flow: hubble's default output. */
export function compactPrinter(options: PrintOptions): Printer<GetFlowsResponse> {
  return {
    print(response) {
      const { responseTypes } = response;
      if (responseTypes.case === "flow") return { out: compactFlow(responseTypes.value, options), err: "" };
      if (responseTypes.case === "lostEvents") {
        const lost = responseTypes.value;
        const line = `${formatTime(response.time, options.timeFormat)} EVENTS LOST: ${lostSource(lost)} ${lostSummary(lost, " ", options.timeFormat)}\n`;
        return { out: options.palette.escape(line), err: "" };
      }
      return responseTypes.case === "nodeStatus" ? { out: "", err: nodeStatusLine(response, options) } : NOTHING;
    },
    finish: () => "",
  };
}
