import { equalJson, type Fields, fieldsOf, type KubeObject, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { forbiddenValue, invalid, requiredValue } from "../field-error.ts";
import { childPath } from "../node.ts";
import {
  dnsLabelProblems,
  dnsSubdomainProblems,
  labelValueProblems,
  problems,
  qualifiedNameProblems,
} from "./names.ts";

/** The form that a kind's names must have: why a text has it not. */
export type NameRule = (text: string) => string[];

const ANNOTATIONS_LIMIT = 256 * 1024;

/** Keys and values of a label map. */
export function labelErrors(path: string, labels: unknown): FieldError[] {
  return Object.entries(fieldsOf(labels)).flatMap(([key, value]) => [
    ...problems(path, key, qualifiedNameProblems(key)),
    ...problems(path, value, labelValueProblems(String(value))),
  ]);
}

function annotationErrors(path: string, annotations: unknown): FieldError[] {
  const entries = Object.entries(fieldsOf(annotations));
  const size = entries.reduce((sum, [key, value]) => sum + key.length + String(value).length, 0);
  const errors = entries.flatMap(([key]) => problems(path, key, qualifiedNameProblems(key.toLowerCase())));
  if (size <= ANNOTATIONS_LIMIT) return errors;
  const message = `Too long: may not be more than ${ANNOTATIONS_LIMIT} bytes`;
  return [...errors, { field: path, reason: "FieldValueTooLong", message }];
}

function ownerErrors(path: string, owners: readonly unknown[]): FieldError[] {
  const errors = owners
    .map(fieldsOf)
    .flatMap((owner, index) =>
      ["apiVersion", "kind", "name", "uid"]
        .filter((name) => !owner[name])
        .map((name) => invalid(`${path}[${index}].${name}`, owner[name] ?? "", "must not be empty")),
    );
  const controllers = owners.map(fieldsOf).filter((owner) => owner.controller === true);
  if (controllers.length < 2) return errors;
  return [...errors, invalid(path, owners, "Only one reference can have Controller set to true")];
}

const isMap = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): boolean => typeof value === "string";

/** What metadata must be before its rules can be asked; kinds of our own have it in their schemas. */
const METADATA_SHAPES: Readonly<
  Record<string, { readonly wanted: string; readonly fits: (value: unknown) => boolean }>
> = {
  name: { wanted: "string", fits: isText },
  generateName: { wanted: "string", fits: isText },
  namespace: { wanted: "string", fits: isText },
  creationTimestamp: { wanted: "string", fits: isText },
  deletionTimestamp: { wanted: "string", fits: isText },
  resourceVersion: { wanted: "string", fits: isText },
  labels: { wanted: "map of strings", fits: (value) => isMap(value) && Object.values(value as object).every(isText) },
  annotations: {
    wanted: "map of strings",
    fits: (value) => isMap(value) && Object.values(value as object).every(isText),
  },
  ownerReferences: { wanted: "list of objects", fits: (value) => Array.isArray(value) && value.every(isMap) },
  finalizers: { wanted: "list of strings", fits: (value) => Array.isArray(value) && value.every(isText) },
};

/** Fields of custom objects' metadata that have another type than every object's metadata has. */
export function metadataShapeErrors(object: KubeObject): FieldError[] {
  const meta = fieldsOf(object.metadata);
  return Object.entries(METADATA_SHAPES)
    .filter(([name, { fits }]) => meta[name] !== undefined && meta[name] !== null && !fits(meta[name]))
    .map(([name, { wanted }]) => invalid(`metadata.${name}`, meta[name], `must be of type ${wanted}`));
}

const STANDARD_FINALIZERS = ["kubernetes", "orphan", "foregroundDeletion"];

function finalizerErrors(finalizer: string, index: number): FieldError[] {
  const errors = problems("metadata.finalizers", finalizer, qualifiedNameProblems(finalizer));
  if (errors.length > 0 || finalizer.includes("/") || STANDARD_FINALIZERS.includes(finalizer)) return errors;
  const why = "name is neither a standard finalizer name nor is it fully qualified";
  return [invalid(`metadata.finalizers[${index}]`, finalizer, why)];
}

