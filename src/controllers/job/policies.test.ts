import { expect, it } from "vitest";
import type { KubeObject } from "../../kube/client/index.ts";
import type { Fields } from "../../kube/object.ts";
import { NOW, ownedBy, pod, thing } from "../test-objects.ts";
import { released, TRACKING_FINALIZER } from "./account.ts";
import { planJob } from "./reconcile.ts";

const job = (spec: Fields = {}, status: Fields = {}): KubeObject =>
  thing("Job", "work", {
    spec: { completions: 2, parallelism: 1, backoffLimit: 0, template: { spec: { restartPolicy: "Never" } }, ...spec },
    status: { startTime: "2026-01-01T00:00:00Z", ...status },
  });

/** A pod of an index, with what its container left. */
function ended(name: string, exitCode: number, index = 0, marks: Record<string, string> = {}): KubeObject {
  const annotations = { "batch.kubernetes.io/job-completion-index": String(index), ...marks };
  const meta = { ...ownedBy(job()), finalizers: [TRACKING_FINALIZER], annotations };
  const made = pod(name, { phase: exitCode === 0 ? "Succeeded" : "Failed", meta });
  const finishedAt = new Date(NOW - 11_000).toISOString();
  const containerStatuses = [{ name: "a", state: { terminated: { exitCode, finishedAt } } }];
  return { ...made, status: { ...(made.status as Fields), containerStatuses } };
}

const disrupted = (made: KubeObject): KubeObject => {
  const conditions = [{ type: "DisruptionTarget", status: "True" }];
  return { ...made, status: { ...(made.status as Fields), conditions } };
};

const onExitCodes = (operator: string, values: number[]) => ({ operator, values });
const FAIL = { action: "FailJob", onExitCodes: onExitCodes("In", [42]) };
const IGNORE = { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget" }] };
const COUNT = { action: "Count", onExitCodes: onExitCodes("NotIn", [0]) };

it("a rule decides what a failed pod means: the job's end, nothing, or one failure more; the first that fits", () => {
  const ruled = job({ podFailurePolicy: { rules: [IGNORE, FAIL, COUNT] }, podReplacementPolicy: "Failed" });
  expect(planJob(ruled, [ended("a", 42)], NOW).status.conditions).toMatchObject([
    {
      type: "FailureTarget",
      reason: "PodFailurePolicy",
      message: "Container a for pod default/a failed with exit code 42 matching FailJob rule at index 1",
    },
  ]);
  const ignored = disrupted(ended("a", 42));
  const plan = planJob(ruled, [ignored], NOW);
  expect(plan.create).toHaveLength(1);
  expect(plan.status).toMatchObject({ uncountedTerminatedPods: {} });
  expect(plan.status.conditions).toBeUndefined();
  expect(released(ruled, [ignored])).toEqual([ignored]);
  const others = { action: "FailJob", onExitCodes: onExitCodes("NotIn", [1]) };
  const reasonOf = (code: number) =>
    planJob(job({ podFailurePolicy: { rules: [others] } }), [ended("a", code)], NOW).status.conditions;
  expect(reasonOf(1)).toMatchObject([{ reason: "BackoffLimitExceeded" }]);
  expect(reasonOf(2)).toMatchObject([{ reason: "PodFailurePolicy" }]);
  const counted = planJob(ruled, [ended("a", 1)], NOW).status.conditions;
  expect(counted).toMatchObject([{ reason: "BackoffLimitExceeded" }]);
});

it("an index fails by itself, its pods carry its failures, and the others go on", () => {
  const indexed = (status: Fields = {}, spec: Fields = {}) =>
    job({ completionMode: "Indexed", backoffLimit: 2 ** 31 - 1, backoffLimitPerIndex: 1, ...spec }, status);
  const first = ended("a", 1);
  const second = planJob(indexed(), [first], NOW).create[0]!;
  expect(second.metadata.annotations).toMatchObject({ "batch.kubernetes.io/job-index-failure-count": "1" });
  // the first pod alone knows of the failure until the second is there
  const noted = indexed({ uncountedTerminatedPods: { failed: ["uid-a"] } });
  expect(released(noted, [first])).toEqual([]);
  const again = ended("b", 1, 0, { "batch.kubernetes.io/job-index-failure-count": "1" });
  expect(released(noted, [first, again])).toEqual([first]);
  const plan = planJob(indexed(), [again], NOW);
  expect(plan.status).toMatchObject({ failedIndexes: "0" });
  expect(plan.create.map(({ metadata }) => metadata.generateName)).toEqual(["work-1-"]);
  const over = planJob(indexed({ failedIndexes: "0", completedIndexes: "1" }), [], NOW);
  expect(over.status.conditions).toMatchObject([
    { type: "FailureTarget", reason: "FailedIndexes" },
    { type: "Failed" },
  ]);
  const many = planJob(indexed({ failedIndexes: "0" }, { maxFailedIndexes: 0 }), [], NOW);
  expect(many.status.conditions).toMatchObject([{ reason: "MaxFailedIndexesExceeded" }, { type: "Failed" }]);
  const rule = { action: "FailIndex", onExitCodes: onExitCodes("In", [7]) };
  expect(planJob(indexed({}, { podFailurePolicy: { rules: [rule] } }), [ended("a", 7)], NOW).status).toMatchObject({
    failedIndexes: "0",
  });
});

it("an index that waits after its failure lets others have their turn", () => {
  const indexed = job({ completionMode: "Indexed", backoffLimit: 9, backoffLimitPerIndex: 9 });
  const late = ended("a", 1, 0, { "batch.kubernetes.io/job-index-failure-count": "1" });
  expect(planJob(indexed, [late], NOW).create.map(({ metadata }) => metadata.generateName)).toEqual(["work-1-"]);
  const done = job({ ...(indexed.spec as Fields) }, { completedIndexes: "1" });
  expect(planJob(done, [late], NOW)).toMatchObject({ create: [], lookAgainIn: 9000 });
});

it.each([
  [[{ succeededIndexes: "0,2" }], "0-1", undefined],
  [[{ succeededIndexes: "0,2" }], "0,2", 0],
  [[{ succeededIndexes: "0-2", succeededCount: 2 }], "0,2", 0],
  [[{ succeededIndexes: "1" }, { succeededCount: 3 }], "0,2-3", 1],
])("a job has succeeded when a rule of its success policy is met: %j of %s", (rules, completedIndexes, met) => {
  const spec = { completions: 5, completionMode: "Indexed", successPolicy: { rules } };
  const running = pod("late", { meta: { ...ownedBy(job()), finalizers: [TRACKING_FINALIZER] } });
  const plan = planJob(job(spec, { completedIndexes }), [running], NOW);
  expect(plan.remove).toHaveLength(met === undefined ? 0 : 1);
  const { conditions } = plan.status;
  if (met === undefined) return expect(conditions).toBeUndefined();
  const said = { reason: "SuccessPolicy", message: `Matched rules at index ${met}` };
  expect(conditions).toMatchObject([{ type: "SuccessCriteriaMet", ...said }]);
  const after = planJob(job(spec, { completedIndexes, conditions }), [], NOW);
  expect(after.status.conditions).toMatchObject([{ type: "SuccessCriteriaMet" }, { type: "Complete", ...said }]);
});
