import { type Fields, isFields, type KubeObject } from "../../object.ts";
import type { SchemaNode } from "../../schema/index.ts";
import { type FieldSet, isLeaf, type Path, stepOf, textOf } from "./field-set.ts";
import { fieldNode, itemNode, listRule } from "./merge-schema.ts";

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  (Array.isArray(value) ? value.length === 0 : isFields(value) && Object.keys(value).length === 0);

/** What server-side apply makes of a live value and a wanted one; the inputs stay as they are. */
export function mergeValues(node: SchemaNode, live: unknown, wanted: unknown): unknown {
  if (wanted === undefined) return live;
  if (live === undefined && !Array.isArray(wanted)) return wanted;
  if (isEmpty(live) && isEmpty(wanted)) return wanted;
  const shaped = wanted ?? live;
  if (isLeaf(node, shaped)) return wanted;
  if (Array.isArray(shaped)) return mergeLists(node, asList(live), asList(wanted));
  const [left, right] = [isFields(live) ? live : {}, isFields(wanted) ? wanted : {}];
  const merged: Fields = { ...left };
  for (const key of Object.keys(right)) merged[key] = mergeValues(fieldNode(node, key), left[key], right[key]);
  return merged;
}

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/**
 * The items of both, merged where they have one key. What both have stands in the order of `wanted`; what only one has
 * stands where it stood between those, the live ones first.
 */
function mergeLists(node: SchemaNode, live: readonly unknown[], wanted: readonly unknown[]): unknown[] {
  const rule = listRule(node);
  const items = itemNode(node);
  const named = (list: readonly unknown[]) => list.map((item) => stepOf(rule, items, item));
  const [left, right] = [named(live), named(wanted)];
  const shared = right.filter((step) => left.includes(step));
  const merged = new Set<string>();
  const out: unknown[] = [];
  const take = (step: string): void => {
    merged.add(step);
    const [first, ...more] = live.filter((_, index) => left[index] === step);
    // Items that stood twice are not merged: the wanted one takes their place.
    out.push(mergeValues(items, more.length > 0 ? undefined : first, wanted[right.indexOf(step)]));
    if (shared[0] === step) shared.shift();
  };
  let [l, r] = [0, 0];
  while (l < left.length || r < right.length) {
    const [ours, theirs] = [left[l], right[r]];
    if (ours !== undefined && ours === theirs) {
      take(ours);
      l++;
      r++;
    } else if (
      ours !== undefined &&
      theirs !== undefined &&
      right.includes(ours) &&
      shared[0] !== undefined &&
      shared[0] !== ours
    ) {
      l++;
    } else if (ours !== undefined && !right.includes(ours)) {
      out.push(live[l]);
      l++;
    } else {
      if (ours !== undefined && merged.has(ours)) l++;
      if (theirs !== undefined) {
        take(theirs);
        r++;
      }
    }
  }
  return out;
}

/** A copy of the value without the fields of the set; what that leaves empty is null: it was not taken away itself. */
export function withoutFields(root: SchemaNode, object: KubeObject, set: FieldSet): KubeObject {
  if (set.size === 0) return object;
  const parents = new Set<string>();
  for (const path of set.values())
    for (let length = 1; length < path.length; length++) parents.add(textOf(path.slice(0, length)));
  const walk = (node: SchemaNode, value: unknown, path: Path): unknown => {
    if (isLeaf(node, value)) return undefined;
    const kept = (child: SchemaNode, item: unknown, here: Path): unknown => {
      const text = textOf(here);
      if (set.has(text)) return undefined;
      return parents.has(text) ? walk(child, item, here) : item;
    };
    if (Array.isArray(value)) {
      const rule = listRule(node);
      const items = itemNode(node);
      const left = value.map((item) => kept(items, item, [...path, stepOf(rule, items, item)]));
      return nonEmpty(left.filter((item) => item !== undefined));
    }
    const entries = Object.entries(value as Fields).map(
      ([key, item]) => [key, kept(fieldNode(node, key), item, [...path, `f:${key}`])] as const,
    );
    return nonEmpty(Object.fromEntries(entries.filter(([, item]) => item !== undefined)));
  };
  return walk(root, object, []) as KubeObject;
}

const nonEmpty = <T extends object>(value: T): T | null => (Object.keys(value).length > 0 ? value : null);

/** A copy without the nulls that stand where `full` holds something. */
export function withoutEmptied(value: unknown, full: unknown): unknown {
  if (!isFields(value) || !isFields(full)) return value;
  const kept = Object.entries(value).filter(([key, item]) => item !== null || (full[key] ?? null) === null);
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutEmptied(item, full[key])]));
}
