import { expect, it } from "vitest";
import type { KubeObject } from "../../kube/client/index.ts";
import type { Fields } from "../../kube/object.ts";
import { thing } from "../test-objects.ts";
import { planCronJob } from "./reconcile.ts";

const at = (text: string): number => Date.parse(`2026-01-05T${text}Z`);
const cronJob = (spec: Fields, status: Fields = {}): KubeObject =>
  thing("CronJob", "tick", {
    meta: { creationTimestamp: "2026-01-05T10:00:30Z" },
    spec: { schedule: "*/10 * * * *", jobTemplate: { spec: { template: {} } }, ...spec },
    status,
  });
const job = (name: string, condition?: "Complete" | "Failed", startTime = "2026-01-05T10:10:00Z"): KubeObject =>
  thing("Job", name, {
    status: { startTime, ...(condition ? { conditions: [{ type: condition, status: "True" }] } : {}) },
  });
const reasons = (plan: ReturnType<typeof planCronJob>) => plan.notices.map(({ reason }) => reason);

it("waits for the first run after it was made", () => {
  expect(planCronJob(cronJob({}), [], at("10:05:00"))).toMatchObject({ create: undefined, lookAgainIn: 300_000 });
});

it("makes up for the last missed run alone, under a name that the run gives", () => {
  const plan = planCronJob(cronJob({}), [], at("10:45:01"));
  expect(plan.create?.metadata.name).toBe(`tick-${at("10:40:00") / 60_000}`);
  expect(plan.status).toMatchObject({ lastScheduleTime: "2026-01-05T10:40:00Z" });
  expect(plan.lookAgainIn).toBe(at("10:50:00") - at("10:45:01"));
  expect(planCronJob(cronJob({}, plan.status), [], at("10:46:00")).create).toBeUndefined();
});

it("leaves a run that is too late", () => {
  const plan = planCronJob(cronJob({ startingDeadlineSeconds: 60 }), [], at("10:45:00"));
  expect([plan.create, reasons(plan)]).toEqual([undefined, ["MissSchedule"]]);
});

it.each([
  ["Allow", true, []],
  ["Forbid", false, []],
  ["Replace", true, ["old"]],
])("with concurrency policy %s while a job runs", (concurrencyPolicy, starts, removed) => {
  const plan = planCronJob(cronJob({ concurrencyPolicy }), [job("old")], at("10:10:00"));
  expect(plan.create !== undefined).toBe(starts);
  expect(plan.remove.map(({ metadata }) => metadata.name)).toEqual(removed);
});

it("starts nothing while it is suspended, and nothing on a day that never comes", () => {
  expect(planCronJob(cronJob({ suspend: true }), [], at("12:00:00"))).toMatchObject({ create: undefined });
  const never = planCronJob(cronJob({ schedule: "0 0 31 2 *" }), [], at("12:00:00"));
  expect([never.create, never.lookAgainIn]).toEqual([undefined, undefined]);
});

it("keeps as many finished jobs as it says, the newest, and tells of those that ended", () => {
  const jobs = [
    job("good-1", "Complete", "2026-01-05T10:01:00Z"),
    job("good-2", "Complete", "2026-01-05T10:02:00Z"),
    job("bad-1", "Failed", "2026-01-05T10:01:00Z"),
    job("bad-2", "Failed", "2026-01-05T10:02:00Z"),
  ];
  const spec = { successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 0 };
  const active = [
    { name: "good-2", uid: "uid-good-2" },
    { name: "lost", uid: "uid-lost" },
  ];
  const plan = planCronJob(cronJob(spec, { active, lastScheduleTime: "2026-01-05T10:00:00Z" }), jobs, at("10:05:00"));
  expect(plan.remove.map(({ metadata }) => metadata.name)).toEqual(["good-1", "bad-1", "bad-2"]);
  expect(reasons(plan)).toEqual(["SawCompletedJob", "MissingJob"]);
});
