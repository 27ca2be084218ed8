/** Schemas of every kind: what the API server, OpenAPI and apply ask about fields. */
import type { GroupVersionKind, KubeObject } from "../object.ts";
import type { FieldError } from "../status.ts";
import { builtinSchema, resolve } from "./builtin.ts";
import { schemaOfDefinition } from "./custom.ts";
import { typeMismatch } from "./decode.ts";
import { nodeAt, pruned, unknownPaths } from "./fields.ts";
import type { SchemaNode } from "./node.ts";
import { checkKind, checkKindUpdate } from "./rules/kinds.ts";
import { metadataErrors, metadataShapeErrors } from "./rules/metadata.ts";

export { loadRuleChecks, loadRules } from "./cel.ts";
export { type CompiledSchema, ciliumCrds, compileCrdSchema, schemaOfDefinition } from "./custom.ts";
export { decodeProblem } from "./decode.ts";
export type { SchemaNode } from "./node.ts";
export { validateDefinition } from "./rules/definition.ts";
export { selects } from "./rules/metadata.ts";
export { asWritten } from "./written.ts";

/** How a strategic merge patch treats a field: `strategies` as in `merge` or `retainKeys`; `key` for lists of objects. */
export interface MergeRule {
  readonly strategies: readonly string[];
  readonly key?: string;
}

/**
 * Everything that breaks the kind's schema or its rules. `definition` is the CustomResourceDefinition of a custom kind;
 * `old` is what the object was, which rules about changes ask for.
 */
export function validate(
  kind: GroupVersionKind,
  object: KubeObject,
  definition?: KubeObject,
  old?: KubeObject,
): FieldError[] {
  if (definition) {
    const shape = metadataShapeErrors(object);
    if (shape.length > 0) return shape;
    return [...metadataErrors(object), ...(schemaOfDefinition(definition, kind.version)?.validate(object, old) ?? [])];
  }
  const wrong = typeMismatch(kind, object);
  if (!wrong) return checkKind(kind, object, old);
  const message = `Invalid value: "${wrong.actual}": must be of type ${wrong.wanted}`;
  return [{ field: wrong.path, reason: "FieldValueTypeInvalid", message }];
}

/** What an update must not change; on top of `validate`. Custom kinds have no such rules here. */
export function validateUpdate(kind: GroupVersionKind, next: KubeObject, old: KubeObject): FieldError[] {
  return checkKindUpdate(kind, next, old);
}

/** Paths of fields that the kind does not have, as in `spec.foo` or `spec.ports[0].prot`. */
export function unknownFields(kind: GroupVersionKind, object: KubeObject, definition?: KubeObject): string[] {
  if (definition) return schemaOfDefinition(definition, kind.version)?.unknownFields(object) ?? [];
  const schema = builtinSchema(kind);
  return schema ? unknownPaths(schema, object, resolve) : [];
}

/** The object without the fields that the kind does not have; what is unchanged is shared with the original. */
export function prune(kind: GroupVersionKind, object: KubeObject, definition?: KubeObject): KubeObject {
  if (definition) return schemaOfDefinition(definition, kind.version)?.prune(object) ?? object;
  const schema = builtinSchema(kind);
  return schema ? (pruned(schema, object, resolve) as KubeObject) : object;
}

/** The object with the `default` values of a custom kind's schema; built-in kinds are returned as they are. */
export function fillDefaults(kind: GroupVersionKind, object: KubeObject, definition?: KubeObject): KubeObject {
  if (!definition) return object;
  return schemaOfDefinition(definition, kind.version)?.fillDefaults(object) ?? object;
}

/** The schema of the field at a path of keys; a list index (or any text in its place) steps into the list's items. */
export function fieldSchema(
  kind: GroupVersionKind,
  path: readonly string[],
  definition?: KubeObject,
): SchemaNode | undefined {
  const root = definition ? schemaOfDefinition(definition, kind.version)?.node : builtinSchema(kind);
  const found = root && nodeAt(root, path, resolve);
  if (!found) return undefined;
  return found.$ref ? { ...resolve(found), ...found } : found;
}

/** How a strategic merge patch merges the field at a path; undefined when lists are replaced and maps merged. */
export function mergeKey(kind: GroupVersionKind, path: readonly string[]): MergeRule | undefined {
  const node = fieldSchema(kind, path);
  const strategy = node?.["x-kubernetes-patch-strategy"];
  if (!node || strategy === undefined) return undefined;
  const key = node["x-kubernetes-patch-merge-key"];
  return { strategies: strategy.split(","), ...(key ? { key } : {}) };
}
