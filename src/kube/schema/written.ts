/** Objects as Kubernetes writes them: zero values are left out, or there, as the field's Go type has it. */
import { type Fields, type GroupVersionKind, isFields } from "../object.ts";
import { builtinSchema, isIntOrString, QUANTITY, referenceName, resolve } from "./builtin.ts";
import { mapValues, type SchemaNode } from "./node.ts";

const isTime = (node: SchemaNode): boolean => /\.(Micro)?Time$/.test(referenceName(node) ?? "");

/** The zero value of a field that is always there. */
function zeroOf(node: SchemaNode): unknown {
  if (isTime(node)) return null;
  if (isIntOrString(node)) return 0;
  if (referenceName(node) === QUANTITY) return "0";
  const known = resolve(node);
  if (known.properties) return written(known, {});
  if (known.type === "string") return "";
  if (known.type === "integer" || known.type === "number") return 0;
  return known.type === "boolean" ? false : null;
}

const isEmpty = (value: unknown): boolean =>
  Array.isArray(value) ? value.length === 0 : isFields(value) && Object.keys(value).length === 0;

/** What stands in an object for a field; undefined when it is left out. */
function fieldWritten(node: SchemaNode, value: unknown): unknown {
  const zero = node["x-shieldgate-zero"];
  if (value === undefined || value === null) return zero === "always" || zero === "held" ? zeroOf(node) : undefined;
  const result = written(node, value);
  if (zero === "omit" && (value === "" || value === 0 || value === false)) return undefined;
  const known = resolve(node);
  const isCollection = known.type === "array" || (mapValues(known) !== undefined && !known.properties);
  if (!isCollection || !isEmpty(result)) return result;
  // as it comes back from the store, where nothing and empty are one
  return zero === undefined ? undefined : null;
}

function written(node: SchemaNode, value: unknown): unknown {
  const known = resolve(node);
  const { items, properties } = known;
  if (Array.isArray(value))
    return items ? value.map((item) => (item === null ? zeroOf(items) : written(items, item))) : value;
  if (!isFields(value)) return value;
  const values = mapValues(known);
  if (!properties) {
    if (!values) return value;
    const entries = Object.entries(value).map(([key, item]) => [
      key,
      item === null ? zeroOf(values) : written(values, item),
    ]);
    return Object.fromEntries(entries);
  }
  const result: Fields = {};
  for (const key of Object.keys(value)) {
    const child = properties[key];
    const item = child ? fieldWritten(child, value[key]) : value[key];
    if (item !== undefined) result[key] = item;
  }
  for (const key of heldFields(known)) if (value[key] === undefined) result[key] = zeroOf(properties[key]!);
  return result;
}

const held = new WeakMap<SchemaNode, readonly string[]>();

/** The fields of a struct that are there whatever was given. */
function heldFields(node: SchemaNode): readonly string[] {
  const kept = held.get(node);
  if (kept) return kept;
  const found = Object.entries(node.properties ?? {})
    .filter(([, { "x-shieldgate-zero": zero }]) => zero === "always" || zero === "held")
    .map(([key]) => key);
  held.set(node, found);
  return found;
}

const METADATA: SchemaNode = { $ref: "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" };

/** A kind's object as Kubernetes writes it; of custom kinds the metadata. What is not in the schema is kept. */
export function asWritten<T extends Fields>(kind: GroupVersionKind, object: T): T {
  const schema = builtinSchema(kind);
  return schema ? (written(schema, object) as T) : { ...object, metadata: written(METADATA, object.metadata) };
}
