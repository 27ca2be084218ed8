import { RE2JS } from "re2js";
import { equalJson, isFields } from "../object.ts";
import type { FieldError } from "../status.ts";
import { invalid, requiredValue, tooLong, tooMany, unsupported } from "./field-error.ts";
import { hasFormat } from "./format.ts";
import { childPath, mapValues, type Resolve, type SchemaNode } from "./node.ts";

/** What a walk through an object carries along. */
interface Walk {
  readonly resolve: Resolve;
  readonly errors: FieldError[];
}

const patterns = new Map<string, RE2JS>();

function matches(pattern: string, text: string): boolean {
  let compiled = patterns.get(pattern);
  if (!compiled) {
    compiled = RE2JS.compile(pattern);
    patterns.set(pattern, compiled);
  }
  return compiled.matcher(text).find();
}

/** The JSON type's name in schema words. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function hasType(node: SchemaNode, value: unknown): boolean {
  const actual = typeName(value);
  if (node["x-kubernetes-int-or-string"] || node.format === "int-or-string") {
    return actual === "integer" || actual === "string";
  }
  return node.type === undefined || node.type === actual || (node.type === "number" && actual === "integer");
}

function checkNumber(node: SchemaNode, value: number, path: string, errors: FieldError[]): void {
  const body = `${path} in body should be`;
  const { minimum, maximum, multipleOf } = node;
  if (minimum !== undefined && (node.exclusiveMinimum ? value <= minimum : value < minimum)) {
    const words = node.exclusiveMinimum ? "greater than" : "greater than or equal to";
    errors.push(invalid(path, value, `${body} ${words} ${minimum}`));
  }
  if (maximum !== undefined && (node.exclusiveMaximum ? value >= maximum : value > maximum)) {
    const words = node.exclusiveMaximum ? "less than" : "less than or equal to";
    errors.push(invalid(path, value, `${body} ${words} ${maximum}`));
  }
  if (multipleOf !== undefined && value % multipleOf !== 0) {
    errors.push(invalid(path, value, `${body} a multiple of ${multipleOf}`));
  }
  if (node.format === "int32" && (value > 2147483647 || value < -2147483648)) {
    errors.push(invalid(path, value, `${path} in body must be of type int32: "${value}"`));
  }
}

function checkString(node: SchemaNode, value: string, path: string, errors: FieldError[]): void {
  const { minLength, maxLength } = node;
  const length = minLength === undefined && maxLength === undefined ? 0 : [...value].length;
  if (maxLength !== undefined && length > maxLength) errors.push(tooLong(path, maxLength));
  if (minLength !== undefined && length < minLength) {
    errors.push(invalid(path, value, `${path} in body should be at least ${minLength} chars long`));
  }
  if (node.pattern !== undefined && !matches(node.pattern, value)) {
    errors.push(invalid(path, value, `${path} in body should match '${node.pattern}'`));
  }
  if (node.format !== undefined && !hasFormat(node.format, value)) {
    errors.push(invalid(path, value, `${path} in body must be of type ${node.format}: "${value}"`));
  }
}

function itemKey(keys: readonly string[] | undefined, item: unknown): string {
  if (!keys || !isFields(item)) return JSON.stringify(item);
  return JSON.stringify(Object.fromEntries(keys.filter((key) => key in item).map((key) => [key, item[key]])));
}

/** Lists declared as sets or maps hold each element once (structural schemas of custom kinds). */
function checkDistinct(node: SchemaNode, value: readonly unknown[], path: string, errors: FieldError[]): void {
  const list = node["x-kubernetes-list-type"];
  if (list !== "set" && list !== "map") return;
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const key = itemKey(list === "map" ? node["x-kubernetes-list-map-keys"] : undefined, item);
    if (seen.has(key)) {
      errors.push({ field: `${path}[${index}]`, reason: "FieldValueDuplicate", message: `Duplicate value: ${key}` });
    }
    seen.add(key);
  }
}

