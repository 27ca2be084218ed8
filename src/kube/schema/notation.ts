import type { SchemaNode } from "./node.ts";

/**
 * The compact notation of builtin.json. A field is words: first its type, then what it carries beside it.
 * - type: `string`, `integer:int32` (type and format), `any`, `#<definition>`, `[]<type>` (list), `{}<type>` (map)
 * - how a zero value is written: `always`; `omit` (left out); `held` (a struct that is always there, empty if need be);
 *   lists and maps without a word are left out when empty, all others are there when they were given
 * - `enum=<a>|<b>`: the values that are documented
 * - `list=atomic|set|map(<key>,…)`, `map=atomic`, `patch=<strategy>`, `key=<merge key of a strategic merge patch>`
 */
export interface DefinitionText {
  readonly kind?: readonly string[];
  readonly type?: string;
  readonly map?: string;
  readonly required?: readonly string[];
  readonly fields?: Readonly<Record<string, string>>;
}

function typeNode(text: string): SchemaNode {
  if (text.startsWith("#")) return { $ref: `#/definitions/${text.slice(1)}` };
  if (text.startsWith("[]")) return { type: "array", items: typeNode(text.slice(2)) };
  if (text.startsWith("{}")) return { type: "object", additionalProperties: typeNode(text.slice(2)) };
  if (text === "any") return {};
  const [type, format] = text.split(":");
  return { type: type!, ...(format ? { format } : {}) };
}

function attribute(word: string): Partial<SchemaNode> {
  if (word === "always" || word === "held" || word === "omit") return { "x-shieldgate-zero": word };
  const [name, value = ""] = word.split("=");
  if (name === "enum") return { enum: value.split("|") };
  if (name === "map") return { "x-kubernetes-map-type": value };
  if (name === "patch") return { "x-kubernetes-patch-strategy": value };
  if (name === "key") return { "x-kubernetes-patch-merge-key": value };
  const keys = /^map\((.*)\)$/.exec(value)?.[1];
  if (!keys) return { "x-kubernetes-list-type": value };
  return { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys.split(",") };
}

function fieldNode(text: string): SchemaNode {
  const [type, ...attributes] = text.split(" ");
  return Object.assign({}, typeNode(type!), ...attributes.map(attribute)) as SchemaNode;
}

/** The schema that a definition in the notation stands for. */
export function expandDefinition(text: DefinitionText): SchemaNode {
  const base = text.type === undefined ? { type: "object" } : typeNode(text.type);
  const fields = Object.entries(text.fields ?? {}).map(([name, field]) => [name, fieldNode(field)] as const);
  const [group, version, kind] = text.kind ?? [];
  return {
    ...base,
    ...(text.fields ? { properties: Object.fromEntries(fields) } : {}),
    ...(text.required ? { required: text.required } : {}),
    ...(text.map ? { "x-kubernetes-map-type": text.map } : {}),
    ...(kind ? { "x-kubernetes-group-version-kind": [{ group: group!, version: version!, kind }] } : {}),
  };
}
