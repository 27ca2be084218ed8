import type { KubeObject } from "../../kube/client/index.ts";
import { type Fields, fieldsOf, timestamp } from "../../kube/object.ts";
import {
  conditionOf,
  controllerReference,
  hasCondition,
  hasEnded,
  isActive,
  isReady,
  numberOf,
  objectsOf,
  specOf,
  statusOf,
  stays,
  withCondition,
} from "../objects.ts";
import { podFromTemplate } from "../pod-from-template.ts";
import { leastWorth } from "../replicaset/reconcile.ts";
import { type Account, accountOf, TRACKING_FINALIZER } from "./account.ts";
import {
  countsPerIndex,
  failureMarks,
  failuresWith,
  failureVerdict,
  INDEX_ANNOTATION,
  indexOf,
  lastFailed,
  metSuccessRule,
} from "./policies.ts";

const FIRST_BACKOFF_MS = 10_000;
const LONGEST_BACKOFF_MS = 600_000;

/** Why a job ends, as its conditions say it. */
interface Ending {
  readonly type: "Failed" | "Complete";
  readonly reason: string;
  readonly message: string;
}

export interface JobPlan {
  readonly create: readonly KubeObject[];
  readonly remove: readonly KubeObject[];
  readonly status: Fields;
  /** Milliseconds until time alone changes something. */
  readonly lookAgainIn: number | undefined;
}

/** True when nothing more will run. */
export function isFinished(job: KubeObject): boolean {
  return hasCondition(job, "Complete") || hasCondition(job, "Failed");
}

function newPod(job: KubeObject, index?: number, marks: Record<string, string> = {}): KubeObject {
  const template = fieldsOf(specOf(job).template);
  const pod = podFromTemplate(job, controllerReference(job, "batch", "v1", "Job"), template);
  const finalizers = [...(pod.metadata.finalizers ?? []), TRACKING_FINALIZER];
  if (index === undefined) return { ...pod, metadata: { ...pod.metadata, finalizers } };
  const { name } = job.metadata;
  const mark = { [INDEX_ANNOTATION]: String(index) };
  const spec = fieldsOf(pod.spec);
  const variable = {
    name: "JOB_COMPLETION_INDEX",
    valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${INDEX_ANNOTATION}']` } },
  };
  const withIndex = (container: Fields): Fields => ({ ...container, env: [...objectsOf(container.env), variable] });
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      finalizers,
      generateName: `${name}-${index}-`,
      annotations: { ...pod.metadata.annotations, ...mark, ...marks },
      labels: { ...pod.metadata.labels, ...mark },
    },
    spec: {
      ...spec,
      hostname: `${name}-${index}`,
      containers: objectsOf(spec.containers).map(withIndex),
      ...(spec.initContainers ? { initContainers: objectsOf(spec.initContainers).map(withIndex) } : {}),
    },
  };
}

function finishedAt(pod: KubeObject): number {
  const ends = objectsOf(statusOf(pod).containerStatuses).map((container) =>
    Date.parse(String(fieldsOf(fieldsOf(container.state).terminated).finishedAt)),
  );
  return Math.max(...ends.filter((end) => !Number.isNaN(end)), Date.parse(pod.metadata.creationTimestamp ?? ""));
}

/** How long the next pod has to wait: ever longer with each failure since the last success. */
function backoffIn(pods: readonly KubeObject[], now: number): number {
  const ended = pods.filter(hasEnded);
  const ends = (phase: string) => ended.filter((pod) => statusOf(pod).phase === phase).map(finishedAt);
  const lastSuccess = Math.max(0, ...ends("Succeeded"));
  const failures = ends("Failed").filter((end) => end > lastSuccess);
  if (failures.length === 0) return 0;
  const wait = Math.min(FIRST_BACKOFF_MS * 2 ** (failures.length - 1), LONGEST_BACKOFF_MS);
  return Math.max(0, Math.max(...failures) + wait - now);
}

/** The same for one index, after its own failures. */
function indexBackoffIn(job: KubeObject, pods: readonly KubeObject[], index: number, now: number): number {
  const last = lastFailed(pods, index);
  if (last === undefined) return 0;
  const { counted, ignored } = failuresWith(job, last);
  const wait = Math.min(FIRST_BACKOFF_MS * 2 ** (counted + ignored - 1), LONGEST_BACKOFF_MS);
  return Math.max(0, finishedAt(last) + wait - now);
}

function restartsOf(pods: readonly KubeObject[]): number {
  const containers = pods.flatMap((pod) => [
    ...objectsOf(statusOf(pod).containerStatuses),
    ...objectsOf(statusOf(pod).initContainerStatuses),
  ]);
  return containers.reduce((sum, { restartCount }) => sum + numberOf(restartCount), 0);
}

