/** Stateful sets, jobs and cron jobs against the API server, with a kubelet on paper. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { KubeObject } from "../kube/client/index.ts";
import * as kube from "../kube/client/index.ts";
import { type Fields, fieldsOf } from "../kube/object.ts";
import { hasCondition, labelsOf, objectsOf, specOf, statusOf } from "./objects.ts";
import { startTestCluster, type TestCluster, until } from "./test-cluster.ts";

const POD = { apiVersion: "v1", kind: "Pod" };
let cluster: TestCluster;
/** Names of pods that do not come up. */
const broken = new Set<string>();

beforeAll(async () => {
  cluster = await startTestCluster((pod) => !broken.has(pod.metadata.name));
});

afterAll(async () => {
  await cluster.stop();
  expect(cluster.reports).toEqual([]);
});

const create = (ref: kube.ResourceRef, kind: string, name: string, spec: Fields) => {
  const apiVersion = `${ref.group}/${ref.version}`;
  return cluster.server.client.create(ref, { apiVersion, kind, metadata: { name, namespace: "default" }, spec });
};
const patch = (ref: kube.ResourceRef, name: string, spec: Fields) =>
  cluster.server.client.patch(ref, name, { spec }, { namespace: "default", type: "merge" });
const template = (labels: Record<string, string>, image = "x", spec: Fields = {}): Fields => ({
  metadata: { labels },
  spec: { containers: [{ name: "a", image }], ...spec },
});
const podsOf = async (prefix: string): Promise<KubeObject[]> =>
  (await cluster.list(kube.Pods)).filter(({ metadata }) => metadata.name.startsWith(prefix));
const imageOf = (pod: KubeObject) => objectsOf(specOf(pod).containers)[0]?.image;
const imagesOf = async (prefix: string): Promise<string> =>
  (await podsOf(prefix)).map((pod) => `${pod.metadata.name}=${imageOf(pod)}`).join(" ");

