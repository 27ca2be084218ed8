import { type Fields, fieldsOf, listOf } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { duplicate, invalid, requiredValue, tooLong, tooMany, unsupported } from "../field-error.ts";
import { dnsSubdomainProblems, problems, qualifiedNameProblems } from "./names.ts";
import { negativeErrors } from "./workload.ts";

const ACTIONS = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS = ["In", "NotIn"];
const STATUSES = ["False", "True", "Unknown"];
const LONGEST_MANAGER = 63;
const MOST_RULES = 20;
const MOST_EXIT_CODES = 255;
const MOST_INDEXES = 100_000;
const MOST_INDEXES_OF_MANY = 10_000;

const objects = (value: unknown): Fields[] => listOf(value).map(fieldsOf);
const known = (values: readonly string[]): string => `valid values: [${values.map((one) => `"${one}"`).join(" ")}]`;

function oneOf(path: string, value: unknown, allowed: readonly string[]): FieldError[] {
  if (value === undefined || value === "") return [requiredValue(path, known(allowed))];
  return allowed.includes(String(value)) ? [] : [unsupported(path, value, allowed)];
}

function exitCodeErrors(path: string, { operator, containerName, values }: Fields, names: readonly unknown[]) {
  const codes = listOf(values) as number[];
  const errors = oneOf(`${path}.operator`, operator, OPERATORS);
  if (containerName !== undefined && !names.includes(containerName)) {
    const why = "must be one of the container or initContainer names in the pod template";
    errors.push(invalid(`${path}.containerName`, containerName, why));
  }
  if (codes.length === 0) errors.push(invalid(`${path}.values`, values ?? null, "at least one value is required"));
  if (codes.length > MOST_EXIT_CODES) errors.push(tooMany(`${path}.values`, codes.length, MOST_EXIT_CODES));
  for (const [index, code] of codes.entries()) {
    const place = `${path}.values[${index}]`;
    if (operator === "In" && code === 0) errors.push(invalid(place, code, "must not be 0 for the In operator"));
    if (codes.indexOf(code) < index) errors.push(duplicate(place, code));
  }
  if (codes.some((code, index) => index > 0 && codes[index - 1]! > code))
    errors.push(invalid(`${path}.values`, values, "must be ordered"));
  return errors;
}

function conditionErrors(path: string, conditions: readonly Fields[]): FieldError[] {
  return [
    ...(conditions.length > MOST_RULES ? [tooMany(path, conditions.length, MOST_RULES)] : []),
    ...conditions.flatMap(({ type, status }, index) => {
      const place = `${path}[${index}]`;
      const bad = problems(`${place}.type`, type ?? "", qualifiedNameProblems(String(type ?? "")));
      return [...bad, ...oneOf(`${place}.status`, status, STATUSES)];
    }),
  ];
}

/** A field's path with what is wrong there, where no value is shown. */
const wrong = (field: string, why: string): FieldError => ({
  field,
  reason: "FieldValueInvalid",
  message: `Invalid value: ${why}`,
});

function failureRuleErrors(path: string, rule: Fields, spec: Fields, names: readonly unknown[]): FieldError[] {
  const conditions = objects(rule.onPodConditions);
  const errors = oneOf(`${path}.action`, rule.action, ACTIONS);
  if (rule.action === "FailIndex" && spec.backoffLimitPerIndex === undefined)
    errors.push(invalid(`${path}.action`, rule.action, "requires the backoffLimitPerIndex to be set"));
  if (rule.onExitCodes) errors.push(...exitCodeErrors(`${path}.onExitCodes`, fieldsOf(rule.onExitCodes), names));
  errors.push(...conditionErrors(`${path}.onPodConditions`, conditions));
  const both = rule.onExitCodes && conditions.length > 0;
  if (both) errors.push(wrong(path, "specifying both OnExitCodes and OnPodConditions is not supported"));
  if (!rule.onExitCodes && conditions.length === 0)
    errors.push(wrong(path, "specifying one of OnExitCodes and OnPodConditions is required"));
  return errors;
}

function failurePolicyErrors(path: string, spec: Fields): FieldError[] {
  if (spec.podFailurePolicy === undefined) return [];
  const pod = fieldsOf(fieldsOf(spec.template).spec);
  const names = [...objects(pod.containers), ...objects(pod.initContainers)].map(({ name }) => name);
  const rules = objects(fieldsOf(spec.podFailurePolicy).rules);
  const place = `${path}.podFailurePolicy.rules`;
  const why = 'only "Never" is supported when podFailurePolicy is specified';
  return [
    ...(rules.length > MOST_RULES ? [tooMany(place, rules.length, MOST_RULES)] : []),
    ...rules.flatMap((rule, index) => failureRuleErrors(`${place}[${index}]`, rule, spec, names)),
    ...(pod.restartPolicy === "OnFailure"
      ? [invalid(`${path}.template.spec.restartPolicy`, pod.restartPolicy, why)]
      : []),
  ];
}

