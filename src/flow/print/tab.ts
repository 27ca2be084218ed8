import { type Flow, LostEventSource } from "../../../proto/gen/flow_pb.js";
import { escapeControls, PLAIN } from "./color.ts";
import { alignColumns } from "./columns.ts";
import { hostTexts } from "./host.ts";
import { enumName, flowTypeText, policyNamesText, summaryText, verdictText } from "./names.ts";
import { nodeStatusLine } from "./node-status.ts";
import { NOTHING, type Printer, type PrintOptions } from "./printer.ts";
import { formatTime } from "./time.ts";

const PADDING = 3;
const MIN_WIDTH = 2;

function flowRow(flow: Flow, options: PrintOptions): string[] {
  const { source, destination } = hostTexts(flow, { numeric: options.numeric, palette: PLAIN });
  return [
    formatTime(flow.time, options.timeFormat),
    ...(options.nodeName ? [flow.nodeName] : []),
    source.host,
    destination.host,
    flowTypeText(flow),
    verdictText(flow) + (options.policyNames ? policyNamesText(flow) : ""),
    summaryText(flow, PLAIN),
  ].map(escapeControls);
}

/** A table without colours, written at the end when all widths are known. */
export function tabPrinter(options: PrintOptions): Printer {
  const header = [
    "TIMESTAMP",
    ...(options.nodeName ? ["NODE"] : []),
    "SOURCE",
    "DESTINATION",
    "TYPE",
    "VERDICT",
    "SUMMARY",
  ];
  const rows: string[][] = [header];
  return {
    print(response) {
      const { responseTypes } = response;
      if (responseTypes.case === "flow") rows.push(flowRow(responseTypes.value, options));
      if (responseTypes.case === "lostEvents") {
        const { source, cpu, numEventsLost } = responseTypes.value;
        rows.push([
          formatTime(response.time, options.timeFormat),
          ...(options.nodeName ? [response.nodeName] : []),
          enumName(LostEventSource, source),
          "-",
          "EVENTS LOST",
          "-",
          `CPU(${cpu ?? 0}) - ${numEventsLost}`,
        ]);
      }
      return responseTypes.case === "nodeStatus" ? { out: "", err: nodeStatusLine(response, options) } : NOTHING;
    },
    finish: () => (rows.length === 1 ? "" : alignColumns(rows, PADDING, MIN_WIDTH)),
  };
}
