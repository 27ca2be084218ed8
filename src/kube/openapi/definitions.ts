import { fieldsOf, type GroupVersionKind, type KubeObject, listOf } from "../object.ts";
import { definition, definitionName, referenceName } from "../schema/builtin.ts";
import { mapValues, type SchemaNode } from "../schema/node.ts";
import type { ResourceKind } from "../server/kind.ts";

/** What the documents need of a served kind. */
export type ServedKind = Pick<
  ResourceKind,
  "group" | "version" | "kind" | "resource" | "namespaced" | "verbs" | "subresources" | "definition"
>;

export const STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
export const DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
export const PATCH = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
const OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const PATCH_NODE: SchemaNode = { type: "object" };

const reference = (name: string): SchemaNode => ({ $ref: `#/definitions/${name}` });

/** `io.cilium.v2.CiliumNode`: the group's parts in reverse, then version and kind. */
function customName({ group, version, kind }: GroupVersionKind): string {
  return [...group.split(".").reverse(), version, kind].join(".");
}

/** The name under which a kind's schema stands in the documents; undefined when there is no schema. */
export function schemaName(kind: ServedKind | GroupVersionKind): string | undefined {
  if ("definition" in kind && kind.definition) return customName(kind);
  return definitionName(kind);
}

/** The name of the schema of a kind's list. */
export function listSchemaName(kind: ServedKind): string | undefined {
  const name = `${kind.kind}List`;
  return kind.definition ? customName({ ...kind, kind: name }) : definitionName({ ...kind, kind: name });
}

function gvkOf({ group, version }: GroupVersionKind, kind: string) {
  return { "x-kubernetes-group-version-kind": [{ group, version, kind }] };
}

function customSchema(kind: ServedKind, definitionObject: KubeObject): SchemaNode {
  const versions = listOf(fieldsOf(definitionObject.spec).versions).map(fieldsOf);
  const entry = versions.find((version) => version.name === kind.version);
  const node = fieldsOf(fieldsOf(entry?.schema).openAPIV3Schema) as SchemaNode;
  const own = { apiVersion: { type: "string" }, kind: { type: "string" }, metadata: reference(OBJECT_META) };
  return { ...node, type: "object", properties: { ...node.properties, ...own }, ...gvkOf(kind, kind.kind) };
}

function customListSchema(kind: ServedKind): SchemaNode {
  const properties = {
    apiVersion: { type: "string" },
    items: { type: "array", items: reference(customName(kind)) },
    kind: { type: "string" },
    metadata: reference(LIST_META),
  };
  return { type: "object", required: ["items"], properties, ...gvkOf(kind, `${kind.kind}List`) };
}

function referencesOf(node: SchemaNode): string[] {
  const own = referenceName(node);
  const children = [...Object.values(node.properties ?? {})];
  const values = mapValues(node);
  if (node.items) children.push(node.items);
  if (values) children.push(values);
  return [...(own ? [own] : []), ...children.flatMap(referencesOf)];
}

function wantedNames(kind: ServedKind): string[] {
  const answered = kind.subresources.map((subresource) =>
    definitionName({
      group: subresource.group ?? kind.group,
      version: subresource.version ?? kind.version,
      kind: subresource.kind,
    }),
  );
  return [schemaName(kind), listSchemaName(kind), ...answered].filter((name) => name !== undefined);
}

/** All schemas that some kinds need, by name, in order of their names. References point at `#/definitions/`. */
export function collectSchemas(kinds: readonly ServedKind[]): Map<string, SchemaNode> {
  const custom = new Map<string, SchemaNode>();
  for (const kind of kinds) {
    if (!kind.definition) continue;
    custom.set(customName(kind), customSchema(kind, kind.definition));
    custom.set(listSchemaName(kind)!, customListSchema(kind));
  }
  const found = new Map<string, SchemaNode>([[PATCH, PATCH_NODE]]);
  const queue = [STATUS, DELETE_OPTIONS, ...kinds.flatMap(wantedNames)];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (found.has(name)) continue;
    const node = custom.get(name) ?? definition(name);
    found.set(name, node);
    queue.push(...referencesOf(node));
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}
