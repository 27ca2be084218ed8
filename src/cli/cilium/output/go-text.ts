import { jsonText } from "../../../wire/go-json.ts";
import type { Value } from "../../../wire/go-value.ts";

/** From here on Go prints floating-point numbers with an exponent. */
const LARGE = 1e21;
const SMALL = 1e-4;

/** What is not there, by its type. */
const NOTHING = { pointer: "<nil>", list: "[]", map: "map[]" };

function floatText(value: number): string {
  const size = Math.abs(value);
  if (size === 0 || (size >= SMALL && size < LARGE)) return String(value);
  const [digits = "", exponent = ""] = value.toExponential().split("e");
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

function holdsStruct(value: Value): boolean {
  if (value.kind === "struct") return true;
  if (value.kind === "list") return value.items.some(holdsStruct);
  return value.kind === "map" && value.entries.some(([, inner]) => holdsStruct(inner));
}

/**
 * The value as Go's `%v` prints it. Where Go would print the addresses of what is in it, which nobody can use, it is JSON.
 */
export function goText(value: Value): string {
  switch (value.kind) {
    case "nil":
      return NOTHING[value.of];
    case "text":
      return value.text;
    case "number":
      if (value.word !== undefined) return value.word;
      return value.type === "float" ? floatText(value.number) : String(value.number);
    case "bool":
      return String(value.bool);
    case "list":
      return `[${value.items.map(goText).join(" ")}]`;
    case "map":
      return `map[${value.entries.map(([key, inner]) => `${key}:${goText(inner)}`).join(" ")}]`;
    case "struct": {
      const inner = value.fields.map((field) => field.value);
      return inner.some(holdsStruct) ? jsonText(value, "") : `{${inner.map(goText).join(" ")}}`;
    }
  }
}
