import { fieldsOf, type KubeObject, listOf } from "../object.ts";
import type { FieldError } from "../status.ts";
import { blocksRules, hasRules, ruleErrors, UNASKED } from "./cel-rules.ts";
import ciliumData from "./cilium.json" with { type: "json" };
import { describeRule } from "./describe.ts";
import { pruned, unknownPaths, withDefaults } from "./fields.ts";
import { mapValues, type Resolve, type SchemaNode } from "./node.ts";
import { checkStructure } from "./structure.ts";

/** The functions of one custom schema, on whole objects. */
export interface CompiledSchema {
  readonly node: SchemaNode;
  /** `old` is what the object was, undefined when it is new. */
  validate(object: KubeObject, old?: KubeObject): FieldError[];
  unknownFields(object: KubeObject): string[];
  prune(object: KubeObject): KubeObject;
  /** A copy with the schema's defaults. */
  fillDefaults(object: KubeObject): KubeObject;
}

const asIs: Resolve = (node) => node;
const compiled = new WeakMap<object, CompiledSchema>();
const EMBEDDED: SchemaNode = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const EMBEDDED_FIELDS = { apiVersion: { type: "string" }, kind: { type: "string" }, metadata: EMBEDDED } as const;

/** An object at the top, or embedded, has apiVersion, kind and metadata whether the schema says so or not. */
function withObjectFields(node: SchemaNode): SchemaNode {
  return { ...node, properties: { ...node.properties, ...EMBEDDED_FIELDS } };
}

function withEmbedded(node: SchemaNode): SchemaNode {
  const values = mapValues(node);
  const next: SchemaNode = {
    ...node,
    ...(node.items ? { items: withEmbedded(node.items) } : {}),
    ...(values ? { additionalProperties: withEmbedded(values) } : {}),
    ...(node.properties
      ? { properties: Object.fromEntries(Object.entries(node.properties).map(([k, v]) => [k, withEmbedded(v)])) }
      : {}),
  };
  return node["x-kubernetes-embedded-resource"] ? withObjectFields(next) : next;
}

/** Makes a definition's `openAPIV3Schema` ready to use; the same schema object is compiled once. */
export function compileCrdSchema(openAPIV3Schema: object): CompiledSchema {
  const known = compiled.get(openAPIV3Schema);
  if (known) return known;
  const node = withObjectFields(withEmbedded(openAPIV3Schema as SchemaNode));
  const ruled = hasRules(node);
  const schema: CompiledSchema = {
    node,
    validate: (object, old) => {
      const errors = checkStructure(node, object, asIs);
      if (!ruled) return errors;
      return blocksRules(errors) ? [...errors, UNASKED] : [...errors, ...ruleErrors(node, object, old)];
    },
    unknownFields: (object) => unknownPaths(node, object, asIs),
    prune: (object) => pruned(node, object, asIs) as KubeObject,
    fillDefaults: (object) => withDefaults(node, object, asIs) as KubeObject,
  };
  compiled.set(openAPIV3Schema, schema);
  return schema;
}

/** The schema of one version of a CustomResourceDefinition; undefined when it has none. */
export function schemaOfDefinition(definition: KubeObject, version: string): CompiledSchema | undefined {
  const versions = listOf(fieldsOf(definition.spec).versions).map(fieldsOf);
  const schema = fieldsOf(versions.find((entry) => entry.name === version)?.schema).openAPIV3Schema;
  return typeof schema === "object" && schema !== null ? compileCrdSchema(schema) : undefined;
}

const describedRule = describeRule(ciliumData.rule as object as SchemaNode);

function withRule(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withRule);
  if (typeof value !== "object" || value === null) return value;
  if ("$ref" in value && value.$ref === "rule") return describedRule;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withRule(item)]));
}

/** The CustomResourceDefinitions of Cilium's kinds (v2), as they are stored at the first start. */
export const ciliumCrds: readonly KubeObject[] = ciliumData.crds.map((crd) => withRule(crd) as KubeObject);
