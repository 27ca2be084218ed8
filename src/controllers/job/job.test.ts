import { expect, it } from "vitest";
import type { KubeObject } from "../../kube/client/index.ts";
import type { Fields } from "../../kube/object.ts";
import { NOW, ownedBy, pod, thing } from "../test-objects.ts";
import { accountOf, TRACKING_FINALIZER } from "./account.ts";
import { formatIndexes, parseIndexes } from "./indexes.ts";
import { expiresIn, planJob } from "./reconcile.ts";

const job = (spec: Fields = {}, status: Fields = {}): KubeObject =>
  thing("Job", "work", {
    spec: { completions: 1, parallelism: 1, backoffLimit: 6, template: { spec: { restartPolicy: "Never" } }, ...spec },
    status: { startTime: "2026-01-01T00:00:00Z", ...status },
  });
const tracked = (name: string, phase: string, parts: Parameters<typeof pod>[1] = {}): KubeObject =>
  pod(name, { phase, ...parts, meta: { ...ownedBy(job()), finalizers: [TRACKING_FINALIZER], ...parts.meta } });
const ended = (name: string, agoMs: number): KubeObject => {
  const failed = tracked(name, "Failed");
  const finishedAt = new Date(NOW - agoMs).toISOString();
  return {
    ...failed,
    status: { ...(failed.status as Fields), containerStatuses: [{ state: { terminated: { finishedAt } } }] },
  };
};

it("counts a pod once, whatever is cut off between the three steps", () => {
  const failed = tracked("a", "Failed");
  const noted = accountOf(job(), [failed]);
  expect(noted).toMatchObject({ failed: 1, status: { uncountedTerminatedPods: { failed: ["uid-a"] } } });
  expect(noted.status).not.toHaveProperty("failed");
  // written, and seen again before the finalizer is gone
  expect(accountOf(job({}, noted.status), [failed])).toEqual(noted);
  const free = { ...failed, metadata: { ...failed.metadata, finalizers: [] } };
  const counted = accountOf(job({}, noted.status), [free]);
  expect(counted).toMatchObject({ failed: 1, status: { failed: 1, uncountedTerminatedPods: {} } });
  expect(accountOf(job({}, counted.status), [free])).toEqual(counted);
  // gone before anybody looked again
  expect(accountOf(job({}, noted.status), [])).toEqual(counted);
});

it("waits longer after each failure in a row", () => {
  const waits = [1, 2, 3].map((count) => {
    const pods = Array.from({ length: count }, (_, index) => ended(`p${index}`, 1000));
    const plan = planJob(job(), pods, NOW);
    return [plan.create.length, plan.lookAgainIn];
  });
  expect(waits).toEqual([
    [0, 9000],
    [0, 19_000],
    [0, 39_000],
  ]);
  expect(planJob(job(), [ended("p", 10_000)], NOW).create).toHaveLength(1);
});

it("fails at its deadline, takes its pods away, and is over when they are", () => {
  const late = job({ activeDeadlineSeconds: 3600 });
  const plan = planJob(late, [tracked("a", "Running")], NOW);
  expect(plan.remove).toHaveLength(1);
  expect(plan.status.conditions).toMatchObject([{ type: "FailureTarget", reason: "DeadlineExceeded" }]);
  const after = planJob({ ...late, status: plan.status }, [], NOW);
  expect(after.status.conditions).toMatchObject([{ type: "FailureTarget" }, { type: "Failed" }]);
  expect(planJob(job({ activeDeadlineSeconds: 3601 }), [tracked("a", "Running")], NOW).lookAgainIn).toBe(1000);
});

it("goes so long after its end as it says, or stays", () => {
  const over = {
    conditions: [{ type: "Complete", status: "True", lastTransitionTime: new Date(NOW - 4000).toISOString() }],
  };
  expect(expiresIn(job({ ttlSecondsAfterFinished: 10 }, over), NOW)).toBe(6000);
  expect(expiresIn(job({ ttlSecondsAfterFinished: 0 }, over), NOW)).toBe(-4000);
  expect(expiresIn(job({}, over), NOW)).toBeUndefined();
});

it("has no pods and no time running while it is suspended, and begins anew", () => {
  const paused = planJob(job({ suspend: true, activeDeadlineSeconds: 3700 }), [tracked("a", "Running")], NOW);
  expect(paused).toMatchObject({ create: [], lookAgainIn: undefined });
  expect(paused.remove.map(({ metadata }) => metadata.name)).toEqual(["a"]);
  expect(paused.status).toMatchObject({ conditions: [{ type: "Suspended", status: "True" }] });
  expect(paused.status).not.toHaveProperty("startTime");
  const again = planJob({ ...job({ activeDeadlineSeconds: 3700 }), status: paused.status }, [], NOW);
  expect(again.create).toHaveLength(1);
  expect(again.lookAgainIn).toBe(3_700_000);
  expect(again.status).toMatchObject({ conditions: [{ type: "Suspended", status: "False" }] });
});

it("waits for a pod's end before the next one where it is told so", () => {
  const going = tracked("a", "Running", { meta: { deletionTimestamp: "2026-01-01T00:59:59Z" } });
  expect(planJob(job({ podReplacementPolicy: "TerminatingOrFailed" }), [going], NOW).create).toHaveLength(1);
  expect(planJob(job({ podReplacementPolicy: "Failed" }), [going], NOW)).toMatchObject({
    create: [],
    status: { terminating: 1 },
  });
});

it("counts restarts in place where containers are restarted", () => {
  const restarting = tracked("a", "Running");
  const status = { ...(restarting.status as Fields), containerStatuses: [{ restartCount: 2 }] };
  const spec = { backoffLimit: 2, template: { spec: { restartPolicy: "OnFailure" } } };
  expect(planJob(job(spec), [{ ...restarting, status }], NOW).remove).toHaveLength(1);
});

it.each(["", "0", "0,1", "0-2", "0,1,3-5,7"])("writes indexes as it reads them: %j", (text) => {
  expect(formatIndexes(parseIndexes(text))).toBe(text);
});
