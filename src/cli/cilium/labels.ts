import { formatCidr } from "../../model/cidr.ts";
import { cidrOfKey } from "../../model/cidr-label.ts";
import { splitSource } from "../../model/label.ts";

interface ParsedLabel {
  readonly source: string;
  readonly key: string;
  readonly value: string;
}

/** `source:key=value`; without a source it is of any. */
function parseLabel(text: string): ParsedLabel {
  const [beforeEquals = ""] = text.split("=");
  const { source, rest } =
    beforeEquals.includes(":") || text.startsWith("$") ? splitSource(text) : { source: "", rest: text };
  const at = rest.indexOf("=");
  const [key, value] = at < 0 ? [rest, ""] : [rest.slice(0, at), rest.slice(at + 1)];
  return { source: source || "unspec", key, value };
}

function labelText({ source, key, value }: ParsedLabel): string {
  const cidr = source === "cidr" ? cidrOfKey(key) : undefined;
  if (cidr !== undefined) return `cidr:${formatCidr(cidr)}`;
  return value === "" ? `${source}:${key}` : `${source}:${key}=${value}`;
}

/** Labels as a person reads them: one of a key, prefixes as they are written elsewhere, sorted. */
export function printableLabels(labels: readonly string[] | null | undefined): readonly string[] {
  const byKey = new Map((labels ?? []).map(parseLabel).map((label) => [label.key, label]));
  byKey.delete("");
  return [...byKey.values()].map(labelText).sort();
}

/** Labels of a flag in the form in which the API takes them. */
export function labelsForApi(texts: readonly string[]): readonly string[] {
  const byKey = new Map(texts.map(parseLabel).map((label) => [label.key, label]));
  byKey.delete("");
  return [...byKey.values()].map(({ source, key, value }) =>
    value === "" ? `${source}:${key}` : `${source}:${key}=${value}`,
  );
}
