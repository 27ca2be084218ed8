import { equalJson, type Fields, isFields } from "../../object.ts";
import type { ResourceKind } from "../kind.ts";
import { listRule } from "./list-keys.ts";

/** One step into an object as managedFields writes it: `f:<field>`, `k:<keys as JSON>`, `v:<value as JSON>`. */
export type Path = readonly string[];

/** Paths by their joined text. An item of a keyed list is in the set beside its fields. */
export type FieldSet = Map<string, Path>;

const JOINT = "\u0000";
/** Fields that name the object or belong to the server: nobody manages them. */
const UNMANAGED = new Set(["apiVersion", "kind"]);
const UNMANAGED_METADATA = new Set([
  "name",
  "namespace",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "generateName",
  "managedFields",
  "selfLink",
]);

export const textOf = (path: Path): string => path.join(JOINT);

/** What a keyed item lacks of its keys gets their default, so that `port: 80` and `port: 80, protocol: TCP` are one. */
function keyStep(item: Fields, keys: readonly string[]): string {
  const values = keys.flatMap((key) => {
    const value = item[key] ?? (key === "protocol" ? "TCP" : undefined);
    return value === undefined ? [] : [[key, value]];
  });
  return `k:${JSON.stringify(Object.fromEntries(values))}`;
}

/** Finds the list item that a `k:` or `v:` step names. */
export function indexOfStep(
  kind: ResourceKind,
  fields: readonly string[],
  list: readonly unknown[],
  step: string,
): number {
  const rule = listRule(kind, fields);
  if (step.startsWith("v:")) return list.findIndex((item) => `v:${JSON.stringify(item)}` === step);
  if (rule.type !== "map") return -1;
  return list.findIndex((item) => isFields(item) && keyStep(item, rule.keys) === step);
}

/** Every leaf of the object, and every keyed list item, as paths. */
export function fieldSet(kind: ResourceKind, object: Fields): FieldSet {
  const set: FieldSet = new Map();
  const add = (path: Path) => set.set(textOf(path), path);
  const walk = (value: unknown, path: Path, fields: readonly string[]): void => {
    if (isFields(value) && Object.keys(value).length > 0) {
      for (const [key, item] of Object.entries(value)) {
        const skipped =
          fields.length === 0
            ? UNMANAGED.has(key)
            : fields.length === 1 && fields[0] === "metadata" && UNMANAGED_METADATA.has(key);
        if (!skipped && item !== undefined) walk(item, [...path, `f:${key}`], [...fields, key]);
      }
      return;
    }
    const rule = Array.isArray(value) ? listRule(kind, fields) : undefined;
    if (!Array.isArray(value) || rule === undefined || rule.type === "atomic" || value.length === 0) {
      add(path);
      return;
    }
    for (const item of value) {
      if (rule.type === "map" && isFields(item)) {
        const step = [...path, keyStep(item, rule.keys)];
        add(step);
        walk(item, step, fields);
      } else {
        add([...path, `v:${JSON.stringify(item)}`]);
      }
    }
  };
  if (Object.keys(object).length > 0) walk(object, [], []);
  return set;
}

/** The value at a path; undefined when there is none. */
function valueAt(kind: ResourceKind, object: unknown, path: Path): unknown {
  let value = object;
  const fields: string[] = [];
  for (const step of path) {
    if (step.startsWith("f:")) {
      fields.push(step.slice(2));
      value = isFields(value) ? value[step.slice(2)] : undefined;
    } else {
      value = Array.isArray(value) ? value[indexOfStep(kind, fields, value, step)] : undefined;
    }
  }
  return value;
}

/** True when the last step names a list item: the item's presence, not its value, is what is managed. */
export function namesItem(path: Path): boolean {
  return !path.at(-1)?.startsWith("f:");
}

/** True when both objects hold the same at the path. */
export function sameAt(kind: ResourceKind, a: unknown, b: unknown, path: Path): boolean {
  const [left, right] = [valueAt(kind, a, path), valueAt(kind, b, path)];
  return namesItem(path) ? (left === undefined) === (right === undefined) : equalJson(left, right);
}

/** The `fieldsV1` form: a tree of steps, with `.` for an item that is managed itself. */
export function toFieldsV1(set: FieldSet): Fields {
  const root: Fields = {};
  for (const path of set.values()) {
    let node = root;
    for (const step of path) {
      node[step] ??= {};
      node = node[step] as Fields;
    }
    if (path.at(-1)?.startsWith("k:")) node["."] = {};
  }
  return root;
}

/** The paths of a `fieldsV1` tree. */
export function fromFieldsV1(tree: unknown): FieldSet {
  const set: FieldSet = new Map();
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
      if (step.startsWith("v:")) return `[${step}]`;
      const keys = Object.entries(JSON.parse(step.slice(2)) as Fields);
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
    })
    .join("");
}
