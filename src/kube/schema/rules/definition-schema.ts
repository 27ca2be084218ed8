/** What the schema of a definition may not say of its fields: the structural rules of Kubernetes, in its words. */
import { RE2JS } from "re2js";
import { type Fields, fieldsOf, isFields, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { forbiddenValue, invalid, requiredValue, unsupported } from "../field-error.ts";
import { unknownPaths } from "../fields.ts";
import { childPath, type SchemaNode } from "../node.ts";
import { checkStructure } from "../structure.ts";

const TYPES = ["array", "boolean", "integer", "number", "object", "string"];
const LISTS = ["atomic", "set", "map"];
const MAPS = ["atomic", "granular"];
const MAP = "x-kubernetes-list-type is map";
const KEYS = "x-kubernetes-list-map-keys";

function typeErrors(path: string, schema: Fields, where: string): FieldError[] {
  const { type } = schema;
  if (schema["x-kubernetes-int-or-string"] || (!type && schema["x-kubernetes-preserve-unknown-fields"])) return [];
  if (!type) return where === "" ? [] : [requiredValue(`${path}.type`, `must not be empty for specified ${where}`)];
  if (!TYPES.includes(String(type))) return [unsupported(`${path}.type`, type, TYPES)];
  return type === "array" && schema.items === undefined ? [requiredValue(`${path}.items`, "must be specified")] : [];
}

function patternErrors(path: string, { pattern }: Fields): FieldError[] {
  try {
    if (typeof pattern === "string") RE2JS.compile(pattern);
    return [];
  } catch (error) {
    const why = `must be a valid regular expression, but isn't: ${error instanceof Error ? error.message : String(error)}`;
    return [invalid(`${path}.pattern`, pattern, why)];
  }
}

/** A default is a value of its schema. */
function defaultErrors(path: string, schema: Fields): FieldError[] {
  const value = schema.default;
  if (value === undefined || value === null) return [];
  const node = schema as SchemaNode;
  const place = `${path}.default`;
  if (unknownPaths(node, value, (same) => same).length > 0)
    return [invalid(place, value, "must not have unknown fields")];
  return checkStructure(node, value, (same) => same).map((error) => ({
    ...error,
    field: error.field === "" || error.field === "<nil>" ? place : `${place}.${error.field}`,
  }));
}

function keyErrors(path: string, items: Fields, key: string): FieldError[] {
  const child = fieldsOf(items.properties)[key];
  const place = `${path}.items.properties[${key}]`;
  const { type, default: given } = fieldsOf(child);
  if (!isFields(child)) return [];
  const isThere = given !== undefined || listOf(items.required).includes(key);
  const why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
  return [
    ...(isThere ? [] : [requiredValue(`${place}.default`, why)]),
    ...(type === "object" || type === "array"
      ? [invalid(`${place}.type`, type, `must be a scalar type if parent array's ${MAP}`)]
      : []),
  ];
}

function mapListErrors(path: string, schema: Fields): FieldError[] {
  const items = fieldsOf(schema.items);
  const keys = listOf(schema[KEYS]).map(String);
  const errors = keys.flatMap((key) => keyErrors(path, items, key));
  if (items.type !== "object")
    errors.push(invalid(`${path}.items.type`, items.type ?? "", `must be object if parent array's ${MAP}`));
  if (keys.length === 0) errors.push(requiredValue(`${path}.${KEYS}`, `must not be empty if ${MAP}`));
  else if (items.type === "object" && keys.some((key) => !(key in fieldsOf(items.properties))))
    errors.push(invalid(`${path}.${KEYS}`, keys, "entries must all be names of item properties"));
  return errors;
}

function listErrors(path: string, schema: Fields): FieldError[] {
  const list = schema["x-kubernetes-list-type"];
  const items = fieldsOf(schema.items);
  if (list === undefined) {
    const isKeyed = listOf(schema[KEYS]).length > 0;
    return isKeyed ? [requiredValue(`${path}.x-kubernetes-list-type`, `must be map if ${KEYS} is non-empty`)] : [];
  }
  if (!LISTS.includes(String(list))) return [unsupported(`${path}.x-kubernetes-list-type`, list, LISTS)];
  if (schema.type !== "array")
    return [invalid(`${path}.type`, schema.type ?? "", "must be array if x-kubernetes-list-type is specified")];
  if (list === "map") return mapListErrors(path, schema);
  const isWhole = items.type !== "object" || items["x-kubernetes-map-type"] === "atomic";
  const why = "must be atomic as item of a list with x-kubernetes-list-type=set";
  const given = items["x-kubernetes-map-type"] ?? null;
  return list === "set" && !isWhole ? [invalid(`${path}.items.x-kubernetes-map-type`, given, why)] : [];
}

/** What is wrong with one node of a schema by itself; `where` tells what it describes, "" at the root. */
export function nodeErrors(path: string, schema: Fields, where: "" | "object fields" | "array items"): FieldError[] {
  const map = schema["x-kubernetes-map-type"];
  const errors = [
    ...typeErrors(path, schema, where),
    ...patternErrors(path, schema),
    ...listErrors(path, schema),
    ...defaultErrors(path, schema),
  ];
  if (map !== undefined && !MAPS.includes(String(map)))
    errors.push(unsupported(childPath(path, "x-kubernetes-map-type"), map, MAPS));
  if (schema.properties && schema.additionalProperties)
    errors.push(
      forbiddenValue(`${path}.additionalProperties`, "additionalProperties and properties are mutual exclusive"),
    );
  if (schema.uniqueItems === true) {
    const why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
    errors.push(forbiddenValue(`${path}.uniqueItems`, why));
  }
  return errors;
}
