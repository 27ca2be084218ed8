import { isTimeZone, parseCron } from "../../cron.ts";
import { type Fields, fieldsOf, type KubeObject } from "../../object.ts";
import type { FieldError } from "../../status.ts";
import { invalid, requiredValue, unsupported } from "../field-error.ts";
import { jobPolicyErrors } from "./job-policies.ts";
import { immutableErrors, selects } from "./metadata.ts";
import { negativeErrors, templateErrors } from "./workload.ts";

const COMPLETION_MODES = ["NonIndexed", "Indexed"];
const REPLACEMENT_POLICIES = ["Failed", "TerminatingOrFailed"];
const CONCURRENCY_POLICIES = ["Allow", "Forbid", "Replace"];
const COUNTS = ["completions", "parallelism", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"];
/** A cron job's jobs are called after it, with 11 characters more. */
const LONGEST_NAME = 52;

function specErrors(path: string, spec: Fields): FieldError[] {
  const oneOf = (field: string, allowed: readonly string[]) =>
    spec[field] === undefined || allowed.includes(String(spec[field]))
      ? []
      : [unsupported(`${path}.${field}`, spec[field], allowed)];
  const indexed = spec.completionMode === "Indexed";
  return [
    ...COUNTS.flatMap((name) => negativeErrors(`${path}.${name}`, spec[name])),
    ...oneOf("completionMode", COMPLETION_MODES),
    ...oneOf("podReplacementPolicy", spec.podFailurePolicy === undefined ? REPLACEMENT_POLICIES : ["Failed"]),
    ...(indexed && spec.completions === undefined
      ? [requiredValue(`${path}.completions`, "when completion mode is Indexed")]
      : []),
    ...jobPolicyErrors(path, spec),
    ...templateErrors(`${path}.template`, fieldsOf(spec.template), ["OnFailure", "Never"]),
  ];
}

/** Labels that the API server gives a job's pods. */
const GENERATED = /^(?:batch\.kubernetes\.io\/)?(?:controller-uid|job-name)$/;

/** Rules for a Job: its pods end, and it selects them. */
export function jobErrors(object: KubeObject): FieldError[] {
  const spec = fieldsOf(object.spec);
  const labels = fieldsOf(fieldsOf(spec.template).metadata).labels;
  const errors = specErrors("spec", spec);
  const generated = Object.fromEntries(Object.entries(fieldsOf(labels)).filter(([key]) => GENERATED.test(key)));
  if (spec.selector !== undefined && spec.manualSelector !== true && !selects(spec.selector, generated))
    errors.push(invalid("spec.selector", spec.selector, "`selector` not auto-generated"));
  if (spec.selector !== undefined && !selects(spec.selector, labels))
    errors.push(
      invalid("spec.template.metadata.labels", labels ?? null, "`selector` does not match template `labels`"),
    );
  return errors;
}

/** What a job is stands still; of its template nothing changes but while it is suspended and has not begun. */
export function jobUpdateErrors(next: KubeObject, old: KubeObject): FieldError[] {
  const [after, before] = [fieldsOf(next.spec), fieldsOf(old.spec)];
  const waits = before.suspend === true && fieldsOf(old.status).startTime === undefined;
  const elastic = before.completionMode === "Indexed" && after.completions === after.parallelism;
  const policies = ["podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"];
  const fixed = [
    "selector",
    "completionMode",
    ...policies,
    ...(elastic ? [] : ["completions"]),
    ...(waits ? [] : ["template"]),
  ];
  return fixed.flatMap((field) => immutableErrors(`spec.${field}`, after[field], before[field]));
}

function scheduleErrors({ schedule, timeZone }: Fields): FieldError[] {
  const errors: FieldError[] = [];
  if (typeof schedule !== "string" || schedule === "") errors.push(requiredValue("spec.schedule"));
  else {
    try {
      parseCron(schedule);
    } catch (error) {
      errors.push(invalid("spec.schedule", schedule, (error as Error).message));
    }
  }
  if (timeZone !== undefined && !isTimeZone(String(timeZone)))
    errors.push(invalid("spec.timeZone", timeZone, `unknown time zone ${timeZone}`));
  return errors;
}

/** Rules for a CronJob. */
export function cronJobErrors(object: KubeObject): FieldError[] {
  const spec = fieldsOf(object.spec);
  const { concurrencyPolicy: policy } = spec;
  const { name } = object.metadata;
  return [
    ...(name.length > LONGEST_NAME ? [invalid("metadata.name", name, "must be no more than 52 characters")] : []),
    ...scheduleErrors(spec),
    ...["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"].flatMap((field) =>
      negativeErrors(`spec.${field}`, spec[field]),
    ),
    ...(policy === undefined || CONCURRENCY_POLICIES.includes(String(policy))
      ? []
      : [unsupported("spec.concurrencyPolicy", policy, CONCURRENCY_POLICIES)]),
    ...specErrors("spec.jobTemplate.spec", fieldsOf(fieldsOf(spec.jobTemplate).spec)),
  ];
}
