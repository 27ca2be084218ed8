import { equalJson, type Fields, isFields } from "../../object.ts";
import type { SchemaNode } from "../../schema/index.ts";
import { fieldNode, isAtomicMap, isNamed, itemNode, type ListRule, listRule } from "./merge-schema.ts";

/** One step into an object as managedFields writes it: `f:<field>`, `k:<keys as JSON>`, `v:<value as JSON>`. */
export type Path = readonly string[];

/** Paths by their joined text. What holds others is in the set only when it is owned itself. */
export type FieldSet = ReadonlyMap<string, Path>;

const JOINT = "\u0000";
/** Keys of lists that have a default: an item that lacks one means that. */
const KEY_DEFAULTS: Readonly<Record<string, unknown>> = { protocol: "TCP" };

export const textOf = (path: Path): string => path.join(JOINT);

/** What an item's key is when it is not given. */
export function keyDefault(items: SchemaNode, key: string): unknown {
  const node = fieldNode(items, key);
  const zero = node.type === "string" ? "" : 0;
  return node.default ?? KEY_DEFAULTS[key] ?? (node["x-shieldgate-zero"] === "always" ? zero : undefined);
}

/** The step that names an item of a list that merges. */
export function stepOf(rule: ListRule, items: SchemaNode, item: unknown): string {
  if (rule.type !== "map" || !isFields(item)) return `v:${JSON.stringify(item)}`;
  const values = rule.keys.flatMap((key) => {
    const value = item[key] ?? keyDefault(items, key);
    return value === undefined ? [] : [[key, value]];
  });
  return `k:${JSON.stringify(Object.fromEntries(values))}`;
}

/** A list's items by the steps that name them; those that have one name are together. */
export function itemsByStep(node: SchemaNode, list: readonly unknown[]): Map<string, unknown[]> {
  const rule = listRule(node);
  const items = itemNode(node);
  return Map.groupBy(list, (item) => stepOf(rule, items, item));
}

/** True when a value is owned and replaced as one: a scalar, an atomic list or map, one of no known shape that is no object. */
export function isLeaf(node: SchemaNode, value: unknown): boolean {
  if (Array.isArray(value)) return listRule(node).type === "atomic";
  return !isFields(value) || isAtomicMap(node);
}

/** The fields that an object sets: its leaves, empty objects, keys of maps, and items of lists that merge. */
export function fieldSet(root: SchemaNode, object: Fields): FieldSet {
  const set = new Map<string, Path>();
  const add = (path: Path) => set.set(textOf(path), path);
  const walk = (node: SchemaNode, value: unknown, path: Path): void => {
    if (isLeaf(node, value)) {
      add(path);
    } else if (Array.isArray(value)) {
      for (const [step, items] of itemsByStep(node, value)) {
        const here = [...path, step];
        add(here);
        if (items.length === 1) walk(itemNode(node), items[0], here);
      }
    } else {
      for (const [key, item] of Object.entries(value as Fields)) {
        if (item === undefined) continue;
        const here = [...path, `f:${key}`];
        walk(fieldNode(node, key), item, here);
        const isEmpty = item === null || (isFields(item) && Object.keys(item).length === 0);
        if (isEmpty || !isNamed(node, key)) add(here);
      }
    }
  };
  walk(root, object, []);
  return set;
}

/** The set with every named field that leads to one of its paths. */
export function withNamedParents(root: SchemaNode, set: FieldSet): FieldSet {
  const all = new Map(set);
  for (const path of set.values()) {
    let node = root;
    for (const [index, step] of path.slice(0, -1).entries()) {
      const key = step.slice(2);
      const isField = step.startsWith("f:");
      const parent = path.slice(0, index + 1);
      if (isField && isNamed(node, key)) all.set(textOf(parent), parent);
      node = isField ? fieldNode(node, key) : itemNode(node);
    }
  }
  return all;
}

/** The paths of `a` that are not in `b`. */
export function difference(a: FieldSet, b: ReadonlyMap<string, unknown>): FieldSet {
  return new Map([...a].filter(([text]) => !b.has(text)));
}

/** The paths of `a` that are in `b` too. */
export function intersection(a: FieldSet, b: ReadonlyMap<string, unknown>): FieldSet {
  return new Map([...a].filter(([text]) => b.has(text)));
}

/** What a write did to fields. */
export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

