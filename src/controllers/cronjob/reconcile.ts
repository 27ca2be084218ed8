import type { KubeObject } from "../../kube/client/index.ts";
import { type CronSchedule, nextRun, parseCron } from "../../kube/cron.ts";
import { copyJson, type Fields, fieldsOf, timestamp } from "../../kube/object.ts";
import { isFinished } from "../job/reconcile.ts";
import { conditionOf, controllerReference, hasCondition, numberOf, specOf, statusOf, stays } from "../objects.ts";

const HOUR = 3_600_000;
/** How far back is looked for the last run, step by step: schedules that are due often are found in the first. */
const LOOK_BACK_MS = [HOUR, 24 * HOUR, 31 * 24 * HOUR, 366 * 24 * HOUR];
const SCHEDULED_ANNOTATION = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/** Something that is told of a cron job. */
export interface Notice {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

export interface CronPlan {
  readonly create: KubeObject | undefined;
  readonly remove: readonly KubeObject[];
  readonly notices: readonly Notice[];
  readonly status: Fields;
  /** Milliseconds until it is due again; undefined = never. */
  readonly lookAgainIn: number | undefined;
}

function timeOf(value: unknown): number | undefined {
  return typeof value === "string" ? Date.parse(value) : undefined;
}

/** The last time that it was due after `after`, up to `now`; undefined = it was not. */
function lastDue(schedule: CronSchedule, after: number, now: number, zone: string): number | undefined {
  if (schedule.every !== undefined) {
    const runs = Math.floor((now - after) / schedule.every);
    return runs < 1 ? undefined : after + runs * schedule.every;
  }
  for (const window of LOOK_BACK_MS) {
    let found: number | undefined;
    let at = nextRun(schedule, Math.max(after, now - window), zone);
    for (; at !== undefined && at <= now; at = nextRun(schedule, at, zone)) found = at;
    if (found !== undefined || now - window <= after) return found;
  }
  return undefined;
}

function newJob(cronJob: KubeObject, scheduled: number): KubeObject {
  const { name, namespace = "" } = cronJob.metadata;
  const template = fieldsOf(specOf(cronJob).jobTemplate);
  const { labels, annotations } = fieldsOf(template.metadata);
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      // the same run has the same name: it is never started twice
      name: `${name}-${Math.floor(scheduled / 60_000)}`,
      namespace,
      ...(labels ? { labels: labels as Record<string, string> } : {}),
      annotations: {
        ...(annotations as Record<string, string> | undefined),
        [SCHEDULED_ANNOTATION]: timestamp(scheduled),
      },
      ownerReferences: [controllerReference(cronJob, "batch", "v1", "CronJob")],
    },
    spec: copyJson(fieldsOf(template.spec)),
  };
}

/** What a cron job's status names of a job that runs. */
export function referenceTo({ metadata: { name, namespace, uid, resourceVersion } }: KubeObject): Fields {
  return { apiVersion: "batch/v1", kind: "Job", name, namespace, uid, resourceVersion };
}

/** Finished jobs beyond those that are kept, the oldest first. */
function outlived(cronJob: KubeObject, jobs: readonly KubeObject[]): KubeObject[] {
  const spec = specOf(cronJob);
  const startOf = (job: KubeObject) => timeOf(statusOf(job).startTime) ?? timeOf(job.metadata.creationTimestamp) ?? 0;
  const excess = (type: string, limit: number) => {
    const found = jobs.filter((job) => stays(job) && hasCondition(job, type)).sort((a, b) => startOf(a) - startOf(b));
    return found.slice(0, Math.max(0, found.length - limit));
  };
  return [
    ...excess("Complete", numberOf(spec.successfulJobsHistoryLimit, 3)),
    ...excess("Failed", numberOf(spec.failedJobsHistoryLimit, 1)),
  ];
}

function lastSuccess(cronJob: KubeObject, jobs: readonly KubeObject[]): string | undefined {
  const ends = jobs.filter((job) => hasCondition(job, "Complete")).map((job) => statusOf(job).completionTime);
  const all = [statusOf(cronJob).lastSuccessfulTime, ...ends].filter((end) => typeof end === "string");
  return all.sort().at(-1);
}

const told = (type: Notice["type"], reason: string, message: string): Notice => ({ type, reason, message });

/** What a job that ended since the status was written is told as. */
function endings(cronJob: KubeObject, jobs: readonly KubeObject[]): Notice[] {
  const active = (statusOf(cronJob).active ?? []) as readonly Fields[];
  return active.flatMap(({ name, uid }) => {
    const job = jobs.find((candidate) => candidate.metadata.uid === uid);
    if (job === undefined) return [told("Normal", "MissingJob", `Active job went missing: ${name}`)];
    if (!isFinished(job)) return [];
    const status = conditionOf(job, "Complete")?.status === "True" ? "Complete" : "Failed";
    return [told("Normal", "SawCompletedJob", `Saw completed job: ${name}, condition: ${status}`)];
  });
}

/** What a cron job wants done, given the jobs that are its own. `now` is milliseconds since the epoch. Throws RangeError on a bad schedule. */
export function planCronJob(cronJob: KubeObject, jobs: readonly KubeObject[], now: number): CronPlan {
  const spec = specOf(cronJob);
  const zone = spec.timeZone === undefined ? "UTC" : String(spec.timeZone);
  const schedule = parseCron(String(spec.schedule));
  const active = jobs.filter((job) => stays(job) && !isFinished(job));
  const { lastScheduleTime } = statusOf(cronJob);
  const notices = endings(cronJob, jobs);
  const remove = outlived(cronJob, jobs);
  const success = lastSuccess(cronJob, jobs);
  const status = (running: readonly KubeObject[], scheduled: unknown): Fields => ({
    ...(running.length > 0 ? { active: running.map(referenceTo) } : {}),
    ...(scheduled === undefined ? {} : { lastScheduleTime: scheduled }),
    ...(success === undefined ? {} : { lastSuccessfulTime: success }),
  });
  const idle = { create: undefined, remove, notices, status: status(active, lastScheduleTime) };
  if (spec.suspend === true) return { ...idle, lookAgainIn: undefined };
  const begun = timeOf(lastScheduleTime) ?? timeOf(cronJob.metadata.creationTimestamp) ?? now;
  const next = nextRun(schedule, now, zone);
  const lookAgainIn = next === undefined ? undefined : next - now;
  const due = lastDue(schedule, begun, now, zone);
  if (due === undefined) {
    const soon = schedule.every === undefined ? lookAgainIn : begun + schedule.every - now;
    return { ...idle, lookAgainIn: soon };
  }
  const deadline = spec.startingDeadlineSeconds;
  if (typeof deadline === "number" && due + deadline * 1000 < now) {
    const message = `Missed scheduled time to start a job: ${new Date(due).toUTCString()}`;
    return { ...idle, notices: [...notices, told("Warning", "MissSchedule", message)], lookAgainIn };
  }
  if (spec.concurrencyPolicy === "Forbid" && active.length > 0) {
    const message = "Not starting job because prior execution is running and concurrency policy is Forbid";
    return { ...idle, notices: [...notices, told("Normal", "JobAlreadyActive", message)], lookAgainIn };
  }
  const replaced = spec.concurrencyPolicy === "Replace" ? active : [];
  const running = replaced.length > 0 ? [] : active;
  return {
    create: newJob(cronJob, due),
    remove: [...remove, ...replaced],
    notices,
    status: status(running, timestamp(due)),
    lookAgainIn: schedule.every === undefined ? lookAgainIn : due + schedule.every - now,
  };
}
