import type { KubeObject } from "../../kube/client/index.ts";
import { type Fields, fieldsOf, listOf } from "../../kube/object.ts";
import { hasCondition, hasEnded, numberOf, specOf, statusOf, stays } from "../objects.ts";
import { formatIndexes, parseIndexes } from "./indexes.ts";
import { countsPerIndex, failedIndexes, failureVerdict, indexOf, isNeeded } from "./policies.ts";

/** Held by a job's pods until they are counted: a pod that somebody deletes is not forgotten. */
export const TRACKING_FINALIZER = "batch.kubernetes.io/job-tracking";

/** What a job's pods have come to. */
export interface Account {
  readonly succeeded: number;
  readonly failed: number;
  /** Only of an indexed job. */
  readonly completed: ReadonlySet<number>;
  /** Indexes that get no other pod, of a job that counts failures for each. */
  readonly failedIndexes: ReadonlySet<number>;
  /** What the status says of it: `succeeded`, `failed`, `completedIndexes`, `uncountedTerminatedPods`. */
  readonly status: Fields;
}

export const isTracked = (pod: KubeObject): boolean => pod.metadata.finalizers?.includes(TRACKING_FINALIZER) === true;

const succeededIn = (pod: KubeObject): boolean => statusOf(pod).phase === "Succeeded";

/** A pod that is told to go has failed, unless its successor must wait for its end (`podReplacementPolicy: Failed`). */
function hasFailed(pod: KubeObject, waitsForEnd: boolean): boolean {
  if (statusOf(pod).phase === "Failed") return true;
  if (stays(pod) || succeededIn(pod)) return false;
  return !waitsForEnd || hasEnded(pod) || pod.metadata.deletionGracePeriodSeconds === 0;
}

/**
 * Counts pods that ended, each once, whatever is cut off in between: an ended pod goes into `uncountedTerminatedPods` first, then loses its
 * finalizer, and is a number when it has none any more.
 */
export function accountOf(job: KubeObject, pods: readonly KubeObject[]): Account {
  const status = statusOf(job);
  const spec = specOf(job);
  const indexed = spec.completionMode === "Indexed";
  const uncounted = fieldsOf(status.uncountedTerminatedPods);
  const tracked = new Set(pods.filter(isTracked).map(({ metadata }) => metadata.uid));
  const [noted, counted] = [
    { succeeded: [] as string[], failed: [] as string[] },
    { succeeded: 0, failed: 0 },
  ];
  for (const kind of ["succeeded", "failed"] as const) {
    counted[kind] = numberOf(status[kind]);
    for (const uid of listOf(uncounted[kind]) as string[]) {
      if (tracked.has(uid)) noted[kind].push(uid);
      else counted[kind]++;
    }
  }
  const known = new Set([...noted.succeeded, ...noted.failed]);
  const completed = parseIndexes(status.completedIndexes);
  const most = indexed ? numberOf(spec.completions) : Number.POSITIVE_INFINITY;
  for (const pod of pods.filter(isTracked)) {
    const { uid = "" } = pod.metadata;
    if (indexed && succeededIn(pod) && indexOf(pod) >= 0 && indexOf(pod) < most) completed.add(indexOf(pod));
    else if (!known.has(uid) && !indexed && succeededIn(pod)) noted.succeeded.push(uid);
    if (isIgnored(job, pod)) continue;
    if (!known.has(uid) && hasFailed(pod, spec.podReplacementPolicy === "Failed")) noted.failed.push(uid);
  }
  const lost = failedIndexes(job, pods.filter(isTracked));
  const hasNoted = noted.succeeded.length + noted.failed.length > 0;
  const numbers = { succeeded: indexed ? completed.size : counted.succeeded, failed: counted.failed };
  return {
    succeeded: indexed ? completed.size : counted.succeeded + noted.succeeded.length,
    failed: counted.failed + noted.failed.length,
    completed,
    failedIndexes: lost,
    status: {
      ...Object.fromEntries(Object.entries(numbers).filter(([, value]) => value > 0)),
      ...(completed.size > 0 ? { completedIndexes: formatIndexes(completed) } : {}),
      ...(countsPerIndex(job) ? { failedIndexes: formatIndexes(lost) } : {}),
      uncountedTerminatedPods: hasNoted
        ? Object.fromEntries(Object.entries(noted).filter(([, uids]) => uids.length > 0))
        : {},
    },
  };
}

/** True for a pod whose failure the job's own rules say not to count. */
function isIgnored(job: KubeObject, pod: KubeObject): boolean {
  return failureVerdict(job, pod)?.action === "Ignore";
}

/** Pods that the job's status, as it is stored, has taken note of: they may go. */
export function released(job: KubeObject, pods: readonly KubeObject[]): KubeObject[] {
  const uncounted = fieldsOf(statusOf(job).uncountedTerminatedPods);
  const uids = new Set([...listOf(uncounted.succeeded), ...listOf(uncounted.failed)]);
  const done = parseIndexes(statusOf(job).completedIndexes);
  const ends = hasCondition(job, "FailureTarget") || hasCondition(job, "SuccessCriteriaMet");
  return pods.filter((pod) => {
    if (!isTracked(pod) || (!ends && isNeeded(job, pods, pod))) return false;
    return uids.has(pod.metadata.uid) || (succeededIn(pod) && done.has(indexOf(pod))) || isIgnored(job, pod);
  });
}
