import { escapeJson } from "../model/json-escape.ts";
import { promoted, type Value } from "./go-value.ts";

/** A text as Go's JSON writes it. */
export function quoteJson(text: string): string {
  return escapeJson(JSON.stringify(text.toWellFormed()));
}

/** From here on Go writes floating-point numbers in JSON with an exponent. */
const LARGE = 1e21;
const SMALL = 1e-6;

function numberText(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < SMALL || size >= LARGE)) return value.toExponential();
  return String(value);
}

interface Layout {
  /** What stands for each step to the right; empty = all on one line. */
  readonly indent: string;
  readonly depth: number;
}

function block(items: readonly string[], [open, close]: readonly [string, string], { indent, depth }: Layout): string {
  if (items.length === 0) return open + close;
  if (indent === "") return `${open}${items.join(",")}${close}`;
  const margin = indent.repeat(depth + 1);
  return `${open}\n${items.map((item) => margin + item).join(",\n")}\n${indent.repeat(depth)}${close}`;
}

/** The value as Go's encoder writes it; `indent` as in `JSON.stringify`. */
export function jsonText(value: Value, indent = "  ", depth = 0): string {
  const layout = { indent, depth };
  const colon = indent === "" ? ":" : ": ";
  const pair = (key: string, inner: Value) => `${quoteJson(key)}${colon}${jsonText(inner, indent, depth + 1)}`;
  switch (value.kind) {
    case "nil":
      return "null";
    case "text":
      return quoteJson(value.text);
    case "number":
      return numberText(value.number);
    case "bool":
      return String(value.bool);
    case "list":
      return block(
        value.items.map((item) => jsonText(item, indent, depth + 1)),
        ["[", "]"],
        layout,
      );
    case "map":
      return block(
        value.entries.map(([key, inner]) => pair(key, inner)),
        ["{", "}"],
        layout,
      );
    case "struct": {
      const shown = promoted(value.fields).filter(({ isOmitted }) => !isOmitted);
      return block(
        shown.map(({ json, value: inner }) => pair(json, inner)),
        ["{", "}"],
        layout,
      );
    }
  }
}