/** How many indexes a text like `0-2,5` names. Throws with what is wrong. */
function countIndexes(text: string, completions: number): number {
  let last = -1;
  let count = 0;
  for (const part of text === "" ? [] : text.split(",")) {
    const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (from === undefined) throw new Error(`cannot parse ${JSON.stringify(part)}: an index, or two joined by -`);
    const [first, end] = [Number(from), Number(to ?? from)];
    if (first <= last || end < first) throw new Error(`non-increasing order, previous: ${last}, current: ${part}`);
    if (end >= completions) throw new Error(`too large index: ${JSON.stringify(part)}`);
    count += end - first + 1;
    last = end;
  }
  return count;
}

function successRuleErrors(path: string, rule: Fields, completions: number): FieldError[] {
  const { succeededCount: count, succeededIndexes: indexes } = rule;
  if (count === undefined && indexes === undefined)
    return [requiredValue(path, "at least one of succeededCount or succeededIndexes must be specified")];
  const errors = negativeErrors(`${path}.succeededCount`, count);
  const most = (limit: number, what: string) => {
    if (typeof count !== "number" || count <= limit) return;
    errors.push(invalid(`${path}.succeededCount`, count, `must be less than or equal to ${limit} (${what})`));
  };
  most(completions, "the number of specified completions");
  if (typeof indexes !== "string") return errors;
  try {
    most(countIndexes(indexes, completions), "the number of indexes in the specified succeededIndexes field");
  } catch (error) {
    const why = `error parsing succeededIndexes: ${(error as Error).message}`;
    errors.push(invalid(`${path}.succeededIndexes`, indexes, why));
  }
  return errors;
}

function successPolicyErrors(path: string, spec: Fields): FieldError[] {
  if (spec.successPolicy === undefined) return [];
  if (spec.completionMode !== "Indexed") return [invalid(path, spec.successPolicy, "requires indexed completion mode")];
  const rules = objects(fieldsOf(spec.successPolicy).rules);
  const none = "at least one rules must be specified when the successPolicy is specified";
  return [
    ...(rules.length === 0 ? [requiredValue(`${path}.rules`, none)] : []),
    ...(rules.length > MOST_RULES ? [tooMany(`${path}.rules`, rules.length, MOST_RULES)] : []),
    ...rules.flatMap((rule, index) =>
      successRuleErrors(`${path}.rules[${index}]`, rule, Number(spec.completions ?? 0)),
    ),
  ];
}

function perIndexErrors(path: string, spec: Fields): FieldError[] {
  const { backoffLimitPerIndex: perIndex, maxFailedIndexes: most, completions } = spec;
  const errors = ["backoffLimitPerIndex", "maxFailedIndexes"].flatMap((name) => [
    ...negativeErrors(`${path}.${name}`, spec[name]),
    ...(spec[name] !== undefined && spec.completionMode !== "Indexed"
      ? [invalid(`${path}.${name}`, spec[name], "requires indexed completion mode")]
      : []),
  ]);
  if (most !== undefined && perIndex === undefined)
    errors.push(requiredValue(`${path}.backoffLimitPerIndex`, "when maxFailedIndexes is specified"));
  if (spec.completionMode !== "Indexed" || typeof completions !== "number") return errors;
  const many = completions > MOST_INDEXES && perIndex !== undefined;
  if (many && most === undefined) {
    const why = `must be specified when completions is above ${MOST_INDEXES}`;
    errors.push(requiredValue(`${path}.maxFailedIndexes`, why));
  }
  if (typeof most !== "number") return errors;
  if (most > completions)
    errors.push(invalid(`${path}.maxFailedIndexes`, most, "must be less than or equal to completions"));
  const limit = many ? MOST_INDEXES_OF_MANY : MOST_INDEXES;
  if (most > limit) errors.push(invalid(`${path}.maxFailedIndexes`, most, `must be less than or equal to ${limit}`));
  return errors;
}

function managerErrors(path: string, manager: unknown): FieldError[] {
  if (manager === undefined) return [];
  const name = String(manager);
  const [, host = "", rest = ""] = /^([^/]*)\/(.*)$/s.exec(name) ?? [];
  if (name === "") return [requiredValue(path)];
  const long = name.length > LONGEST_MANAGER ? [tooLong(path, LONGEST_MANAGER)] : [];
  if (host === "" || rest === "")
    return [invalid(path, name, 'must be a domain-prefixed path (such as "acme.io/foo")'), ...long];
  return [...problems(path, host, dnsSubdomainProblems(host)), ...long];
}

/** Rules for what a job's spec says of failures, success and its controller. */
export function jobPolicyErrors(path: string, spec: Fields): FieldError[] {
  return [
    ...perIndexErrors(path, spec),
    ...managerErrors(`${path}.managedBy`, spec.managedBy),
    ...failurePolicyErrors(path, spec),
    ...successPolicyErrors(`${path}.successPolicy`, spec),
  ];
}
