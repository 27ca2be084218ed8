import { copyJson, type Fields, isFields } from "../object.ts";
import { childPath, isOpen, mapValues, type Resolve, type SchemaNode } from "./node.ts";

/** The node of one key of an object; undefined when the object has no such field. */
function childOf(node: SchemaNode, key: string): SchemaNode | undefined {
  if (node.properties && Object.hasOwn(node.properties, key)) return node.properties[key];
  return mapValues(node) ?? (isOpen(node) ? {} : undefined);
}

function collect(node: SchemaNode, value: unknown, resolve: Resolve, path: string, found: string[]): void {
  const known = resolve(node);
  if (Array.isArray(value)) {
    if (!known.items) return;
    for (const [index, item] of value.entries()) collect(known.items, item, resolve, `${path}[${index}]`, found);
    return;
  }
  if (!isFields(value) || (isOpen(known) && !known.properties)) return;
  for (const [key, item] of Object.entries(value)) {
    const child = childOf(known, key);
    if (child) collect(child, item, resolve, childPath(path, key), found);
    else found.push(childPath(path, key));
  }
}

/** Paths of the fields that the schema does not know. */
export function unknownPaths(node: SchemaNode, value: unknown, resolve: Resolve): string[] {
  const found: string[] = [];
  collect(node, value, resolve, "", found);
  return found;
}

/** A copy without the fields that the schema does not know; parts without any are shared, not copied. */
export function pruned(node: SchemaNode, value: unknown, resolve: Resolve): unknown {
  const known = resolve(node);
  if (Array.isArray(value)) {
    const { items } = known;
    if (!items) return value;
    const next = value.map((item) => pruned(items, item, resolve));
    return next.some((item, index) => item !== value[index]) ? next : value;
  }
  if (!isFields(value) || (isOpen(known) && !known.properties)) return value;
  const next: Fields = {};
  let changed = false;
  for (const [key, item] of Object.entries(value)) {
    const child = childOf(known, key);
    if (!child) {
      changed = true;
      continue;
    }
    next[key] = pruned(child, item, resolve);
    changed ||= next[key] !== item;
  }
  return changed ? next : value;
}

/** A copy in which fields that are absent hold the schema's `default`; parts without any are shared. */
export function withDefaults(node: SchemaNode, value: unknown, resolve: Resolve): unknown {
  const known = resolve(node);
  if (Array.isArray(value)) {
    const { items } = known;
    if (!items) return value;
    const next = value.map((item) => withDefaults(items, item, resolve));
    return next.some((item, index) => item !== value[index]) ? next : value;
  }
  if (!isFields(value)) return value;
  const next: Fields = { ...value };
  for (const [key, child] of Object.entries(known.properties ?? {})) {
    const preset = resolve(child).default ?? child.default;
    if (preset === undefined) continue;
    if (next[key] === undefined || (next[key] === null && !child.nullable)) next[key] = copyJson(preset);
  }
  for (const [key, item] of Object.entries(next)) {
    const child = childOf(known, key);
    if (child) next[key] = withDefaults(child, item, resolve);
  }
  const same = Object.keys(next).length === Object.keys(value).length;
  return same && Object.entries(next).every(([key, item]) => value[key] === item) ? value : next;
}

/** The schema at a path of keys (a list's index, or any text in its place, steps into its items). */
export function nodeAt(node: SchemaNode, path: readonly string[], resolve: Resolve): SchemaNode | undefined {
  let current: SchemaNode | undefined = node;
  for (const key of path) {
    const known: SchemaNode = resolve(current);
    current = known.items ?? childOf(known, key);
    if (!current) return undefined;
  }
  return current;
}
