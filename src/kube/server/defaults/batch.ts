import { type Fields, fieldsOf, isFields, type KubeObject } from "../../object.ts";
import { itemsOf, setDefault } from "./pod.ts";
import { defaultTemplate } from "./workload.ts";

function defaultJobSpec(spec: Fields): void {
  // Neither given: a job of one pod. With parallelism alone the pods share a queue.
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  setDefault(spec, "parallelism", 1);
  // with limits for each index the whole job has none
  setDefault(spec, "backoffLimit", spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1);
  setDefault(spec, "completionMode", "NonIndexed");
  setDefault(spec, "suspend", false);
  setDefault(spec, "podReplacementPolicy", spec.podFailurePolicy === undefined ? "TerminatingOrFailed" : "Failed");
  for (const rule of itemsOf(fieldsOf(spec.podFailurePolicy), "rules"))
    for (const condition of itemsOf(rule, "onPodConditions")) condition.status ||= "True";
  setDefault(spec, "manualSelector", false);
  defaultTemplate(spec);
}

/** Jobs: one completion, one pod at a time, six failures. */
export function defaultJob(object: KubeObject): void {
  if (!isFields(object.spec)) return;
  defaultJobSpec(object.spec);
  defaultLabels(object);
}

/** A job without labels has those of its pods. */
function defaultLabels(object: KubeObject): void {
  const { metadata } = object;
  const { labels } = fieldsOf(fieldsOf(fieldsOf(object.spec).template).metadata);
  if (isFields(labels) && Object.keys(metadata.labels ?? {}).length === 0)
    metadata.labels = { ...labels } as Record<string, string>;
}

/** Cron jobs: runs may overlap; three successful and one failed job are kept. */
export function defaultCronJob(object: KubeObject): void {
  const spec = object.spec;
  if (!isFields(spec)) return;
  setDefault(spec, "concurrencyPolicy", "Allow");
  setDefault(spec, "suspend", false);
  setDefault(spec, "successfulJobsHistoryLimit", 3);
  setDefault(spec, "failedJobsHistoryLimit", 1);
  const job = fieldsOf(spec.jobTemplate);
  if (isFields(job.spec)) {
    setDefault(job.spec, "template", {});
    defaultTemplate(job.spec);
  }
}

/** Labels by which a job finds its pods; without the prefix as older clients know them. */
export const JOB_LABELS = {
  uid: "batch.kubernetes.io/controller-uid",
  name: "batch.kubernetes.io/job-name",
  oldUid: "controller-uid",
  oldName: "job-name",
} as const;

/** A job gets a selector of its own, and its pods the labels for it, unless the user chose them (`manualSelector`). */
export function selectOwnPods(object: KubeObject): void {
  const spec = object.spec;
  if (!isFields(spec) || spec.manualSelector === true) return;
  const { uid = "", name } = object.metadata;
  spec.selector ??= { matchLabels: {} };
  const selector = fieldsOf(spec.selector);
  selector.matchLabels = { ...fieldsOf(selector.matchLabels), [JOB_LABELS.uid]: uid };
  const template = fieldsOf(spec.template);
  template.metadata ??= {};
  const metadata = fieldsOf(template.metadata);
  const own = { [JOB_LABELS.uid]: uid, [JOB_LABELS.name]: name, [JOB_LABELS.oldUid]: uid, [JOB_LABELS.oldName]: name };
  metadata.labels = { ...fieldsOf(metadata.labels), ...own };
  defaultLabels(object);
}
