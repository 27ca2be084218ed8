/** How large values of a schema can be, as Kubernetes' estimate of what rules cost has it. */
import { mapValues, type SchemaNode } from "./node.ts";

/** What is known of a value before there is one. */
export interface Shape {
  /** `string`, `list`, `map`, `object`, `optional`, a scalar's or a library's type; `dyn` where only a value tells. */
  readonly kind: string;
  /** Characters, items or entries at most; absent = nobody knows. */
  readonly most?: number;
  /** Bytes of the shortest JSON. */
  readonly least?: number;
  /** Of a list's items, a map's values, what is in an optional value. */
  readonly of?: Shape;
  readonly fields?: ReadonlyMap<string, Shape>;
  /** The way from a variable of the rule to it, if there is one. */
  readonly path?: readonly string[];
}

/** Bytes that a request may have. */
export const MOST_BYTES = 3 * 1024 * 1024;
/** Lengths in the schema are of characters, of four bytes at most. */
const CHARACTER = 4;
const TIMES: Readonly<Record<string, Shape>> = {
  duration: { kind: "duration", most: 32, least: 3 },
  date: { kind: "timestamp", most: 12, least: 12 },
  "date-time": { kind: "timestamp", most: 32, least: 21 },
};
/** Scalars of a schema have no length. */
const SCALARS: Readonly<Record<string, Shape>> = {
  boolean: { kind: "bool", most: 0, least: 4 },
  number: { kind: "double", most: 0, least: 1 },
  integer: { kind: "int", most: 0, least: 1 },
};
const TEXT: SchemaNode = { type: "string" };
const METADATA: SchemaNode = { type: "object", properties: { name: TEXT, generateName: TEXT } };

const bound = (given: number | undefined, otherwise: number): number =>
  given === undefined ? otherwise : Math.max(0, given);

function textShape(node: SchemaNode): Shape {
  const { format = "", maxLength, enum: values = [] } = node;
  const all = MOST_BYTES - 2;
  if (format === "byte") return { kind: "bytes", most: bound(maxLength, all), least: 2 };
  if (Object.hasOwn(TIMES, format)) return TIMES[format]!;
  const longest = Math.max(0, ...values.map((value) => (typeof value === "string" ? Buffer.byteLength(value) : 0)));
  const most = maxLength === undefined ? (values.length > 0 ? longest : all) : bound(maxLength, 0) * CHARACTER;
  return { kind: "string", most, least: 2 };
}

function objectShape(node: SchemaNode, escaped: (name: string) => string): Shape {
  let least = 2;
  const fields = new Map<string, Shape>();
  for (const [name, child] of Object.entries(node.properties ?? {})) {
    const shape = shapeOf(child, escaped);
    if (shape === undefined) continue;
    fields.set(escaped(name), shape);
    if ((node.required ?? []).includes(name) && child.default === undefined)
      least += Buffer.byteLength(name) + (shape.least ?? 0) + 4;
  }
  return { kind: "object", most: 0, least, fields };
}

/** Undefined for what rules do not see. `escaped`: a field's name as rules write it. At the root there are kind, version and metadata too. */
export function shapeOf(node: SchemaNode, escaped: (name: string) => string, isRoot = false): Shape | undefined {
  if (node["x-kubernetes-int-or-string"]) {
    const most = node.maxLength === undefined ? MOST_BYTES - 2 : bound(node.maxLength, 0) * CHARACTER;
    return { kind: "dyn", most, least: 1 };
  }
  if (isRoot || node["x-kubernetes-embedded-resource"]) {
    const properties = { ...node.properties, kind: TEXT, apiVersion: TEXT, metadata: METADATA };
    return objectShape({ ...node, properties }, escaped);
  }
  const values = mapValues(node);
  if (node.type === "array") {
    const of = node.items && shapeOf(node.items, escaped);
    return of && { kind: "list", most: bound(node.maxItems, room(of, 1)), least: 2, of };
  }
  if (node.type === "object" && values) {
    const of = shapeOf(values, escaped);
    return of && { kind: "map", most: bound(node.maxProperties, room(of, 6)), least: 2, of };
  }
  if (node.type === "object") return objectShape(node, escaped);
  return node.type === "string" ? textShape(node) : SCALARS[node.type ?? ""];
}

/** How many of them a request has room for. */
const room = ({ least = 0 }: Shape, beside: number): number => Math.floor((MOST_BYTES - 2) / (least + beside));
