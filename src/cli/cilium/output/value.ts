import type { FieldValue, Value } from "../../../wire/go-value.ts";
import { MODELS } from "./models.ts";
import { STATUS_MODELS } from "./status-models.ts";

interface Field {
  readonly json: string;
  readonly yaml: string;
  readonly isShownEmpty: boolean;
  readonly type: string;
}

/** `name(yaml)! type` */
const FIELD = /^([^\s(!]+)(?:\(([^)]*)\))?(!?) (.+)$/;

function parseModels(text: string): [string, readonly Field[]][] {
  const joined = text.trim().replace(/\n {2,}/g, " ");
  return joined.split("\n").map((line) => {
    const [name = "", fields = ""] = line.split(/: (.*)/s);
    return [name, fields.split(", ").map(parseField)];
  });
}

function parseField(text: string): Field {
  const [, json = "", yaml, shown, type = ""] = FIELD.exec(text) ?? [];
  const lower = json.replace(/[-_]/g, "").toLowerCase();
  return { json, yaml: yaml ?? lower, isShownEmpty: shown === "!", type };
}

let models: ReadonlyMap<string, readonly Field[]> | undefined;

/** The fields of a model; undefined when there is none of this name. Read when first asked for. */
function fieldsOf(name: string): readonly Field[] | undefined {
  models ??= new Map([...parseModels(MODELS), ...parseModels(STATUS_MODELS)]);
  return models.get(name);
}

const NIL: Value = { kind: "nil", of: "pointer" };
/** Go's time that is none, as the API writes it. */
const NO_TIME = "0001-01-01T00:00:00.000Z";
const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/;

/** A time with milliseconds, as the API's client writes it. */
function timeText(json: unknown): string {
  const [, seconds, fraction = "", zone] = TIME.exec(String(json ?? "")) ?? [];
  return seconds === undefined ? NO_TIME : `${seconds}.${fraction.padEnd(3, "0").slice(0, 3)}${zone}`;
}

function isEmpty(value: Value): boolean {
  switch (value.kind) {
    case "text":
      return value.text === "";
    case "number":
      return value.number === 0;
    case "bool":
      return !value.bool;
    case "list":
      return value.items.length === 0;
    case "map":
      return value.entries.length === 0;
    case "nil":
      return true;
    case "struct":
      return false;
  }
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : a > b ? 1 : 0);

function entriesOf(json: object, read: (json: unknown) => Value): readonly (readonly [string, Value])[] {
  return Object.entries(json)
    .map(([key, value]) => [key, read(value)] as const)
    .sort(byKey);
}

/** JSON without a model, as Go reads it into `any`: the API's client keeps numbers as their texts. */
export function untyped(json: unknown, numbers: "float" | "text" = "text"): Value {
  if (json === null || json === undefined) return NIL;
  if (typeof json === "string") return { kind: "text", text: json };
  if (typeof json === "number") return { kind: "number", number: json, type: numbers };
  if (typeof json === "boolean") return { kind: "bool", bool: json };
  if (Array.isArray(json)) return { kind: "list", items: json.map((item) => untyped(item, numbers)) };
  return { kind: "map", entries: entriesOf(json as object, (inner) => untyped(inner, numbers)) };
}

function scalar(json: unknown, type: string): Value {
  switch (type) {
    case "string":
      return { kind: "text", text: typeof json === "string" ? json : "" };
    case "time":
      return { kind: "text", text: timeText(json) };
    case "duration":
      return { kind: "text", text: typeof json === "string" ? json : "0s" };
    case "bool":
      return { kind: "bool", bool: json === true };
    case "stance":
      return { kind: "number", number: Number(json), type: "int", word: (Number(json) & 1) === 0 ? "Allow" : "Deny" };
    case "int":
    case "float":
      return { kind: "number", number: typeof json === "number" ? json : 0, type };
    default:
      throw new Error(`no model ${type}`);
  }
}

function fieldValue(
  json: Readonly<Record<string, unknown>>,
  { json: name, yaml, isShownEmpty, type }: Field,
): FieldValue {
  if (type.startsWith("&"))
    return { json: name, yaml, isOmitted: false, value: typed(json, type.slice(1)), isEmbedded: true };
  const value = typed(json[name], type);
  const isAbsent = value.kind === "nil";
  const isAlwaysShown = isShownEmpty || type === "time";
  const isNothing = type.startsWith("*")
    ? isAbsent
    : isEmpty(value) || (type === "duration" && json[name] === undefined);
  // a time is a struct to Go and is never left out
  const isOmitted = !isAlwaysShown && isNothing;
  return { json: name, yaml, isOmitted, value };
}

/** JSON read into a type: a model, `[]TYPE`, `map:TYPE`, `*TYPE`, `any`, `floats` (`any` with real numbers), or a scalar. */
export function typed(json: unknown, type: string): Value {
  if (type === "any" || type === "floats") return untyped(json, type === "any" ? "text" : "float");
  const isAbsent = json === null || json === undefined;
  if (type.startsWith("*")) {
    if (isAbsent) return NIL;
    const value = typed(json, type.slice(1));
    return value.kind === "struct" ? { ...value, isPointer: true } : value;
  }
  if (type.startsWith("[]")) {
    if (!Array.isArray(json)) return { kind: "nil", of: "list" };
    return { kind: "list", items: json.map((item) => typed(item, type.slice(2))) };
  }
  if (type.startsWith("map:")) {
    if (isAbsent) return { kind: "nil", of: "map" };
    return { kind: "map", entries: entriesOf(json as object, (item) => typed(item, type.slice(4))) };
  }
  const fields = fieldsOf(type);
  if (fields === undefined) return scalar(json, type);
  const object = (isAbsent ? {} : json) as Readonly<Record<string, unknown>>;
  return { kind: "struct", fields: fields.map((field) => fieldValue(object, field)) };
}
