/** What schemas say of merging: which lists have keys, which are sets, and what is replaced whole. */
import { isFields } from "../../object.ts";
import { builtinSchema, referenceName, resolve } from "../../schema/builtin.ts";
import { type SchemaNode, schemaOfDefinition } from "../../schema/index.ts";
import type { ResourceKind } from "../kind.ts";

/** How the items of a list are told apart when two versions of it merge. */
export type ListRule =
  | { readonly type: "map"; readonly keys: readonly string[] }
  | { readonly type: "set" }
  | { readonly type: "atomic" };

const ANY: SchemaNode = {};
/** Any object: what it holds is nobody's by itself. */
const UNTYPED = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const ATOMIC: ListRule = { type: "atomic" };
const SET: ListRule = { type: "set" };
const METADATA: SchemaNode = { $ref: "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" };
const customRoots = new WeakMap<object, Map<string, SchemaNode>>();

/** The schema of a kind's objects, metadata among it. */
export function rootOf(kind: ResourceKind): SchemaNode {
  const { definition } = kind;
  if (!definition) return builtinSchema(kind) ?? ANY;
  const versions = customRoots.get(definition) ?? new Map<string, SchemaNode>();
  customRoots.set(definition, versions);
  const known = versions.get(kind.version);
  if (known) return known;
  const node = schemaOfDefinition(definition, kind.version)?.node ?? ANY;
  const text: SchemaNode = { type: "string" };
  const root = { ...node, properties: { ...node.properties, apiVersion: text, kind: text, metadata: METADATA } };
  versions.set(kind.version, root);
  return root;
}

/** The schema of a field: one of a struct, or the value of a map. */
export function fieldNode(node: SchemaNode, key: string): SchemaNode {
  const { properties, additionalProperties } = resolve(node);
  if (properties && Object.hasOwn(properties, key)) return properties[key]!;
  return isFields(additionalProperties) ? (additionalProperties as SchemaNode) : ANY;
}

/** True when the schema names the field, false for a map's key. */
export function isNamed(node: SchemaNode, key: string): boolean {
  const { properties } = resolve(node);
  return properties !== undefined && Object.hasOwn(properties, key);
}

/** The schema of a list's items. */
export function itemNode(node: SchemaNode): SchemaNode {
  return resolve(node).items ?? ANY;
}

/** True when an object at this node is replaced whole. */
export function isAtomicMap(node: SchemaNode): boolean {
  if (referenceName(node) === UNTYPED) return true;
  return (node["x-kubernetes-map-type"] ?? resolve(node)["x-kubernetes-map-type"]) === "atomic";
}

/** How server-side apply merges a list. */
export function listRule(node: SchemaNode): ListRule {
  const keys = node["x-kubernetes-list-map-keys"];
  switch (node["x-kubernetes-list-type"]) {
    case "map":
      return keys ? { type: "map", keys: [...keys].sort() } : ATOMIC;
    case "set":
      return SET;
    default:
      return ATOMIC;
  }
}

/** How a strategic merge patch merges a list: by one key, as a set, or not at all. */
export function strategicRule(node: SchemaNode): ListRule {
  const isMerged = node["x-kubernetes-patch-strategy"]?.split(",").includes("merge") ?? false;
  const key = node["x-kubernetes-patch-merge-key"];
  if (!isMerged) return ATOMIC;
  return key ? { type: "map", keys: [key] } : SET;
}
