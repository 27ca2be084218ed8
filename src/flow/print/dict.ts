import type { Flow } from "../../../proto/gen/flow_pb.js";
import type { GetFlowsResponse } from "../../../proto/gen/observer_pb.js";
import { NodeState, type NodeStatusEvent } from "../../../proto/gen/relay_pb.js";
import { quoteGo } from "./go-quote.ts";
import { hostTexts } from "./host.ts";
import { lostSource, lostSummary } from "./lost.ts";
import { enumName, flowTypeText, summaryText, verdictText } from "./names.ts";
import { isToldStatus, shortList } from "./node-status.ts";
import { NOTHING, type Printer, type PrintOptions } from "./printer.ts";
import { formatTime } from "./time.ts";

export const KEY_WIDTH = 11;
export const SEPARATOR = "------------";

type Row = readonly [string, string];

/** Rows as `KEY: value` lines, keys right-aligned. */
export function dictText(rows: readonly Row[], width: number): string {
  return rows.map(([key, value]) => `${key.padStart(width)}: ${value}\n`).join("");
}

function flowRows(flow: Flow, options: PrintOptions): Row[] {
  const { source, destination } = hostTexts(flow, options);
  return [
    ["TIMESTAMP", formatTime(flow.time, options.timeFormat)],
    ...(options.nodeName ? [["NODE", flow.nodeName] as const] : []),
    ["SOURCE", source.host],
    ["DESTINATION", destination.host],
    ["TYPE", flowTypeText(flow)],
    ["VERDICT", verdictText(flow, options)],
    ["SUMMARY", summaryText(flow, options.palette)],
  ];
}

function statusRows(response: GetFlowsResponse, status: NodeStatusEvent, options: PrintOptions): Row[] {
  return [
    ["TIMESTAMP", formatTime(response.time, options.timeFormat)],
    ["STATE", enumName(NodeState, status.stateChange)],
    ["NODES", shortList(status.nodeNames)],
    ["MESSAGE", status.message === "" ? "N/A" : quoteGo(status.message)],
  ];
}

/** One `KEY: value` a line, a dashed line between records. */
export function dictPrinter(options: PrintOptions): Printer<GetFlowsResponse> {
  let records = 0;
  const text = (rows: readonly Row[], counts: boolean) => {
    const separator = records > 0 ? `${SEPARATOR}\n` : "";
    if (counts || records === 0) records++;
    return options.palette.escape(separator + dictText(rows, KEY_WIDTH));
  };
  return {
    print(response) {
      const { responseTypes } = response;
      if (responseTypes.case === "flow") return { out: text(flowRows(responseTypes.value, options), true), err: "" };
      if (responseTypes.case === "nodeStatus" && isToldStatus(responseTypes.value, options))
        return { out: "", err: text(statusRows(response, responseTypes.value, options), false) };
      if (responseTypes.case !== "lostEvents") return NOTHING;
      const rows: Row[] = [
        ["TIMESTAMP", formatTime(response.time, options.timeFormat)],
        ...(options.nodeName ? [["NODE", response.nodeName || "-"] as const] : []),
        ["SOURCE", lostSource(responseTypes.value)],
        ["TYPE", "EVENTS LOST"],
        ["VERDICT", "-"],
        ["SUMMARY", lostSummary(responseTypes.value, " - ", options.timeFormat)],
      ];
      return { out: text(rows, true), err: "" };
    },
    finish: () => "",
  };
}
