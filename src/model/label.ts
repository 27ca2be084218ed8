/** A label as policy sees it: `source:key=value`, printed without `=` when the value is empty. */
export interface Label {
  readonly source: string;
  readonly key: string;
  readonly value: string;
}

/** The labels of one identity: sorted by `source:key=value` text, at most one label a key. */
export type Labels = readonly Label[];

/** Orders texts by code unit, as every list of labels is ordered. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `source:key=value`; without `=` when the value is empty. */
export function formatLabel(label: Label): string {
  const name = `${label.source}:${label.key}`;
  return label.value === "" ? name : `${name}=${label.value}`;
}

/**
 * Reads `source:key=value`. Without a source it is `unspec`; `$host` is short for `reserved:host`. Never fails: whether
 * the parts are allowed is for whoever takes labels from a user to say.
 */
export function parseLabel(text: string): Label {
  const { source, rest } = splitSource(text);
  const equals = rest.indexOf("=");
  if (equals === -1) return { source: source || "unspec", key: rest, value: "" };
  return { source: source || "unspec", key: rest.slice(0, equals), value: rest.slice(equals + 1) };
}

/** Parts a key as it stands in a selector: `k8s:app` has the source k8s, `app` has none. */
export function splitSource(text: string): { readonly source: string; readonly rest: string } {
  if (text.startsWith("$")) return { source: "reserved", rest: text.slice(1) };
  const colon = text.indexOf(":");
  if (colon === -1) return { source: "", rest: text };
  const source = text.slice(0, colon);
  return { source: SOURCES.find((known) => known === source) ?? source, rest: text.slice(colon + 1) };
}

/** The usual sources, so that not every label keeps a copy of its own. */
const SOURCES = ["k8s", "any", "reserved", "cidr"];

/** Sorts, and keeps one label a key: the last one given, as Cilium's label map does. */
export function toLabels(labels: Iterable<Label>): Labels {
  const byKey = new Map<string, Label>();
  for (const label of labels) byKey.set(label.key, label);
  return [...byKey.values()].sort((a, b) => compareText(formatLabel(a), formatLabel(b)));
}

/** The texts of the labels, in their order. */
export function formatLabels(labels: Labels): string[] {
  return labels.map(formatLabel);
}
