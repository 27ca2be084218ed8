import type { Flow } from "../../../proto/gen/flow_pb.js";
import { LostEventSource } from "../../../proto/gen/flow_pb.js";
import type { GetFlowsResponse } from "../../../proto/gen/observer_pb.js";
import { NodeState } from "../../../proto/gen/relay_pb.js";
import { hostTexts } from "./host.ts";
import { enumName, flowTypeText, policyNamesText, summaryText, verdictText } from "./names.ts";
import { isToldStatus } from "./node-status.ts";
import type { Printer, PrintOptions } from "./printer.ts";
import { safeFlow } from "./safe.ts";
import { formatTime } from "./time.ts";

const KEY_WIDTH = 11;
const SEPARATOR = "------------";

type Row = readonly [string, string];

function flowRows(unsafe: Flow, options: PrintOptions): Row[] {
  const flow = safeFlow(unsafe);
  const { source, destination } = hostTexts(flow, options);
  return [
    ["TIMESTAMP", formatTime(flow.time, options.timeFormat)],
    ...(options.nodeName ? [["NODE", flow.nodeName] as const] : []),
    ["SOURCE", source.host],
    ["DESTINATION", destination.host],
    ["TYPE", flowTypeText(flow)],
    [
      "VERDICT",
      options.palette.verdict(flow.verdict, verdictText(flow)) + (options.policyNames ? policyNamesText(flow) : ""),
    ],
    ["SUMMARY", summaryText(flow, options.palette)],
  ];
}

function otherRows(response: GetFlowsResponse, options: PrintOptions): Row[] {
  const { responseTypes } = response;
  const time: Row = ["TIMESTAMP", formatTime(response.time, options.timeFormat)];
  if (responseTypes.case === "lostEvents") {
    const lost = responseTypes.value;
    return [
      time,
      ...(options.nodeName ? [["NODE", response.nodeName] as const] : []),
      ["SOURCE", enumName(LostEventSource, lost.source)],
      ["TYPE", "EVENTS LOST"],
      ["VERDICT", "-"],
      ["SUMMARY", `CPU(${lost.cpu ?? 0}) - ${lost.numEventsLost}`],
    ];
  }
  if (responseTypes.case !== "nodeStatus") return [];
  const status = responseTypes.value;
  return [
    time,
    ["STATE", enumName(NodeState, status.stateChange)],
    ["NODES", status.nodeNames.join(", ")],
    ["MESSAGE", status.message || "N/A"],
  ];
}

/** One `KEY: value` a line, keys right-aligned, a dashed line between records. */
export function dictPrinter(options: PrintOptions): Printer {
  let records = 0;
  const text = (rows: readonly Row[]) => {
    if (rows.length === 0) return "";
    const separator = records++ > 0 ? `${SEPARATOR}\n` : "";
    return separator + rows.map(([key, value]) => `${key.padStart(KEY_WIDTH)}: ${value}\n`).join("");
  };
  return {
    print(response) {
      if (response.responseTypes.case === "flow") {
        return { out: text(flowRows(response.responseTypes.value, options)), err: "" };
      }
      const { responseTypes } = response;
      if (responseTypes.case === "nodeStatus") {
        return { out: "", err: isToldStatus(responseTypes.value, options) ? text(otherRows(response, options)) : "" };
      }
      const rows = otherRows(response, options);
      return { out: text(rows), err: "" };
    },
    finish: () => "",
  };
}
