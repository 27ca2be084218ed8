import type { GroupVersionKind, KubeObject } from "../object.ts";
import type { FieldError } from "../status.ts";

/** What the API server asks of the schemas, built-in and of CustomResourceDefinitions (`definition`). */
export interface SchemaPort {
  /** Why a built-in kind's JSON cannot be read at all; the text of a 400. */
  decodeProblem(kind: GroupVersionKind, object: KubeObject): string | undefined;
  /** What breaks the kind's schema and rules. */
  validate(
    kind: GroupVersionKind,
    object: KubeObject,
    definition: KubeObject | undefined,
    old?: KubeObject,
  ): readonly FieldError[];
  /** Gets ready for the rules of the definitions in a value, before they are validated. */
  loadRules(value: unknown): Promise<void>;
  /** The same, and for judging them. */
  loadRuleChecks(value: unknown): Promise<void>;
  /** What an update changes that must stay. */
  validateUpdate(kind: GroupVersionKind, next: KubeObject, old: KubeObject): readonly FieldError[];
  /** Paths of fields that the kind does not have, as in `spec.foo`. */
  unknownFields(kind: GroupVersionKind, object: KubeObject, definition: KubeObject | undefined): readonly string[];
  /** The object without the fields that the kind does not have. */
  prune(kind: GroupVersionKind, object: KubeObject, definition: KubeObject | undefined): KubeObject;
  /** An object as Kubernetes writes it: zero values left out, or there, as its Go types have it. */
  asWritten(kind: GroupVersionKind, object: KubeObject): KubeObject;
  /** The object with the defaults of a definition's schema. */
  fillDefaults(kind: GroupVersionKind, object: KubeObject, definition: KubeObject | undefined): KubeObject;
}
