/** One entry of `hubble-metrics`: a handler with its options. */
export interface MetricConfig {
  readonly name: string;
  readonly options: readonly MetricOption[];
}

export interface MetricOption {
  /** As it was written; case says nothing. */
  readonly name: string;
  readonly values: readonly string[];
}

function option(text: string): MetricOption {
  const at = text.indexOf("=");
  if (at < 0) return { name: text, values: [""] };
  const name = text.slice(0, at);
  const separator = name.toLowerCase() === "labelscontext" ? "," : "|";
  const values = text.slice(at + 1).split(separator);
  return { name, values: values.filter((value) => value !== "") };
}

/**
 * Reads Cilium's list of metrics: entries with white space between, each `name` or `name:option;option=value|value`; the
 * values of `labelsContext` have commas between them.
 */
export function parseMetricsList(text: string): MetricConfig[] {
  const entries = text.split(/\s+/).filter((entry) => entry !== "");
  return entries.map((entry) => {
    const at = entry.indexOf(":");
    if (at < 0) return { name: entry, options: [] };
    const options = entry.slice(at + 1).split(";");
    return { name: entry.slice(0, at), options: options.filter((text) => text !== "").map(option) };
  });
}
