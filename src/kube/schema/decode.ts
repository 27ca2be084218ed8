import { type Fields, fieldsOf, type GroupVersionKind, type KubeObject } from "../object.ts";
import { builtinSchema, isIntOrString, QUANTITY, referenceName, resolve } from "./builtin.ts";
import { childPath, isOpen, mapValues, type SchemaNode } from "./node.ts";
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

function wantedType(node: SchemaNode): string {
  if (node.type === "integer") return node.format ?? "int64";
  return goTypes[node.type ?? ""] ?? (node.type === "array" ? "[]" : (node.type ?? "object"));
}

function fits(node: SchemaNode, value: unknown): boolean {
  const actual = typeName(value);
  if (node.type === undefined || value === null) return true;
  return node.type === actual || (node.type === "number" && actual === "integer");
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
  if (scalar === true || value === undefined || value === null) return undefined;
  const node = resolve(unresolved);
  if (scalar === false || !fits(node, value)) {
    return { path: "", holder, wanted: wantedType(node), actual: typeName(value) };
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
  const json = actual === "boolean" ? "bool" : actual === "integer" ? "number" : actual;
  const place = path === "" ? `Go value of type v1.${holder}` : `Go struct field ${holder}.${path} of type ${wanted}`;
  return `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}: json: cannot unmarshal ${json} into ${place}`;
}