test("a stateful set's pods come one after the other, each by its number, with a directory for what they claim", async () => {
  broken.add("db-1");
  await create(kube.StatefulSets, "StatefulSet", "db", {
    serviceName: "db",
    replicas: 3,
    selector: { matchLabels: { app: "db" } },
    template: template({ app: "db" }),
    volumeClaimTemplates: [{ metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOnce"] } }],
  });
  const first = await until(
    () => podsOf("db-"),
    (pods) => pods.length === 2,
  );
  const [pod] = first;
  expect(specOf(pod!)).toMatchObject({ hostname: "db-0", subdomain: "db" });
  expect(objectsOf(specOf(pod!).volumes)).toContainEqual({ name: "data", emptyDir: {} });
  expect(labelsOf(pod!)).toMatchObject({
    "statefulset.kubernetes.io/pod-name": "db-0",
    "apps.kubernetes.io/pod-index": "0",
  });
  const set = await until(
    () => cluster.get(kube.StatefulSets, "db"),
    (item) => statusOf(item).readyReplicas === 1,
  );
  expect(statusOf(set)).toMatchObject({ replicas: 2, currentReplicas: 2, updatedReplicas: 2, availableReplicas: 1 });
  broken.clear();
  await cluster.server.client.delete(kube.Pods, "db-1", { namespace: "default" });
  await until(
    () => cluster.get(kube.StatefulSets, "db"),
    (item) => statusOf(item).readyReplicas === 3,
  );
});

test("an update goes from the last pod to the first, stops at its partition, and can be undone", async () => {
  await patch(kube.StatefulSets, "db", { updateStrategy: { rollingUpdate: { partition: 2 } } });
  await patch(kube.StatefulSets, "db", { template: template({ app: "db" }, "y") });
  await until(
    () => imagesOf("db-"),
    (images) => images === "db-0=x db-1=x db-2=y",
  );
  const half = await until(
    () => cluster.get(kube.StatefulSets, "db"),
    (item) => statusOf(item).updatedReplicas === 1 && statusOf(item).readyReplicas === 3,
  );
  expect(statusOf(half)).toMatchObject({ currentReplicas: 2 });
  expect(statusOf(half).currentRevision).not.toBe(statusOf(half).updateRevision);
  // a pod below the partition comes back as it was
  await cluster.server.client.delete(kube.Pods, "db-0", { namespace: "default" });
  await until(
    () => imagesOf("db-"),
    (images) => images === "db-0=x db-1=x db-2=y",
  );
  await patch(kube.StatefulSets, "db", { updateStrategy: { rollingUpdate: { partition: 0 } } });
  const done = await until(
    () => cluster.get(kube.StatefulSets, "db"),
    (item) => statusOf(item).currentRevision === statusOf(item).updateRevision,
  );
  expect(await imagesOf("db-")).toBe("db-0=y db-1=y db-2=y");
  expect(statusOf(done)).toMatchObject({ currentReplicas: 3, updatedReplicas: 3, readyReplicas: 3 });
  const revisions = await cluster.list(kube.ControllerRevisions);
  const before = revisions.find(({ revision }) => revision === 1)!;
  // as `kubectl rollout undo` does it
  await cluster.server.client.patch(kube.StatefulSets, "db", before.data as object, {
    namespace: "default",
    type: "strategic",
  });
  await until(
    () => imagesOf("db-"),
    (images) => images === "db-0=x db-1=x db-2=x",
  );
  const after = await cluster.list(kube.ControllerRevisions);
  expect(after.map(({ revision }) => revision).sort()).toEqual([2, 3]);
});

test("of too many pods the last goes first, and a set that goes takes all along", async () => {
  await patch(kube.StatefulSets, "db", { replicas: 1 });
  await until(
    () => imagesOf("db-"),
    (images) => images === "db-0=x",
  );
  await cluster.server.client.delete(kube.StatefulSets, "db", {
    namespace: "default",
    propagationPolicy: "Background",
  });
  await until(
    async () => [...(await podsOf("db-")), ...(await cluster.list(kube.ControllerRevisions))],
    (left) => left.length === 0,
  );
});

const jobPod = (spec: Fields = {}) => ({
  spec: { restartPolicy: "Never", containers: [{ name: "a", image: "x" }], ...spec },
});

test("a job runs as many pods as may run at once, counts each that ends, and is complete", async () => {
  await create(kube.Jobs, "Job", "work", { completions: 3, parallelism: 2, template: jobPod() });
  const two = await until(
    () => podsOf("work-"),
    (pods) => pods.length === 2 && pods.every((pod) => statusOf(pod).podIP),
  );
  for (const pod of two) await cluster.end(pod, 0);
  const third = await until(
    () => podsOf("work-"),
    (pods) => pods.length === 3 && pods.every((pod) => statusOf(pod).podIP),
  );
  await cluster.end(third.find((pod) => statusOf(pod).phase === "Running")!, 0);
  const job = await until(
    () => cluster.get(kube.Jobs, "work"),
    (item) => hasCondition(item, "Complete"),
  );
  expect(statusOf(job)).toMatchObject({ succeeded: 3, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
  expect(statusOf(job).completionTime).toBeDefined();
  const left = await until(
    () => podsOf("work-"),
    (pods) => pods.every(({ metadata }) => metadata.finalizers === undefined),
  );
  expect(left).toHaveLength(3);
  await cluster.server.client.delete(kube.Jobs, "work", { namespace: "default", propagationPolicy: "Background" });
  await until(
    () => podsOf("work-"),
    (pods) => pods.length === 0,
  );
});

test("a pod that somebody deletes has failed; beyond the limit the job has", async () => {
  await create(kube.Jobs, "Job", "short", { backoffLimit: 0, template: jobPod() });
  const [pod] = await until(
    () => podsOf("short-"),
    (pods) => pods.some((item) => statusOf(item).podIP),
  );
  await cluster.server.client.delete(kube.Pods, pod!.metadata.name, { namespace: "default" });
  const job = await until(
    () => cluster.get(kube.Jobs, "short"),
    (item) => hasCondition(item, "Failed"),
  );
  expect(statusOf(job)).toMatchObject({ failed: 1 });
  expect(objectsOf(statusOf(job).conditions).map(({ type, reason }) => `${type} ${reason}`)).toEqual([
    "FailureTarget BackoffLimitExceeded",
    "Failed BackoffLimitExceeded",
  ]);
  expect(await podsOf("short-")).toEqual([]);
});

test("an evicted pod of a job that ignores disruptions does not count, and is made anew", async () => {
  const rules = [{ action: "Ignore", onPodConditions: [{ type: "DisruptionTarget" }] }];
  await create(kube.Jobs, "Job", "calm", { backoffLimit: 0, podFailurePolicy: { rules }, template: jobPod() });
  const [pod] = await until(
    () => podsOf("calm-"),
    (pods) => pods.some((item) => statusOf(item).podIP),
  );
  const { name, uid } = pod!.metadata;
  const evict = (of: string | undefined) =>
    cluster.server.client.raw("POST", `/api/v1/namespaces/default/pods/${name}/eviction`, {
      ...{ apiVersion: "policy/v1", kind: "Eviction", metadata: { name } },
      deleteOptions: { preconditions: { uid: of } },
    });
  await expect(evict("another")).rejects.toThrow("the UID in the precondition");
  await evict(uid);
  const [next] = await until(
    () => podsOf("calm-"),
    (pods) => pods.some((item) => item.metadata.uid !== uid && statusOf(item).podIP),
  );
  await cluster.end(next!, 0);
  const job = await until(
    () => cluster.get(kube.Jobs, "calm"),
    (item) => hasCondition(item, "Complete"),
  );
  expect(statusOf(job).failed).toBeUndefined();
});

test("a taint that ends what runs ends pods that do not tolerate it, at once or when their time is over", async () => {
  const taint = { key: "full", operator: "Exists", effect: "NoExecute" };
  const bare = (tolerations: object[] = []) => ({
    nodeName: "k8s-w2",
    containers: [{ name: "a", image: "x" }],
    tolerations,
  });
  const pod = (name: string, spec: Fields) =>
    cluster.server.client.create(kube.Pods, { ...POD, metadata: { name, namespace: "default" }, spec });
  await pod("bears-nothing", bare());
  await pod("bears-a-while", bare([{ ...taint, tolerationSeconds: 1 }]));
  await pod("bears-all", bare([taint]));
  const named = async () => (await podsOf("bears-")).map(({ metadata }) => metadata.name);
  const taints = (list: object[]) =>
    cluster.server.client.patch(kube.Nodes, "k8s-w2", { spec: { taints: list } }, { type: "merge" });
  await until(
    () => podsOf("bears-"),
    (pods) => pods.length === 3 && pods.every((item) => statusOf(item).podIP),
  );
  await taints([{ key: "full", value: "yes", effect: "NoExecute" }]);
  await until(named, (left) => left.join() === "bears-a-while,bears-all");
  await until(named, (left) => left.join() === "bears-all");
  await taints([]);
  const told = (await cluster.list(kube.Events)).filter(({ reason }) => reason === "TaintManagerEviction");
  expect(told.map(({ message }) => message).sort()).toEqual([
    "Marking for deletion Pod default/bears-a-while",
    "Marking for deletion Pod default/bears-nothing",
  ]);
});

test("an indexed job has a pod for each number, and makes a failed one's anew", async () => {
  const spec = { completions: 2, parallelism: 2, completionMode: "Indexed", suspend: true };
  await create(kube.Jobs, "Job", "rows", { ...spec, ttlSecondsAfterFinished: 0, template: jobPod() });
  await until(
    () => cluster.get(kube.Jobs, "rows"),
    (item) => hasCondition(item, "Suspended"),
  );
  expect(await podsOf("rows-")).toEqual([]);
  await patch(kube.Jobs, "rows", { suspend: false });
  const pods = await until(
    () => podsOf("rows-"),
    (found) => found.length === 2 && found.every((item) => statusOf(item).podIP),
  );
  expect(pods.map((pod) => specOf(pod).hostname).sort()).toEqual(["rows-0", "rows-1"]);
  expect(objectsOf(objectsOf(specOf(pods[0]!).containers)[0]!.env)[0]).toMatchObject({ name: "JOB_COMPLETION_INDEX" });
  await cluster.end(pods.find((pod) => specOf(pod).hostname === "rows-1")!, 0);
  const half = await until(
    () => cluster.get(kube.Jobs, "rows"),
    (item) => statusOf(item).completedIndexes === "1",
  );
  expect(statusOf(half)).toMatchObject({ succeeded: 1, active: 1 });
  await cluster.end(pods.find((pod) => specOf(pod).hostname === "rows-0")!, 0);
  // done, and gone at once with its pods
  await until(
    async () => [...(await cluster.list(kube.Jobs)), ...(await podsOf("rows-"))].map(({ metadata }) => metadata.name),
    (left) => !left.some((name) => name.startsWith("rows")),
  );
});

test("jobs and cron jobs that nothing here could honour are refused by name", async () => {
  const refused = async (spec: Fields, ref: kube.ResourceRef = kube.Jobs, kind = "Job") =>
    (await create(ref, kind, "no", spec).catch((error: Error) => error.message)) as string;
  expect(await refused({ template: jobPod({ restartPolicy: "Always" }) })).toContain("restartPolicy: Required");
  expect(await refused({ template: jobPod(), completionMode: "Indexed", parallelism: 1 })).toContain(
    "spec.completions: Required",
  );
  const cron = (schedule: string, rest: Fields = {}) =>
    refused({ schedule, jobTemplate: { spec: { template: jobPod() } }, ...rest }, kube.CronJobs, "CronJob");
  expect(await cron("* * * *")).toContain("expected exactly 5 fields, found 4");
  expect(await cron("* * * * *", { timeZone: "Mars/Olympus" })).toContain("unknown time zone");
});

test("a cron job starts its job once a run, after it by name, and takes it along", async () => {
  await create(kube.CronJobs, "CronJob", "tick", {
    schedule: "@every 1s",
    jobTemplate: { metadata: { labels: { a: "b" } }, spec: { backoffLimit: 0, template: jobPod() } },
  });
  const [job] = await until(
    async () => (await cluster.list(kube.Jobs)).filter(({ metadata }) => metadata.name.startsWith("tick-")),
    (jobs) => jobs.length > 0,
  );
  expect(job!.metadata.name).toMatch(/^tick-\d+$/);
  expect(labelsOf(job!)).toEqual({ a: "b" });
  expect(fieldsOf(job!.metadata.annotations)).toHaveProperty(["batch.kubernetes.io/cronjob-scheduled-timestamp"]);
  const cronJob = await until(
    () => cluster.get(kube.CronJobs, "tick"),
    (item) => objectsOf(statusOf(item).active).length === 1,
  );
  expect(statusOf(cronJob).lastScheduleTime).toBeDefined();
  await cluster.server.client.delete(kube.CronJobs, "tick", { namespace: "default", propagationPolicy: "Background" });
  await until(
    async () => [...(await cluster.list(kube.Jobs)), ...(await podsOf("tick-"))].map(({ metadata }) => metadata.name),
    (left) => !left.some((name) => name.startsWith("tick-")),
  );
});
