import { equalJson, type Fields, isFields } from "../../object.ts";
import type { SchemaNode } from "../../schema/index.ts";
import { badRequest } from "../../status.ts";
import type { ResourceKind } from "../kind.ts";
import { fieldNode, itemNode, rootOf, strategicRule } from "./merge-schema.ts";

const DIRECTIVE = "$patch";
const DELETE_FROM = "$deleteFromPrimitiveList/";
const ORDER = "$setElementOrder/";
const RETAIN = "$retainKeys";

/**
 * Applies a strategic merge patch: lists of known fields merge by their key, `$patch` replaces or deletes,
 * `$deleteFromPrimitiveList/<field>` takes items away, `$setElementOrder/<field>` orders, `$retainKeys` drops the others.
 * The inputs stay as they are. Throws 400 for directives it cannot follow.
 */
export function strategicMerge(kind: ResourceKind, target: Fields, patch: Fields): Fields {
  return mergeObject(rootOf(kind), target, patch);
}

function mergeObject(node: SchemaNode, target: Fields, patch: Fields): Fields {
  const directive = patch[DIRECTIVE];
  if (directive === "replace") return withoutDirectives(patch) as Fields;
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge") throw unknownDirective(directive);
  const merged = retained(target, patch);
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$")) continue;
    if (value === null) delete merged[key];
    else merged[key] = mergeValue(fieldNode(node, key), merged[key], value, patch[ORDER + key]);
  }
  for (const [key, items] of Object.entries(patch)) {
    if (key.startsWith(DELETE_FROM)) takeAway(merged, key.slice(DELETE_FROM.length), items);
    else if (key.startsWith(ORDER)) orderAlone(node, merged, key.slice(ORDER.length), patch, items);
  }
  return merged;
}

function unknownDirective(directive: unknown): Error {
  return badRequest(`unknown patch type ${JSON.stringify(directive)} found in map`);
}

function retained(target: Fields, patch: Fields): Fields {
  const keys = patch[RETAIN];
  if (!Array.isArray(keys)) return { ...target };
  const isKept = (key: string): boolean => key.startsWith("$") || keys.includes(key);
  if (!Object.keys(patch).every(isKept)) throw badRequest("invalid patch format of retainKeys");
  return Object.fromEntries(Object.entries(target).filter(([key]) => keys.includes(key)));
}

function takeAway(merged: Fields, field: string, items: unknown): void {
  const list = merged[field];
  if (!Array.isArray(list) || !Array.isArray(items)) return;
  merged[field] = list.filter((item) => !items.includes(item));
}

/** An order for a list that the patch itself does not touch. */
function orderAlone(node: SchemaNode, merged: Fields, field: string, patch: Fields, order: unknown): void {
  const list = merged[field];
  if (field in patch || !Array.isArray(list) || !Array.isArray(order)) return;
  merged[field] = ordered(list, order, list, mergeKey(fieldNode(node, field)));
}

function mergeKey(node: SchemaNode): string | undefined {
  const rule = strategicRule(node);
  return rule.type === "map" ? rule.keys[0] : undefined;
}

function mergeValue(node: SchemaNode, target: unknown, patch: unknown, order: unknown): unknown {
  if (isFields(patch)) return mergeObject(node, isFields(target) ? target : {}, patch);
  if (!Array.isArray(patch)) return patch;
  const rule = strategicRule(node);
  // Where a list is replaced, directives are fields that its items do not have.
  if (rule.type === "atomic") return Array.isArray(target) ? patch : withoutDirectives(patch);
  const list = Array.isArray(target) ? target : [];
  if (rule.type === "set") {
    const union = [...list, ...patch.filter((item) => !list.includes(item))];
    return ordered(union, Array.isArray(order) ? order : patch, list, undefined);
  }
  const key = rule.keys[0]!;
  const merged = mergeList(itemNode(node), key, list, patch);
  return ordered(merged, Array.isArray(order) ? order : patch, list, key);
}

function mergeList(items: SchemaNode, key: string, target: readonly unknown[], patch: readonly unknown[]): unknown[] {
  const replaces = (item: unknown) => isFields(item) && item[DIRECTIVE] === "replace" && !(key in item);
  // the list as it was sent, also where two items have one key, as the two addresses of a node have one type
  if (patch.some(replaces)) return withoutDirectives(patch.filter((item) => !replaces(item))) as unknown[];
  const merged = [...target];
  for (const item of patch) {
    if (!isFields(item))
      throw badRequest(`a list that merges by ${key} holds objects only, got ${JSON.stringify(item)}`);
    if (!(key in item)) throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    const index = merged.findIndex((candidate) => isFields(candidate) && equalJson(candidate[key], item[key]));
    if (item[DIRECTIVE] === "delete") {
      if (index >= 0) merged.splice(index, 1);
    } else if (index >= 0) {
      merged[index] = mergeObject(items, merged[index] as Fields, item);
    } else {
      merged.push(mergeObject(items, {}, item));
    }
  }
  return merged;
}

/**
 * The items that the order names, in it; each other one before the first of those that it stood before in the live list,
 * as far as both were there. So what a patch adds comes first.
 */
function ordered(
  merged: readonly unknown[],
  order: readonly unknown[],
  live: readonly unknown[],
  key: string | undefined,
): unknown[] {
  const identity = (item: unknown): unknown => (key !== undefined && isFields(item) ? item[key] : item);
  const placeIn = (list: readonly unknown[], item: unknown): number =>
    list.findIndex((other) => equalJson(identity(other), identity(item)));
  const named = merged.filter((item) => placeIn(order, item) >= 0);
  named.sort((a, b) => placeIn(order, a) - placeIn(order, b));
  const others = merged.filter((item) => placeIn(order, item) < 0);
  const result: unknown[] = [];
  while (named.length > 0 && others.length > 0) {
    const [left, right] = [placeIn(live, others[0]), placeIn(live, named[0])];
    result.push(left >= 0 && right >= 0 && left < right ? others.shift() : named.shift());
  }
  return [...result, ...named, ...others];
}

function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !(isFields(item) && item[DIRECTIVE] === "delete")).map(withoutDirectives);
  }
  if (!isFields(value)) return value;
  const kept = Object.entries(value).filter(([key, item]) => !key.startsWith("$") && item !== null);
  return Object.fromEntries(kept.map(([key, item]) => [key, withoutDirectives(item)]));
}
