import { parseArgs } from "node:util";
import { RE2JS } from "re2js";
import { alignTabs } from "../../flow/print/index.ts";
import type { Registry } from "../../metrics/index.ts";
import { jsonText } from "../../wire/go-json.ts";
import type { Value } from "../../wire/go-value.ts";
import { yamlText } from "../../wire/go-yaml.ts";
import { ShellError } from "./line.ts";
import { bucketsOf, quantile, shortNumber } from "./quantile.ts";

/** One series: `value` is what the forms for programs show, `text` the table. */
interface Line {
  readonly name: string;
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly value: number;
  readonly text: string;
}

type Family = ReturnType<Registry["families"]>[number];
type Series = ReturnType<Family["of"]>;

function lineOf({ name, type, labels }: Family, values: readonly string[], series: Series): Line {
  const samples = series.samples();
  const pairs = labels.map((label, at) => [label, values[at]!] as const).sort(([a], [b]) => (a < b ? -1 : 1));
  if (type !== "histogram") {
    const { value } = samples[0]!;
    return { name, labels: pairs, value, text: value.toFixed(6) };
  }
  const unit = name.endsWith("seconds") ? "s" : "";
  const buckets = bucketsOf(samples);
  const [half, most, nearly] = [0.5, 0.9, 0.99].map((rank) => quantile(buckets, rank)) as [number, number, number];
  const text = [half, most, nearly].map((number) => shortNumber(number) + unit).join(" / ");
  return { name, labels: pairs, value: most, text };
}

const labelText = ({ labels }: Line) => labels.map(([label, value]) => `${label}=${value}`).join(" ");

function byValues({ labels: a }: Line, { labels: b }: Line): number {
  const at = a.findIndex(([, value], index) => value !== b[index]?.[1]);
  return at < 0 ? 0 : a[at]![1] < b[at]![1] ? -1 : 1;
}

/** Every series, in the order in which Prometheus' library for Go gives them. */
function linesOf(registry: Registry): Line[] {
  return registry.families().flatMap((family) => {
    const lines = [...family.all()].map(([values, series]) => lineOf(family, values, series));
    return lines.sort(byValues);
  });
}

function matching(lines: readonly Line[], pattern: string | undefined): readonly Line[] {
  if (pattern === undefined) return lines;
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern);
  } catch (error) {
    throw new ShellError(`regex: ${(error as Error).message}`, [pattern]);
  }
  return lines.filter((line) => compiled.matcher(line.name + labelText(line)).find());
}

const text = (of: string): Value => ({ kind: "text", text: of });

function modelOf({ name, labels, value }: Line): Value {
  const entries = labels.map(([label, of]) => [label, text(of)] as const);
  return {
    kind: "struct",
    fields: [
      { json: "labels", yaml: "labels", isOmitted: entries.length === 0, value: { kind: "map", entries } },
      { json: "name", yaml: "name", isOmitted: false, value: text(name) },
      { json: "value", yaml: "value", isOmitted: value === 0, value: { kind: "number", number: value, type: "float" } },
    ],
  };
}

/** No list at all, as Go has it, where nothing was found. */
function listOf(lines: readonly Line[]): Value {
  return lines.length === 0 ? { kind: "nil", of: "list" } : { kind: "list", items: lines.map(modelOf) };
}

function tableOf(lines: readonly Line[]): string {
  const rows = lines.map((line) => `${line.name}\t${labelText(line)}\t${line.text}\n`).sort();
  return alignTabs(["Metric\tLabels\tValue\n", ...rows].join(""), { minWidth: 5, padding: 3 });
}

const FORMS: Readonly<Record<string, (lines: readonly Line[]) => string>> = {
  table: tableOf,
  json: (lines) => `${jsonText(listOf(lines))}\n`,
  yaml: (lines) => yamlText(listOf(lines)),
};

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        format: { type: "string", short: "f", default: "table" },
        out: { type: "string", short: "o" },
        sampled: { type: "boolean", short: "s" },
      },
    });
  } catch (error) {
    throw new ShellError((error as Error).message);
  }
}

/**
 * `metrics [-f table|json|yaml] [REGEX]`: what Prometheus would read, as Cilium's shell lists it: a line a series, and of a
 * histogram the 50th, 90th and 99th percentile. Throws ShellError for what is not here.
 */
export function metricsCommand(registry: Registry, args: readonly string[]): string {
  const { values, positionals } = parse(args);
  if (values.sampled) throw new ShellError("no samples of metrics are kept here: let a Prometheus read them");
  if (values.out !== undefined)
    throw new ShellError("the shell writes no files here: redirect what the command prints");
  const form = FORMS[values.format];
  const found = matching(linesOf(registry), positionals[0]);
  if (form === undefined) throw new ShellError(`unknown format ${JSON.stringify(values.format)}`, positionals);
  return form(found);
}
