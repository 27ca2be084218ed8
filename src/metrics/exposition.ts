import type { MetricType } from "./family.ts";
import { numberText } from "./number-text.ts";
import type { Registry } from "./registry.ts";
import type { Exemplar, Sample } from "./series.ts";

/** The two text forms that Prometheus reads. */
export type TextForm = "prometheus" | "openmetrics";

export const CONTENT_TYPES: Readonly<Record<TextForm, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

const SPECIAL: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", '"': '\\"' };

function quoted(text: string): string {
  return `"${text.replace(/[\\\n"]/g, (found) => SPECIAL[found]!)}"`;
}

/** OpenMetrics wants bounds as floating point numbers. */
function boundText(bound: number, form: TextForm): string {
  return form === "openmetrics" && Number.isInteger(bound) ? `${bound}.0` : numberText(bound);
}

function exemplarText({ labels, value, timestamp }: Exemplar): string {
  const pairs = Object.entries(labels).map(([name, text]) => `${name}=${quoted(text)}`);
  return ` # {${pairs.join(",")}} ${numberText(value)} ${timestamp}`;
}

/** A family's type in the words of the form. */
function typeText(type: MetricType, form: TextForm): string {
  return form === "openmetrics" && type === "untyped" ? "unknown" : type;
}

function line(name: string, labels: string, sample: Sample, form: TextForm): string {
  const { suffix, le, value, exemplar } = sample;
  const bound = le === undefined ? "" : `le="${boundText(le, form)}"`;
  const all = labels !== "" && bound !== "" ? `${labels},${bound}` : labels + bound;
  const shown = form === "openmetrics" && exemplar !== undefined ? exemplarText(exemplar) : "";
  return `${name}${suffix}${all === "" ? "" : `{${all}}`} ${numberText(value)}${shown}\n`;
}

/**
 * All that the registry has, as text: families by name, series by label values, without those that have none. In OpenMetrics a counter's family has its name without
 * `_total`, which each of its lines ends with (https://prometheus.io/docs/specs/om/open_metrics_spec).
 */
export function exposition(registry: Registry, form: TextForm): string {
  let text = "";
  for (const family of registry.families()) {
    if (family.size === 0) continue;
    const isCounter = form === "openmetrics" && family.type === "counter";
    const name = isCounter ? family.name.replace(/_total$/, "") : family.name;
    text += `# HELP ${name} ${family.help.replace(/[\\\n]/g, (found) => SPECIAL[found]!)}\n# TYPE ${name} ${typeText(family.type, form)}\n`;
    for (const [values, series] of family.all()) {
      const labels = family.labels.map((label, at) => `${label}=${quoted(values[at]!)}`).join(",");
      for (const sample of series.samples()) text += line(isCounter ? `${name}_total` : name, labels, sample, form);
    }
  }
  return form === "openmetrics" ? `${text}# EOF\n` : text;
}
