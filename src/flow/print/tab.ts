import type { Flow } from "../../../proto/gen/flow_pb.js";
import type { GetFlowsResponse } from "../../../proto/gen/observer_pb.js";
import { PLAIN } from "./color.ts";
import { alignTabs } from "./columns.ts";
import { hostTexts } from "./host.ts";
import { lostSource, lostSummary } from "./lost.ts";
import { flowTypeText, summaryText, verdictText } from "./names.ts";
import { nodeStatusLine } from "./node-status.ts";
import { NOTHING, type Printer, type PrintOptions } from "./printer.ts";
import { formatTime } from "./time.ts";

/** Layout of hubble's tables. */
export const TABLE = { minWidth: 2, padding: 3 } as const;

/** Lines of a table that is aligned when all are known; the header stands there once there is a first line. */
export class Table {
  private text = "";
  private readonly header: readonly string[];

  constructor(header: readonly string[]) {
    this.header = header;
  }

  add(cells: readonly string[]): void {
    if (this.text === "") this.text = `${this.header.join("\t")}\n`;
    this.text += `${PLAIN.escape(cells.join("\t"))}\n`;
  }

  aligned(): string {
    return alignTabs(this.text, TABLE);
  }
}

function flowRow(flow: Flow, options: PrintOptions): string[] {
  const { source, destination } = hostTexts(flow, options);
  return [
    formatTime(flow.time, options.timeFormat),
    ...(options.nodeName ? [flow.nodeName] : []),
    source.host,
    destination.host,
    flowTypeText(flow),
    verdictText(flow, options),
    summaryText(flow, options.palette),
  ];
}

/** A table without colours, written at the end when all widths are known. */
export function tabPrinter(given: PrintOptions): Printer<GetFlowsResponse> {
  const options = { ...given, palette: PLAIN };
  const node = options.nodeName ? ["NODE"] : [];
  const table = new Table(["TIMESTAMP", ...node, "SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY"]);
  return {
    print(response) {
      const { responseTypes } = response;
      if (responseTypes.case === "flow") table.add(flowRow(responseTypes.value, options));
      if (responseTypes.case === "lostEvents") {
        table.add([
          formatTime(response.time, options.timeFormat),
          ...(options.nodeName ? [response.nodeName || "-"] : []),
          lostSource(responseTypes.value),
          "-",
          "EVENTS LOST",
          "-",
          lostSummary(responseTypes.value, " - ", options.timeFormat),
        ]);
      }
      return responseTypes.case === "nodeStatus" ? { out: "", err: nodeStatusLine(response, options) } : NOTHING;
    },
    finish: () => table.aligned(),
  };
}
