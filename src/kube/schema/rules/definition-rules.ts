/** What the rules in the schema of a definition (`x-kubernetes-validations`) may not say. */
import { type Fields, fieldsOf, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { compileRule, ruleFault } from "../cel.ts";
import { forbiddenValue, invalid, requiredValue, shown, unsupported } from "../field-error.ts";
import { nodeAt } from "../fields.ts";
import type { SchemaNode } from "../node.ts";
import type { RuleBudget } from "./definition-costs.ts";

const REASONS = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const USES_OLD = /\boldSelf\b/;

/** A rule as Kubernetes shows it: the Go struct, as JSON that would do within HTML. */
function shownRule(rule: Fields): string {
  const { rule: text = "", message = "", messageExpression = "", reason = null, fieldPath = "" } = rule;
  const fields = { Rule: text, Message: message, MessageExpression: messageExpression, Reason: reason };
  const json = shown({ ...fields, FieldPath: fieldPath, OptionalOldSelf: rule.optionalOldSelf ?? null });
  return json.replace(/[<>&]/g, (mark) => `\\u00${mark.charCodeAt(0).toString(16)}`);
}

function expressionErrors(path: string, rule: Fields, name: "rule" | "messageExpression", node: Fields): FieldError[] {
  const text = String(rule[name]);
  const place = `${path}.${name}`;
  const isOptional = rule.optionalOldSelf === true;
  try {
    const fault = ruleFault(text, node as SchemaNode, { wanted: name === "rule" ? "bool" : "string", isOptional });
    if (fault === undefined) {
      compileRule(text, isOptional);
      return [];
    }
    return [{ field: place, reason: "FieldValueInvalid", message: `Invalid value: ${shownRule(rule)}: ${fault}` }];
  } catch (error) {
    return [invalid(place, text, error instanceof Error ? error.message : String(error))];
  }
}

function messageErrors(path: string, { message }: Fields): FieldError[] {
  if (message === undefined || message === "") return [];
  if (String(message).trim() === "") return [invalid(`${path}.message`, message, "must be non-empty if specified")];
  return String(message).includes("\n") ? [invalid(`${path}.message`, message, "must not contain line breaks")] : [];
}

function placeErrors(path: string, { reason, fieldPath }: Fields, node: Fields): FieldError[] {
  const errors: FieldError[] = [];
  if (reason !== undefined && !REASONS.includes(String(reason)))
    errors.push(unsupported(`${path}.reason`, reason, REASONS));
  const steps = String(fieldPath ?? "").match(/[^.[\]']+/g) ?? [];
  if (fieldPath !== undefined && fieldPath !== "" && !nodeAt(node as SchemaNode, steps, (same) => same))
    errors.push(invalid(`${path}.fieldPath`, fieldPath, "must be a valid path"));
  return errors;
}

function oldErrors(path: string, rule: Fields, apart: string | undefined): FieldError[] {
  const text = String(rule.rule);
  const usesOld = USES_OLD.test(text);
  if (rule.optionalOldSelf !== undefined && !usesOld)
    return [invalid(`${path}.optionalOldSelf`, rule.optionalOldSelf, "may not be set if oldSelf is not used in rule")];
  if (apart === undefined || !usesOld) return [];
  const why = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${apart}`;
  return [invalid(`${path}.rule`, text, why)];
}

/** Where a schema stands. */
export interface Place {
  readonly where: "" | "object fields" | "array items";
  /** The list above whose items have no names, if there is one: what was there before cannot be told of them. */
  readonly apart?: string;
  /** How often a value of it can be in an object; absent = a list or map above has no bound. */
  readonly times?: number;
  /** Absent where rules are not counted, since the schema has faults of its own. */
  readonly budget?: RuleBudget;
}

/** What is wrong with the rules of one schema. */
export function rulesErrors(path: string, schema: Fields, { where, apart, times, budget }: Place): FieldError[] {
  const counted = { schema: schema as SchemaNode, isRoot: where === "", times };
  return listOf(schema["x-kubernetes-validations"])
    .map(fieldsOf)
    .flatMap((rule, index) => {
      const place = `${path}.x-kubernetes-validations[${index}]`;
      const others = [...messageErrors(place, rule), ...placeErrors(place, rule, schema)];
      if (String(rule.rule ?? "").trim() === "")
        return [requiredValue(`${place}.rule`, "rule is not specified"), ...others];
      const said = rule.messageExpression ? expressionErrors(place, rule, "messageExpression", schema) : [];
      const faults = [...expressionErrors(place, rule, "rule", schema), ...said];
      const costs = faults.length + others.length === 0 ? (budget?.take(place, rule, counted) ?? []) : [];
      return [...costs, ...faults, ...oldErrors(place, rule, apart), ...others];
    });
}

/** A whole schema cannot be named. */
export const referenceErrors = (path: string, { $ref }: Fields): FieldError[] =>
  $ref ? [forbiddenValue(`${path}.$ref`, "must not be set: write the schema out")] : [];
