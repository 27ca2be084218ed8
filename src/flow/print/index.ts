import { compactPrinter } from "./compact.ts";
import { dictPrinter } from "./dict.ts";
import { jsonPrinter } from "./json.ts";
import type { Printer, PrintOptions } from "./printer.ts";
import { tabPrinter } from "./tab.ts";

export { COLORED, PLAIN } from "./color.ts";
export { alignColumns } from "./columns.ts";
export { messageJson } from "./json.ts";
export { RESERVED_NAMES, TRACE_POINT_NAMES } from "./names.ts";
export type { Printer, PrintOptions } from "./printer.ts";
export { TIME_FORMATS, type TimeFormat } from "./time.ts";

/** The values of `--output`. */
export const OUTPUT_FORMATS = ["compact", "dict", "json", "jsonpb", "tab", "table"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** The printer of one output format. */
export function createPrinter(format: OutputFormat, options: PrintOptions): Printer {
  switch (format) {
    case "dict":
      return dictPrinter(options);
    case "json":
    case "jsonpb":
      return jsonPrinter(options);
    case "tab":
    case "table":
      return tabPrinter(options);
    case "compact":
      return compactPrinter(options);
  }
}
