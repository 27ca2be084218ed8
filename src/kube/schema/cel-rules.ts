/** The rules in the schemas of custom kinds (`x-kubernetes-validations`), asked of a value and of what it was before. */
import { isFields, listOf } from "../object.ts";
import type { FieldError } from "../status.ts";
import { compileRule } from "./cel.ts";
import { OVER_LIMIT, turns } from "./cel-turns.ts";
import { childPath, mapValues, type SchemaNode, type ValidationRule } from "./node.ts";

const REASONS = new Set(["FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"]);

function errorOf(node: SchemaNode, given: ValidationRule, path: string, message: string): FieldError {
  const field = `${path}${given.fieldPath ?? ""}`.replace(/^\./, "") || "<nil>";
  const reason = given.reason && REASONS.has(given.reason) ? given.reason : "FieldValueInvalid";
  const kinds: Readonly<Record<string, string>> = {
    FieldValueForbidden: `Forbidden: ${message}`,
    FieldValueRequired: `Required value: ${message}`,
    FieldValueDuplicate: `Duplicate value: "${node.type ?? ""}"`,
  };
  return { field, reason, message: kinds[reason] ?? `Invalid value: "${node.type ?? ""}": ${message}` };
}

/** No rule is asked after one that costs too much. */
function overLimit(rule: string, message: string | undefined): string {
  const isBudget = turns.ofObject < 0;
  turns.ofObject = -1;
  return isBudget
    ? "validation failed due to running out of cost budget, no further validation rules will be run"
    : `'${OVER_LIMIT}': no further validation rules will be run due to call cost exceeds limit for rule: ${message ?? rule.trim()}`;
}

function ownErrors(node: SchemaNode, value: unknown, old: unknown, path: string): FieldError[] {
  return (node["x-kubernetes-validations"] ?? []).flatMap((given) => {
    const { rule, message, messageExpression, optionalOldSelf = false } = given;
    if (turns.ofObject < 0) return [];
    const answer = compileRule(rule, optionalOldSelf)(node, value, old);
    if (answer === true) return [];
    if (answer === OVER_LIMIT) return [errorOf(node, { rule }, path, overLimit(rule, message))];
    const said = message ?? `failed rule: ${rule.trim()}`;
    if (typeof answer === "string") return [errorOf(node, given, path, `${answer} evaluating rule: ${said}`)];
    const made =
      messageExpression === undefined ? undefined : compileRule(messageExpression, optionalOldSelf)(node, value, old);
    return [errorOf(node, given, path, typeof made === "string" ? made : said)];
  });
}

/** What an item of a list was before: lists of keys alone know. */
function before(node: SchemaNode, item: unknown, old: unknown): unknown {
  const keys = node["x-kubernetes-list-map-keys"];
  if (!keys || !isFields(item)) return undefined;
  return listOf(old).find((other) => isFields(other) && keys.every((key) => other[key] === item[key]));
}

/** Of all rules of an object, in all its values: as Kubernetes' budget, in turns of loops. */
const MOST_TURNS_OF_OBJECT = 10_000_000;

/** Which rules a value breaks, its own first; `old` is what it was, undefined when it is new. */
export function ruleErrors(node: SchemaNode, value: unknown, old: unknown, path = ""): FieldError[] {
  turns.ofObject = MOST_TURNS_OF_OBJECT;
  return errorsIn(node, value, old, path);
}

function errorsIn(node: SchemaNode, value: unknown, old: unknown, path: string): FieldError[] {
  if (value === null || value === undefined) return [];
  const errors = ownErrors(node, value, old, path);
  if (Array.isArray(value) && node.items) {
    for (const [index, item] of value.entries())
      errors.push(...errorsIn(node.items, item, before(node, item, old), `${path}[${index}]`));
  } else if (isFields(value)) {
    const values = mapValues(node);
    for (const [key, item] of Object.entries(value)) {
      const child = Object.hasOwn(node.properties ?? {}, key) ? node.properties![key] : values;
      const at = child === values ? `${path}[${key}]` : childPath(path, key);
      if (child) errors.push(...errorsIn(child, item, isFields(old) ? old[key] : undefined, at));
    }
  }
  return errors;
}

/** Whether there are rules anywhere in a schema. */
export function hasRules(node: SchemaNode): boolean {
  const values = mapValues(node);
  const children = [
    ...Object.values(node.properties ?? {}),
    ...(node.items ? [node.items] : []),
    ...(values ? [values] : []),
  ];
  return (node["x-kubernetes-validations"]?.length ?? 0) > 0 || children.some(hasRules);
}

const BLOCKING = new Set([
  "FieldValueNotSupported",
  "FieldValueRequired",
  "FieldValueTooLong",
  "FieldValueTooMany",
  "FieldValueTypeInvalid",
]);

/** True for errors after which rules are not asked. */
export const blocksRules = (errors: readonly FieldError[]): boolean =>
  errors.some(({ reason }) => BLOCKING.has(reason));

export const UNASKED: FieldError = {
  field: "<nil>",
  reason: "FieldValueInvalid",
  message:
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
};
