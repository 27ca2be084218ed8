import { jsonText } from "../../../wire/go-json.ts";
import { promoted, type Value } from "../../../wire/go-value.ts";
import { goText } from "./go-text.ts";
import { JsonPathError, type Part, parseTemplate, type Step } from "./json-path.ts";

const refuse = (message: string): never => {
  throw new JsonPathError(message);
};

const text = (value: string): Value => ({ kind: "text", text: value });

function literal(value: number | boolean): Value {
  if (typeof value === "boolean") return { kind: "bool", bool: value };
  return { kind: "number", number: value, type: Number.isInteger(value) ? "int" : "float" };
}

/** What a value holds: fields, entries, items; nothing of a scalar. */
function children(value: Value): readonly Value[] {
  switch (value.kind) {
    case "struct":
      return value.fields.map((field) => field.value);
    case "map":
      return value.entries.map(([, inner]) => inner);
    case "list":
      return value.items;
    default:
      return [];
  }
}

function field(value: Value, name: string): readonly Value[] {
  if (value.kind === "struct")
    return promoted(value.fields)
      .filter(({ json }) => json === name)
      .map((found) => found.value);
  if (value.kind === "map") return value.entries.filter(([key]) => key === name).map(([, inner]) => inner);
  return [];
}

function deep(value: Value): readonly Value[] {
  const inner = children(value);
  return inner.length === 0 ? [] : [value, ...inner.flatMap(deep)];
}

function slice(value: Value, { from = 0, to, step = 1, isOne }: Extract<Step, { kind: "slice" }>): readonly Value[] {
  if (value.kind === "nil") return [];
  if (value.kind !== "list") return refuse(`a ${value.kind} is not array or slice`);
  const { length } = value.items;
  const start = from < 0 ? from + length : from;
  const wanted = isOne ? from + 1 : (to ?? length);
  const end = wanted < 0 || (wanted === 0 && isOne) ? wanted + length : wanted;
  if (start === end) return [];
  if (start >= length || start < 0) refuse(`array index out of bounds: index ${start}, length ${length}`);
  if (end > length || end < 0) refuse(`array index out of bounds: index ${end - 1}, length ${length}`);
  if (start > end) refuse(`starting index ${start} is greater than ending index ${end}`);
  if (step <= 0) refuse("step must be > 0");
  return value.items.slice(start, end).filter((_, index) => index % step === 0);
}

type Scalar = string | number | boolean;

function scalar(value: Value): Scalar {
  if (value.kind === "text") return value.text;
  if (value.kind === "number") return value.number;
  if (value.kind === "bool") return value.bool;
  return refuse("invalid type for comparison");
}

const COMPARISONS: Readonly<Record<string, (a: Scalar, b: Scalar) => boolean>> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

function passes(item: Value, { left, operator, right }: Extract<Step, { kind: "filter" }>): boolean {
  const lefts = steps([item], left);
  if (operator === "exists") return lefts.length > 0;
  const rights = steps([item], right);
  if (lefts.length === 0 || rights.length === 0) return false;
  if (lefts.length > 1 || rights.length > 1) refuse("can only compare one element at a time");
  const compare = COMPARISONS[operator] ?? refuse(`unrecognized filter operator ${operator}`);
  const [a, b] = [scalar(lefts[0]!), scalar(rights[0]!)];
  if (typeof a !== typeof b) refuse("incompatible types for comparison");
  return compare(a, b);
}

function filtered(value: Value, filter: Extract<Step, { kind: "filter" }>): readonly Value[] {
  if (value.kind !== "list") return refuse(`a ${value.kind} is not array or slice and cannot be filtered`);
  return value.items.filter((item) => passes(item, filter));
}

function take(values: readonly Value[], step: Step): readonly Value[] {
  switch (step.kind) {
    case "text":
      return [text(step.text)];
    case "literal":
      return values.map(() => literal(step.value));
    case "field":
      return values.flatMap((value) => field(value, step.name));
    case "all":
      return values.flatMap(children);
    case "deep":
      return values.flatMap(deep);
    case "slice":
      return values.flatMap((value) => slice(value, step));
    case "union":
      return step.of.flatMap((member) => steps(values, member));
    case "filter":
      return values.flatMap((value) => filtered(value, step));
    case "word":
      return refuse(`unrecognized identifier ${step.name}`);
  }
}

function steps(values: readonly Value[], path: readonly Step[]): readonly Value[] {
  return path.reduce(take, values);
}

function isWord(part: Part | undefined, name: string): boolean {
  const first = part?.[0];
  return first?.kind === "word" && first.name === name;
}

/** Where the range that begins before `from` ends; the length of the template when it does not. */
function endOf(parts: readonly Part[], from: number): number {
  let depth = 0;
  for (let at = from; at < parts.length; at++) {
    if (isWord(parts[at], "range")) depth++;
    if (isWord(parts[at], "end") && depth-- === 0) return at;
  }
  return parts.length;
}

function printed(value: Value): string {
  const isPlain = value.kind === "struct" && value.isPointer !== true;
  if (value.kind === "list" || value.kind === "map" || isPlain) return jsonText(value, "");
  return goText(value);
}

function rendered(parts: readonly Part[], root: Value): string {
  let out = "";
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at] ?? [];
    if (isWord(part, "end")) refuse("not in range, nothing to end");
    if (isWord(part, "range")) {
      const end = endOf(parts, at + 1);
      const body = parts.slice(at + 1, end);
      out += steps([root], part.slice(1))
        .map((item) => rendered(body, item))
        .join("");
      at = end;
    } else out += steps([root], part).map(printed).join(" ");
  }
  return out;
}

/** What a template makes of a value. Throws JsonPathError. */
export function jsonPathText(template: string, value: Value): string {
  return rendered(parseTemplate(template), value);
}