const lengthOf = (value: unknown): number =>
  Array.isArray(value) ? value.length : isFields(value) ? Object.keys(value).length : 0;

/** Which fields of `before` are other, gone or new in `after`. */
export function compareFields(root: SchemaNode, before: Fields, after: Fields): Comparison {
  const [added, modified, removed] = [new Map<string, Path>(), new Map<string, Path>(), new Map<string, Path>()];
  const add = (set: Map<string, Path>, path: Path) => set.set(textOf(path), path);
  const leaf = (left: unknown, right: unknown, path: Path): void => {
    if (left === undefined) add(added, path);
    else if (right === undefined) add(removed, path);
    else if (!equalJson(left, right)) add(modified, path);
  };
  const list = (node: SchemaNode, left: readonly unknown[], right: readonly unknown[], path: Path): void => {
    const [lefts, rights] = [itemsByStep(node, left), itemsByStep(node, right)];
    for (const step of new Set([...lefts.keys(), ...rights.keys()])) {
      const [ours = [], theirs = []] = [lefts.get(step), rights.get(step)];
      const here = [...path, step];
      const walkItem = (a: unknown, b: unknown) => walk(itemNode(node), a, b, here);
      if (ours.length <= 1 && theirs.length <= 1) walkItem(ours[0], theirs[0]);
      else if (ours.length > 1 && theirs.length > 1) leaf(ours, theirs, here);
      else if (ours.length > 1) {
        if (theirs.length > 0) walkItem(undefined, theirs[0]);
        add(removed, here);
      } else {
        if (ours.length > 0) walkItem(ours[0], undefined);
        add(added, here);
      }
    }
  };
  const walk = (node: SchemaNode, left: unknown, right: unknown, path: Path): void => {
    if (left === undefined && right === undefined) return;
    const shaped = left === undefined || left === null ? right : left;
    const bothEmpty = lengthOf(left) === 0 && lengthOf(right) === 0;
    if (bothEmpty || isLeaf(node, shaped) || !sameShape(left, right)) {
      leaf(left, right, path);
      return;
    }
    if (Array.isArray(shaped)) {
      list(node, (left ?? []) as unknown[], (right ?? []) as unknown[], path);
    } else {
      const [a, b] = [(left ?? {}) as Fields, (right ?? {}) as Fields];
      for (const key of new Set([...Object.keys(a), ...Object.keys(b)]))
        walk(fieldNode(node, key), a[key], b[key], [...path, `f:${key}`]);
    }
    if (left === undefined) add(added, path);
    else if (right === undefined) add(removed, path);
  };
  walk(root, before, after, []);
  return { added, modified, removed };
}

function sameShape(left: unknown, right: unknown): boolean {
  const isNothing = (value: unknown) => value === undefined || value === null;
  if (isNothing(left) || isNothing(right)) return true;
  return Array.isArray(left) === Array.isArray(right) && isFields(left) === isFields(right);
}

/** The `fieldsV1` form: a tree of steps, with `.` for what is owned itself beside what it holds. */
export function toFieldsV1(set: FieldSet): Fields {
  const root: Fields = {};
  const nodes = new Map<string, Fields>();
  for (const [text, path] of [...set].sort(([a], [b]) => (a < b ? -1 : 1))) {
    let node = root;
    for (const step of path) {
      node[step] ??= {};
      node = node[step] as Fields;
    }
    nodes.set(text, node);
  }
  for (const node of nodes.values()) if (Object.keys(node).length > 0) node["."] = {};
  return root;
}

/** The paths of a `fieldsV1` tree. */
export function fromFieldsV1(tree: unknown): FieldSet {
  const set = new Map<string, Path>();
  const walk = (node: unknown, path: Path): void => {
    const entries = Object.entries(isFields(node) ? node : {});
    if (entries.length === 0 && path.length > 0) set.set(textOf(path), path);
    for (const [step, child] of entries) {
      if (step === ".") set.set(textOf(path), path);
      else walk(child, [...path, step]);
    }
  };
  walk(tree, []);
  return set;
}

/** A path for people: `.spec.containers[name="a"].image`. */
export function printPath(path: Path): string {
  return path
    .map((step) => {
      if (step.startsWith("f:")) return `.${step.slice(2)}`;
      if (step.startsWith("v:")) return `[=${step.slice(2)}]`;
      const keys = Object.entries(JSON.parse(step.slice(2)) as Fields);
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
    })
    .join("");
}
