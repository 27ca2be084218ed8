import type { GetFlowsResponse } from "../../../proto/gen/observer_pb.js";
import { compactPrinter } from "./compact.ts";
import { dictPrinter } from "./dict.ts";
import { jsonPrinter, legacyJsonPrinter } from "./json.ts";
import type { OutputFormat } from "./output-format.ts";
import type { Printer, PrintOptions } from "./printer.ts";
import { tabPrinter } from "./tab.ts";

export { COLORED, PLAIN } from "./color.ts";
export { alignTabs } from "./columns.ts";
export { dictText } from "./dict.ts";
export { agentEventPrinter, debugEventPrinter } from "./events.ts";
export { quoteGo } from "./go-quote.ts";
export { messageJson } from "./json.ts";
export { RESERVED_NAMES, TRACE_POINT_NAMES } from "./names.ts";
export { type OutputFormat, outputFormatOf } from "./output-format.ts";
export type { Printer, PrintOptions } from "./printer.ts";
export { protoText } from "./proto-text.ts";
export { TABLE } from "./tab.ts";
export { TIME_FORMATS, timeFormatOf } from "./time.ts";

/** The printer of flows in one output format. */
export function createPrinter(format: OutputFormat, options: PrintOptions): Printer<GetFlowsResponse> {
  switch (format) {
    case "dict":
      return dictPrinter(options);
    case "json":
      return jsonPrinter(options);
    case "legacy-json":
      return legacyJsonPrinter();
    case "table":
      return tabPrinter(options);
    case "compact":
      return compactPrinter(options);
  }
}
