/** One node of a structural schema, as OpenAPI writes it. Built-in kinds and custom kinds share this form. */
export interface SchemaNode {
  readonly type?: string;
  readonly format?: string;
  /** `#/definitions/<name>`: a built-in definition. */
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly nullable?: boolean;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly allOf?: readonly SchemaNode[];
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly not?: SchemaNode;
  readonly description?: string;
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-embedded-resource"?: boolean;
  readonly "x-kubernetes-list-type"?: string;
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-map-type"?: string;
  readonly "x-kubernetes-patch-strategy"?: string;
  readonly "x-kubernetes-patch-merge-key"?: string;
  /** Built-in kinds only, and never published: how a zero value of the field is written. */
  readonly "x-shieldgate-zero"?: "always" | "held" | "omit";
  readonly "x-kubernetes-validations"?: readonly ValidationRule[];
  readonly "x-kubernetes-group-version-kind"?: readonly { group: string; version: string; kind: string }[];
}

/** A rule in the Common Expression Language. */
export interface ValidationRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  /** Asked of new values too: `oldSelf` is an optional value then. */
  readonly optionalOldSelf?: boolean;
}

/** Finds what `$ref` names. */
export type Resolve = (node: SchemaNode) => SchemaNode;

/** A field's path as Kubernetes writes it: `spec.ports[0].name`; map keys in brackets. */
export function childPath(parent: string, key: string): string {
  return parent === "" ? key : `${parent}.${key}`;
}

/** True when the node is a map from free keys to one kind of value. */
export function mapValues(node: SchemaNode): SchemaNode | undefined {
  return typeof node.additionalProperties === "object" ? node.additionalProperties : undefined;
}

/** True when any field below is kept and none is unknown. */
export function isOpen(node: SchemaNode): boolean {
  if (node["x-kubernetes-preserve-unknown-fields"] || node.additionalProperties === true) return true;
  const shaped = node.properties !== undefined || node.items !== undefined || mapValues(node) !== undefined;
  return !shaped && (node.type === undefined || node.type === "object");
}
