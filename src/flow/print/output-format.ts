/** How responses are written; `legacy-json` is the flow or event alone, as hubble did before 0.11. */
export type OutputFormat = "compact" | "dict" | "json" | "legacy-json" | "table";

/**
 * The format of a value of `--output`; undefined when there is none of that name. `legacyJson` is what
 * HUBBLE_COMPAT=legacy-json-output asks for.
 */
export function outputFormatOf(name: string, legacyJson = false): OutputFormat | undefined {
  switch (name) {
    case "compact":
    case "dict":
      return name;
    case "json":
    case "JSON":
      return legacyJson ? "legacy-json" : "json";
    case "jsonpb":
      return "json";
    case "tab":
    case "table":
      return "table";
    default:
      return undefined;
  }
}
