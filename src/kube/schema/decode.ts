import { type Fields, fieldsOf, type GroupVersionKind, type KubeObject } from "../object.ts";
import { builtinSchema, isIntOrString, QUANTITY, referenceName, resolve } from "./builtin.ts";
import { childPath, isOpen, mapValues, type SchemaNode } from "./node.ts";
import { NO_QUANTITY, quantity } from "./rules/quantity.ts";
import { typeName } from "./structure.ts";

/** A field that holds another type than its own. */
export interface Mismatch {
  readonly path: string;
  /** The short name of the definition that holds the field, as in `DeploymentSpec`. */
  readonly holder: string;
  readonly wanted: string;
  readonly actual: string;
}

const goTypes: Readonly<Record<string, string>> = { boolean: "bool", number: "float64", "integer:int32": "int32" };

/** A type as Go names it, which is how Kubernetes' refusals do. */
function wantedType(unresolved: SchemaNode): string {
  const node = resolve(unresolved);
  if (node.type === "integer") return node.format ?? "int64";
  if (node.type === "array") return `[]${wantedType(node.items ?? {})}`;
  const name = referenceName(unresolved)?.split(".").at(-1);
  if (name !== undefined && node.type === "object") return `v1.${name}`;
  const values = mapValues(node);
  if (values && node.type === "object") return `map[string]${wantedType(values)}`;
  return goTypes[node.type ?? ""] ?? node.type ?? "object";
}

function fits(node: SchemaNode, value: unknown): boolean {
  const actual = typeName(value);
  if (node.type === undefined || value === null) return true;
  return node.type === actual || (node.type === "number" && actual === "integer");
}

/** What stands there, in the words of Go's JSON reader: it shows numbers that have a fraction. */
function shownType(value: unknown): string {
  const actual = typeName(value);
  if (actual === "boolean") return "bool";
  return actual === "integer" ? "number" : actual === "number" ? `number ${value}` : actual;
}

/** Definitions that look like text in the schema but are read from numbers too. */
function fitsScalar(unresolved: SchemaNode, value: unknown): boolean | undefined {
  const actual = typeName(value);
  if (isIntOrString(unresolved)) return actual === "integer" || actual === "string";
  if (referenceName(unresolved) === QUANTITY) return actual === "integer" || actual === "string" || actual === "number";
  return undefined;
}

/** What is wrong in a value; its path begins at the value. */
function mismatch(unresolved: SchemaNode, value: unknown, holder: string): Mismatch | undefined {
  const scalar = fitsScalar(unresolved, value);
  if (value === undefined || value === null) return undefined;
  if (scalar === true) {
    const isNone = referenceName(unresolved) === QUANTITY && quantity(String(value)) === undefined;
    return isNone ? { path: "", holder, wanted: QUANTITY, actual: "string" } : undefined;
  }
  const node = resolve(unresolved);
  if (scalar === false || !fits(node, value)) {
    return { path: "", holder, wanted: wantedType(unresolved), actual: shownType(value) };
  }
  const inside = referenceName(unresolved)?.split(".").at(-1) ?? holder;
  if (Array.isArray(value)) {
    for (const item of value) {
      const found = mismatch(node.items ?? {}, item, inside);
      if (found) return found;
    }
    return undefined;
  }
  if (typeof value !== "object" || (isOpen(node) && !node.properties)) return undefined;
  for (const key in value) {
    const child = node.properties?.[key] ?? mapValues(node);
    const found = child && mismatch(child, (value as Fields)[key], inside);
    // Go's reader does not say which key of a map it was
    if (found && !node.properties?.[key]) return found;
    if (found) return { ...found, path: found.path === "" ? key : childPath(key, found.path) };
  }
  return undefined;
}

/** The first field of a built-in kind's object that holds another type than its own. */
export function typeMismatch(kind: GroupVersionKind, object: KubeObject): Mismatch | undefined {
  const schema = builtinSchema(kind);
  return schema && mismatch(schema, object, kind.kind);
}

/** Secrets hold bytes: what is no base64 cannot be read. */
function badBase64(kind: GroupVersionKind, object: KubeObject): string | undefined {
  for (const value of Object.values(fieldsOf(object.data))) {
    const text = String(value ?? "").replaceAll(/[\r\n]/g, "");
    if (/^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) continue;
    const wrong = text.search(/[^A-Za-z0-9+/=]/);
    const place = wrong >= 0 ? wrong : text.length - (text.length % 4);
    return `Secret in version "${kind.version}" cannot be handled as a Secret: illegal base64 data at input byte ${place}`;
  }
  return undefined;
}

/**
 * Why an object of a built-in kind cannot be read: the message of the 400 that a field of a wrong type gets.
 * Undefined when every field has its type, and for custom kinds, whose schema check says it.
 */
export function decodeProblem(kind: GroupVersionKind, object: KubeObject): string | undefined {
  const found = typeMismatch(kind, object);
  if (!found) return kind.kind === "Secret" ? badBase64(kind, object) : undefined;
  const { actual, holder, path, wanted } = found;
  const place = path === "" ? `Go value of type v1.${holder}` : `Go struct field ${holder}.${path} of type ${wanted}`;
  const why = wanted === QUANTITY ? NO_QUANTITY : `json: cannot unmarshal ${actual} into ${place}`;
  return `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${why}`;
}