function isOverLimit(spec: Fields, { failed }: Account, active: readonly KubeObject[]): boolean {
  const limit = numberOf(spec.backoffLimit, 6);
  if (failed > limit) return true;
  if (fieldsOf(fieldsOf(spec.template).spec).restartPolicy !== "OnFailure") return false;
  const restarts = restartsOf(active);
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

/** An ending that was decided earlier: it stays, whatever comes. */
function decidedEnding(job: KubeObject): Ending | undefined {
  for (const [target, type] of [
    ["FailureTarget", "Failed"],
    ["SuccessCriteriaMet", "Complete"],
  ] as const) {
    const { status, reason, message } = conditionOf(job, target) ?? {};
    if (status === "True") return { type, reason: String(reason), message: String(message) };
  }
  return undefined;
}

/** What indexes by themselves bring a job to. */
function indexedEnding(job: KubeObject, account: Account, active: readonly KubeObject[]): Ending | undefined {
  const { completions, maxFailedIndexes } = specOf(job);
  const lost = account.failedIndexes.size;
  const tooMany = "Job has exceeded the specified maximal number of failed indexes";
  if (typeof maxFailedIndexes === "number" && lost > maxFailedIndexes)
    return { type: "Failed", reason: "MaxFailedIndexesExceeded", message: tooMany };
  const rule = metSuccessRule(job, account.completed);
  if (rule !== undefined)
    return { type: "Complete", reason: "SuccessPolicy", message: `Matched rules at index ${rule}` };
  const isOver = lost > 0 && account.succeeded + lost >= numberOf(completions) && active.length === 0;
  return isOver ? { type: "Failed", reason: "FailedIndexes", message: "Job has failed indexes" } : undefined;
}

function endingOf(
  job: KubeObject,
  account: Account,
  pods: readonly KubeObject[],
  active: readonly KubeObject[],
  now: number,
): Ending | undefined {
  const spec = specOf(job);
  const decided = decidedEnding(job);
  if (decided) return decided;
  const verdicts = pods.map((pod) => failureVerdict(job, pod));
  const failing = verdicts.find((verdict) => verdict?.action === "FailJob");
  if (failing) return { type: "Failed", reason: "PodFailurePolicy", message: failing.message };
  if (isOverLimit(spec, account, active))
    return { type: "Failed", reason: "BackoffLimitExceeded", message: "Job has reached the specified backoff limit" };
  const { startTime } = statusOf(job);
  const deadline = spec.activeDeadlineSeconds;
  if (startTime !== undefined && typeof deadline === "number" && Date.parse(String(startTime)) + deadline * 1000 <= now)
    return { type: "Failed", reason: "DeadlineExceeded", message: "Job was active longer than specified deadline" };
  const indexed = indexedEnding(job, account, active);
  if (indexed) return indexed;
  const isComplete =
    spec.completions === undefined
      ? account.succeeded > 0 && active.length === 0
      : account.succeeded >= numberOf(spec.completions) && active.length === 0;
  const message = "Reached expected number of succeeded pods";
  return isComplete ? { type: "Complete", reason: "CompletionsReached", message } : undefined;
}

/** The conditions of a job that ends: first what it comes to, and that it has when no pod of it is left to run. */
function endedConditions(job: KubeObject, { type, reason, message }: Ending, isOver: boolean, now: string): Fields[] {
  const fields = { status: "True", lastProbeTime: now, reason, message };
  const before = type === "Failed" ? "FailureTarget" : "SuccessCriteriaMet";
  const first = hasCondition(job, before)
    ? objectsOf(statusOf(job).conditions)
    : withCondition(statusOf(job).conditions, { type: before, ...fields }, now);
  return isOver ? withCondition(first, { type, ...fields }, now) : first;
}

function suspension(job: KubeObject, now: string): unknown {
  const { conditions } = statusOf(job);
  const wanted = specOf(job).suspend === true;
  if (hasCondition(job, "Suspended") === wanted) return conditions;
  const [status, reason, message] = wanted
    ? ["True", "JobSuspended", "Job suspended"]
    : ["False", "JobResumed", "Job resumed"];
  return withCondition(conditions, { type: "Suspended", status, lastProbeTime: now, reason, message }, now);
}

/** The pods to add, or how many there are too many. */
function wantedPods(
  job: KubeObject,
  account: Account,
  pods: readonly KubeObject[],
  now: number,
): KubeObject[] | number {
  const spec = specOf(job);
  const waitsForEnd = spec.podReplacementPolicy === "Failed";
  const active = pods.filter(isActive);
  const busy = waitsForEnd ? pods.filter((pod) => !hasEnded(pod)) : active;
  const parallelism = numberOf(spec.parallelism, 1);
  const open = numberOf(spec.completions) - account.succeeded - account.failedIndexes.size;
  const left = spec.completions === undefined ? parallelism : open;
  const hasWorker = spec.completions === undefined && account.succeeded > 0;
  const wanted = hasWorker ? active.length : Math.min(parallelism, left);
  if (active.length > wanted) return active.length - wanted;
  const missing = Math.max(0, wanted - busy.length);
  if (spec.completionMode !== "Indexed") return Array.from({ length: missing }, () => newPod(job));
  const taken = new Set([...account.completed, ...account.failedIndexes, ...busy.map(indexOf)]);
  const free = Array.from({ length: numberOf(spec.completions) }, (_, index) => index).filter((i) => !taken.has(i));
  const marksOf = (index: number) => failureMarks(failuresWith(job, lastFailed(pods, index)));
  // an index that has to wait keeps no other one from its turn
  const failed = countsPerIndex(job) ? new Set(pods.filter(hasEnded).map(indexOf)) : new Set<number>();
  const waits = free.filter((index) => failed.has(index) && indexBackoffIn(job, pods, index, now) > 0);
  const turns = [...free.filter((index) => !waits.includes(index)), ...waits];
  return turns.slice(0, missing).map((index) => newPod(job, index, countsPerIndex(job) ? marksOf(index) : {}));
}

function countsOf(job: KubeObject, pods: readonly KubeObject[]): Fields {
  const active = pods.filter(isActive);
  const { startTime } = statusOf(job);
  return {
    ...(startTime === undefined ? {} : { startTime }),
    ...(active.length > 0 ? { active: active.length } : {}),
    ready: active.filter(isReady).length,
    terminating: pods.filter((pod) => !stays(pod) && !hasEnded(pod)).length,
  };
}

/** What a job wants done, given the pods that are its own; not to be asked of one that has finished. `now` is milliseconds since the epoch. */
export function planJob(job: KubeObject, pods: readonly KubeObject[], now: number): JobPlan {
  const spec = specOf(job);
  const account = accountOf(job, pods);
  const active = pods.filter(isActive);
  const at = timestamp(now);
  const conditions = suspension(job, at);
  const status: Fields = { ...countsOf(job, pods), ...account.status, ...(conditions ? { conditions } : {}) };
  const nothing = { create: [], remove: [], lookAgainIn: undefined };
  const ending = endingOf(job, account, pods, active, now);
  if (ending !== undefined) {
    // as long as a pod runs or waits to be counted, the job is not over
    const isCounted = Object.keys(fieldsOf(account.status.uncountedTerminatedPods)).length === 0;
    const isOver = isCounted && pods.every((pod) => hasEnded(pod));
    status.conditions = endedConditions({ ...job, status }, ending, isOver, at);
    if (isOver && ending.type === "Complete") status.completionTime = at;
    return { ...nothing, remove: active, status };
  }
  if (spec.suspend === true) {
    delete status.startTime;
    return { ...nothing, remove: active, status };
  }
  status.startTime ??= at;
  const deadline = spec.activeDeadlineSeconds;
  const deadlineIn =
    typeof deadline === "number" ? Date.parse(String(status.startTime)) + deadline * 1000 - now : undefined;
  const wanted = wantedPods(job, account, pods, now);
  if (typeof wanted === "number") return { ...nothing, remove: leastWorth(active, wanted), status };
  const whole = countsPerIndex(job) || wanted.length === 0 ? 0 : backoffIn(pods, now);
  const waits = wanted.map((pod) => (countsPerIndex(job) ? indexBackoffIn(job, pods, indexOf(pod), now) : whole));
  const times = [deadlineIn, ...waits.filter((wait) => wait > 0)].filter((time) => time !== undefined);
  const lookAgainIn = times.length === 0 ? undefined : Math.max(1, Math.min(...times));
  return { create: wanted.filter((_, position) => waits[position] === 0), remove: [], status, lookAgainIn };
}

/** Milliseconds until a finished job goes by itself, none or less when it is time; undefined for one that stays. */
export function expiresIn(job: KubeObject, now: number): number | undefined {
  const { ttlSecondsAfterFinished: seconds } = specOf(job);
  if (typeof seconds !== "number") return undefined;
  const end = objectsOf(statusOf(job).conditions).find(({ type }) => type === "Complete" || type === "Failed");
  return Date.parse(String(end?.lastTransitionTime)) + seconds * 1000 - now;
}