/** What a prefix of names will be part of may not be what the prefix ends with. */
const prefixAsName = (prefix: string): string => (prefix.length > 1 ? prefix.replace(/-$/, "a") : prefix);

/** Rules for every object's metadata. Namespaced objects have a namespace by then. */
export function metadataErrors(object: KubeObject, nameRule: NameRule = dnsSubdomainProblems): FieldError[] {
  const meta: Fields = fieldsOf(object.metadata);
  const errors: FieldError[] = [];
  if (!meta.name && !meta.generateName) errors.push(requiredValue("metadata.name", "name or generateName is required"));
  if (meta.generateName)
    errors.push(
      ...problems("metadata.generateName", meta.generateName, nameRule(prefixAsName(String(meta.generateName)))),
    );
  if (meta.name) errors.push(...problems("metadata.name", meta.name, nameRule(String(meta.name))));
  if (meta.namespace)
    errors.push(...problems("metadata.namespace", meta.namespace, dnsLabelProblems(String(meta.namespace))));
  errors.push(...labelErrors("metadata.labels", meta.labels));
  errors.push(...annotationErrors("metadata.annotations", meta.annotations));
  errors.push(...ownerErrors("metadata.ownerReferences", listOf(meta.ownerReferences)));
  errors.push(...listOf(meta.finalizers).flatMap((finalizer, index) => finalizerErrors(String(finalizer), index)));
  return errors;
}

/** A label selector's own rules, not whether it matches something. */
export function selectorErrors(path: string, selector: unknown): FieldError[] {
  const { matchLabels, matchExpressions } = fieldsOf(selector);
  return [
    ...labelErrors(childPath(path, "matchLabels"), matchLabels),
    ...listOf(matchExpressions).flatMap((item, index) =>
      requirementErrors(`${childPath(path, "matchExpressions")}[${index}]`, fieldsOf(item)),
    ),
  ];
}

function requirementErrors(path: string, { key, operator, values }: Fields): FieldError[] {
  const errors: FieldError[] = [];
  const count = listOf(values).length;
  if (operator === "In" || operator === "NotIn") {
    const why = "must be specified when `operator` is 'In' or 'NotIn'";
    if (count === 0) errors.push(requiredValue(`${path}.values`, why));
  } else if (operator === "Exists" || operator === "DoesNotExist") {
    const why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
    if (count > 0) errors.push(forbiddenValue(`${path}.values`, why));
  } else errors.push(invalid(`${path}.operator`, operator ?? "", "not a valid selector operator"));
  errors.push(...problems(`${path}.key`, key ?? "", qualifiedNameProblems(String(key ?? ""))));
  return errors;
}

/** True when labels match a label selector; an empty selector matches everything, none matches nothing. */
export function selects(selector: unknown, labels: unknown): boolean {
  if (selector === undefined || selector === null) return false;
  const { matchLabels, matchExpressions } = fieldsOf(selector);
  const held = fieldsOf(labels);
  return (
    Object.entries(fieldsOf(matchLabels)).every(([key, value]) => held[key] === value) &&
    listOf(matchExpressions)
      .map(fieldsOf)
      .every((requirement) => satisfies(requirement, held))
  );
}

function satisfies({ key, operator, values }: Fields, labels: Fields): boolean {
  const value = labels[String(key)];
  if (operator === "Exists") return value !== undefined;
  if (operator === "DoesNotExist") return value === undefined;
  const listed = value !== undefined && listOf(values).includes(value);
  return operator === "In" ? listed : operator === "NotIn" && !listed;
}

/** The field must hold what it held; nothing and null are the same. */
export function immutableErrors(path: string, next: unknown, old: unknown): FieldError[] {
  return equalJson(next ?? null, old ?? null) ? [] : [invalid(path, next ?? null, "field is immutable")];
}

/** What no update may change in the metadata. */
export function metadataUpdateErrors(next: KubeObject, old: KubeObject): FieldError[] {
  return (["name", "namespace", "uid", "creationTimestamp"] as const).flatMap((name) =>
    next.metadata[name] === undefined
      ? []
      : immutableErrors(`metadata.${name}`, next.metadata[name], old.metadata[name]),
  );
}
