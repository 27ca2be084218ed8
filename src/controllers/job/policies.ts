import type { KubeObject } from "../../kube/client/index.ts";
import { type Fields, fieldsOf, listOf } from "../../kube/object.ts";
import { annotationsOf, conditionOf, numberOf, objectsOf, specOf, statusOf } from "../objects.ts";
import { parseIndexes } from "./indexes.ts";

export const INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index";
const FAILURES_ANNOTATION = "batch.kubernetes.io/job-index-failure-count";
const IGNORED_ANNOTATION = "batch.kubernetes.io/job-index-ignored-failure-count";

/** What a job's rules make of a pod that failed. */
export interface Verdict {
  readonly action: string;
  /** Why, as a condition of the job says it. */
  readonly message: string;
}

function failedContainer(pod: KubeObject, rule: Fields): { name: unknown; exitCode: number } | undefined {
  const { containerName, operator, values } = rule;
  const status = statusOf(pod);
  const ended = [...objectsOf(status.containerStatuses), ...objectsOf(status.initContainerStatuses)]
    .filter(({ name }) => containerName === undefined || name === containerName)
    .map(({ name, state }) => ({ name, exitCode: numberOf(fieldsOf(fieldsOf(state).terminated).exitCode) }));
  return ended.find(({ exitCode }) => exitCode !== 0 && listOf(values).includes(exitCode) === (operator === "In"));
}

/** The first rule of the job's failure policy that a failed pod meets; undefined when none does. Source: Kubernetes' Job API. */
export function failureVerdict(job: KubeObject, pod: KubeObject): Verdict | undefined {
  if (statusOf(pod).phase !== "Failed") return undefined;
  const { namespace, name } = pod.metadata;
  for (const [index, rule] of objectsOf(fieldsOf(specOf(job).podFailurePolicy).rules).entries()) {
    const action = String(rule.action);
    const matching = `matching ${action} rule at index ${index}`;
    const container = rule.onExitCodes ? failedContainer(pod, fieldsOf(rule.onExitCodes)) : undefined;
    if (container !== undefined) {
      const what = `failed with exit code ${container.exitCode}`;
      return { action, message: `Container ${container.name} for pod ${namespace}/${name} ${what} ${matching}` };
    }
    const met = objectsOf(rule.onPodConditions).find(
      ({ type, status = "True" }) => conditionOf(pod, String(type))?.status === status,
    );
    if (met) return { action, message: `Pod ${namespace}/${name} has condition ${met.type} ${matching}` };
  }
  return undefined;
}

export const indexOf = (pod: KubeObject): number => Number(annotationsOf(pod)[INDEX_ANNOTATION] ?? -1);

/** True when failures are counted for each index by itself. */
export function countsPerIndex(job: KubeObject): boolean {
  return typeof specOf(job).backoffLimitPerIndex === "number";
}

interface Failures {
  /** Those that count, and those that a rule says not to count. */
  readonly counted: number;
  readonly ignored: number;
}

/** The failures of a pod's index before this pod. */
function failuresBefore(pod: KubeObject): Failures {
  const annotations = annotationsOf(pod);
  return {
    counted: Number(annotations[FAILURES_ANNOTATION] ?? 0),
    ignored: Number(annotations[IGNORED_ANNOTATION] ?? 0),
  };
}

const total = ({ counted, ignored }: Failures): number => counted + ignored;

/** The pod of an index that failed last, if one did. */
export function lastFailed(pods: readonly KubeObject[], index: number): KubeObject | undefined {
  const failed = pods.filter((pod) => indexOf(pod) === index && statusOf(pod).phase === "Failed");
  return failed.toSorted((a, b) => total(failuresBefore(b)) - total(failuresBefore(a)))[0];
}

/** The failures of an index when this pod of it has failed too. */
export function failuresWith(job: KubeObject, pod: KubeObject | undefined): Failures {
  if (pod === undefined) return { counted: 0, ignored: 0 };
  const { counted, ignored } = failuresBefore(pod);
  const isIgnored = failureVerdict(job, pod)?.action === "Ignore";
  return isIgnored ? { counted, ignored: ignored + 1 } : { counted: counted + 1, ignored };
}

/** What the next pod of an index carries of its failures. */
export function failureMarks({ counted, ignored }: Failures): Record<string, string> {
  return {
    [FAILURES_ANNOTATION]: String(counted),
    ...(ignored > 0 ? { [IGNORED_ANNOTATION]: String(ignored) } : {}),
  };
}

/** True for the failed pod that alone knows how often its index has failed: it must stay until another one carries that. */
export function isNeeded(job: KubeObject, pods: readonly KubeObject[], pod: KubeObject): boolean {
  if (!countsPerIndex(job) || lastFailed(pods, indexOf(pod)) !== pod) return false;
  const { failedIndexes, completedIndexes } = statusOf(job);
  if ([failedIndexes, completedIndexes].some((text) => parseIndexes(text).has(indexOf(pod)))) return false;
  const own = total(failuresBefore(pod));
  return !pods.some((other) => indexOf(other) === indexOf(pod) && total(failuresBefore(other)) > own);
}

/** The indexes that get no other pod: they failed too often, or a rule says so. */
export function failedIndexes(job: KubeObject, pods: readonly KubeObject[]): Set<number> {
  const failed = parseIndexes(statusOf(job).failedIndexes);
  const limit = specOf(job).backoffLimitPerIndex;
  if (typeof limit !== "number") return failed;
  for (const pod of pods) {
    if (statusOf(pod).phase !== "Failed" || indexOf(pod) < 0) continue;
    const action = failureVerdict(job, pod)?.action;
    const isOver = action !== "Ignore" && failuresWith(job, pod).counted > limit;
    if (action === "FailIndex" || isOver) failed.add(indexOf(pod));
  }
  return failed;
}

/** Number of the first rule of the job's success policy that the completed indexes meet; undefined when none does. */
export function metSuccessRule(job: KubeObject, completed: ReadonlySet<number>): number | undefined {
  const rules = objectsOf(fieldsOf(specOf(job).successPolicy).rules);
  const found = rules.findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return completed.size >= numberOf(succeededCount);
    const wanted = parseIndexes(succeededIndexes);
    const done = [...wanted].filter((index) => completed.has(index)).length;
    return done >= numberOf(succeededCount, wanted.size);
  });
  return found < 0 ? undefined : found;
}