function checkArray(walk: Walk, node: SchemaNode, value: readonly unknown[], path: string): void {
  if (node.maxItems !== undefined && value.length > node.maxItems) {
    walk.errors.push(tooMany(path, value.length, node.maxItems));
  }
  if (node.minItems !== undefined && value.length < node.minItems) {
    const message = `${path} in body should have at least ${node.minItems} items`;
    walk.errors.push(invalid(path, value.length, message));
  }
  checkDistinct(node, value, path, walk.errors);
  const { items } = node;
  if (items) for (const [index, item] of value.entries()) check(walk, items, item, `${path}[${index}]`);
}

function checkObject(walk: Walk, node: SchemaNode, value: Record<string, unknown>, path: string): void {
  const size = Object.keys(value).length;
  for (const name of node.required ?? []) {
    if (value[name] === undefined) walk.errors.push(requiredValue(childPath(path, name)));
  }
  if (node.minProperties !== undefined && size < node.minProperties) {
    const message = `${path} in body should have at least ${node.minProperties} properties`;
    walk.errors.push(invalid(path, size, message));
  }
  if (node.maxProperties !== undefined && size > node.maxProperties) {
    walk.errors.push(tooMany(path, size, node.maxProperties));
  }
  const values = mapValues(node);
  for (const [name, item] of Object.entries(value)) {
    const child = Object.hasOwn(node.properties ?? {}, name) ? node.properties![name] : values;
    if (child && item !== undefined) check(walk, child, item, childPath(path, name));
  }
}

function failures(walk: Walk, node: SchemaNode, value: unknown, path: string): FieldError[] {
  const errors: FieldError[] = [];
  check({ resolve: walk.resolve, errors }, node, value, path);
  return errors;
}

function checkAlternatives(walk: Walk, node: SchemaNode, value: unknown, path: string): void {
  for (const part of node.allOf ?? []) check(walk, part, value, path);
  const shown = path === "" ? "<nil>" : path;
  if (node.anyOf && !node.anyOf.some((part) => failures(walk, part, value, path).length === 0)) {
    walk.errors.push(invalid(shown, value, `"${shown}" must validate at least one schema (anyOf)`));
  }
  if (node.oneOf) {
    const valid = node.oneOf.filter((part) => failures(walk, part, value, path).length === 0).length;
    const found = valid === 0 ? "Found none valid" : `Found ${valid} valid alternatives`;
    if (valid !== 1) {
      walk.errors.push(invalid(shown, value, `"${shown}" must validate one and only one schema (oneOf). ${found}`));
    }
  }
  if (node.not && failures(walk, node.not, value, path).length === 0) {
    walk.errors.push(invalid(shown, value, `"${shown}" must not validate the schema (not)`));
  }
}

function check(walk: Walk, unresolved: SchemaNode, value: unknown, path: string): void {
  const node = walk.resolve(unresolved);
  const { errors } = walk;
  if (value === null && node.nullable) return;
  if (!hasType(node, value)) {
    const message = `Invalid value: "${typeName(value)}": ${path} in body must be of type ${node.type ?? "integer or string"}: "${typeName(value)}"`;
    errors.push({ field: path, reason: "FieldValueTypeInvalid", message });
    return;
  }
  if (node.enum && !node.enum.some((allowed) => equalJson(allowed, value))) {
    errors.push(unsupported(path, value, node.enum));
  }
  if (typeof value === "number") checkNumber(node, value, path, errors);
  else if (typeof value === "string") checkString(node, value, path, errors);
  else if (Array.isArray(value)) checkArray(walk, node, value, path);
  else if (isFields(value)) checkObject(walk, node, value, path);
  checkAlternatives(walk, node, value, path);
}

/** Everything in the value that breaks the schema, in Kubernetes' words; `path` is the value's own path. */
export function checkStructure(node: SchemaNode, value: unknown, resolve: Resolve, path = ""): FieldError[] {
  const errors: FieldError[] = [];
  check({ resolve, errors }, node, value, path);
  return errors;
}
