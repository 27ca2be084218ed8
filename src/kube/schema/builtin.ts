import type { GroupVersionKind } from "../object.ts";
import data from "./builtin.json" with { type: "json" };
import { describeDefinition } from "./describe.ts";
import type { Resolve, SchemaNode } from "./node.ts";
import { type DefinitionText, expandDefinition } from "./notation.ts";

const texts = data.definitions as Readonly<Record<string, DefinitionText>>;
const expanded = new Map<string, SchemaNode>();
const PREFIX = "#/definitions/";

const nameByKind = new Map<string, string>(
  Object.entries(texts).flatMap(([name, { kind }]) => (kind ? [[kind.join("/"), name] as const] : [])),
);

/** The free-form kinds whose shape OpenAPI does not say: what they hold is kept as it is. */
const INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
export const QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/** One built-in definition by its full name, as in `io.k8s.api.core.v1.Pod`. Throws when there is none. */
export function definition(name: string): SchemaNode {
  const known = expanded.get(name);
  if (known) return known;
  const text = texts[name];
  if (!text) throw new Error(`no built-in schema is named \`${name}\``);
  const node = describeDefinition(name, expandDefinition(text));
  expanded.set(name, node);
  return node;
}

/** Whether there is a built-in definition of this full name. */
export const isBuiltinName = (name: string): boolean => Object.hasOwn(texts, name);

/** The full name of a built-in kind's definition. */
export function definitionName({ group, version, kind }: GroupVersionKind): string | undefined {
  return nameByKind.get(`${group}/${version}/${kind}`);
}

/** The schema of a built-in kind; undefined when it is none. */
export function builtinSchema(kind: GroupVersionKind): SchemaNode | undefined {
  const name = definitionName(kind);
  return name === undefined ? undefined : definition(name);
}

/** The definition name that a `$ref` holds. */
export function referenceName(node: SchemaNode): string | undefined {
  return node.$ref?.startsWith(PREFIX) ? node.$ref.slice(PREFIX.length) : undefined;
}

const referred = new Map<string, SchemaNode>();

/** Follows `$ref` into the built-in definitions. */
export const resolve: Resolve = (node) => {
  if (node.$ref === undefined) return node;
  const known = referred.get(node.$ref);
  if (known) return known;
  const name = referenceName(node);
  const found = name === undefined ? node : definition(name);
  referred.set(node.$ref, found);
  return found;
};

/** True for a reference to a value that is an integer or a string. */
export function isIntOrString(node: SchemaNode): boolean {
  return referenceName(node) === INT_OR_STRING || node.format === "int-or-string";
}
