/** `kubectl describe` of workloads, field by field. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type KubeObject, Pods } from "../../src/kube/client/index.ts";
import { fieldsOf } from "../../src/kube/object.ts";
import { hasKubectl, KubectlCluster } from "../support/kubectl-cluster.ts";

const lab = new KubectlCluster();

const template = (name: string, more: object = {}): object => ({
  metadata: { labels: { app: name } },
  spec: {
    containers: [{ name: "main", image: "nginx:1.25", ports: [{ containerPort: 80 }] }],
    ...more,
  },
});
const selector = (name: string): object => ({ matchLabels: { app: name } });
const named = (name: string): object => ({ name, labels: { app: name } });

const database = {
  ...{ apiVersion: "apps/v1", kind: "StatefulSet", metadata: named("db") },
  spec: { serviceName: "db", replicas: 2, selector: selector("db"), template: template("db") },
};
const everywhere = {
  ...{ apiVersion: "apps/v1", kind: "DaemonSet", metadata: named("each") },
  spec: { selector: selector("each"), template: template("each") },
};
const job = {
  ...{ apiVersion: "batch/v1", kind: "Job", metadata: named("once") },
  spec: { completions: 2, parallelism: 1, template: template("once", { restartPolicy: "Never" }) },
};
const cron = {
  ...{ apiVersion: "batch/v1", kind: "CronJob", metadata: named("nightly") },
  spec: { schedule: "1 2 3 4 5", jobTemplate: { spec: { template: template("nightly", { restartPolicy: "Never" }) } } },
};

/** Without the random end of a pod's name. */
async function described(what: string): Promise<string> {
  const text = await lab.run(`describe ${what}`);
  return text.replace(/(Created pod: \w+)-[0-9bcdf-hj-np-tv-z]{5}$/gm, "$1-ID");
}

/** The program of each running pod of the job ends well. */
async function endOne(): Promise<void> {
  const pods = await lab.cluster.list(Pods);
  const running = pods.filter((pod) => pod.metadata.labels?.["app"] === "once" && isRunning(pod));
  for (const pod of running) await lab.cluster.end(pod, 0);
}

const isRunning = ({ status }: KubeObject): boolean => fieldsOf(status).phase === "Running";

describe.skipIf(!hasKubectl)("kubectl describe", () => {
  beforeAll(async () => {
    await lab.start();
    lab.write("all.json", database, everywhere, job, cron);
    await lab.run("apply -f DIR/all.json");
    await lab.run("rollout status sts/db --timeout=10s");
    await lab.run("rollout status ds/each --timeout=10s");
    await lab.run("wait pod -l app=once --for=condition=Ready --timeout=10s");
  });
  afterAll(() => lab.cluster.stop());

  it("a StatefulSet", async () => {
    expect(await described("sts db")).toMatchInlineSnapshot(`
      "Name:  db
      Namespace:  default
      CreationTimestamp:  TIME
      Selector:  app=db
      Labels:  app=db
      Annotations:  <none>
      Replicas:  2 desired | 2 total
      Update Strategy:  RollingUpdate
        Partition:  0
      Pods Status:  2 Running / 0 Waiting / 0 Succeeded / 0 Failed
      Pod Template:
        Labels:  app=db
        Containers:
        main:
        Image:  nginx:1.25
        Port:  80/TCP
        Host Port:  0/TCP
        Environment:  <none>
        Mounts:  <none>
        Volumes:  <none>
        Node-Selectors:  <none>
        Tolerations:  <none>
      Volume Claims:  <none>
      Events:
        Type  Reason  Age  From  Message
        ----  ------  ----  ----  -------
        Normal  SuccessfulCreate  AGE  statefulset-controller  create Pod db-0 in StatefulSet db successful
        Normal  SuccessfulCreate  AGE  statefulset-controller  create Pod db-1 in StatefulSet db successful
      "
    `);
  });
  it("a DaemonSet", async () => {
    expect(await described("ds each")).toMatchInlineSnapshot(`
      "Name:  each
      Selector:  app=each
      Node-Selector:  <none>
      Labels:  app=each
      Annotations:  deprecated.daemonset.template.generation: 1
      Desired Number of Nodes Scheduled: 2
      Current Number of Nodes Scheduled: 2
      Number of Nodes Scheduled with Up-to-date Pods: 2
      Number of Nodes Scheduled with Available Pods: 2
      Number of Nodes Misscheduled: 0
      Pods Status:  2 Running / 0 Waiting / 0 Succeeded / 0 Failed
      Pod Template:
        Labels:  app=each
        Containers:
        main:
        Image:  nginx:1.25
        Port:  80/TCP
        Host Port:  0/TCP
        Environment:  <none>
        Mounts:  <none>
        Volumes:  <none>
        Node-Selectors:  <none>
        Tolerations:  <none>
      Events:
        Type  Reason  Age  From  Message
        ----  ------  ----  ----  -------
        Normal  SuccessfulCreate  AGE  daemonset-controller  Created pod: each-ID
        Normal  SuccessfulCreate  AGE  daemonset-controller  Created pod: each-ID
      "
    `);
  });
  it("a Job", async () => {
    expect(await described("job once")).toMatchInlineSnapshot(`
      "Name:  once
      Namespace:  default
      Selector:  batch.kubernetes.io/controller-uid=UID
      Labels:  app=once
      Annotations:  <none>
      Parallelism:  1
      Completions:  2
      Completion Mode:  NonIndexed
      Suspend:  false
      Backoff Limit:  6
      Start Time:  TIME
      Pods Statuses:  1 Active (1 Ready) / 0 Succeeded / 0 Failed
      Pod Template:
        Labels:  app=once
        batch.kubernetes.io/controller-uid=UID
        batch.kubernetes.io/job-name=once
        controller-uid=UID
        job-name=once
        Containers:
        main:
        Image:  nginx:1.25
        Port:  80/TCP
        Host Port:  0/TCP
        Environment:  <none>
        Mounts:  <none>
        Volumes:  <none>
        Node-Selectors:  <none>
        Tolerations:  <none>
      Events:
        Type  Reason  Age  From  Message
        ----  ------  ----  ----  -------
        Normal  SuccessfulCreate  AGE  job-controller  Created pod: once-ID
      "
    `);
  });
  it("a Job that has ended", async () => {
    await endOne();
    await lab.run("wait job once --for=jsonpath={.status.succeeded}=1 --timeout=10s");
    await lab.run("wait pod -l app=once --field-selector=status.phase=Running --for=condition=Ready --timeout=10s");
    await endOne();
    expect(await lab.run("wait job once --for=condition=Complete --timeout=10s")).toBe(
      "job.batch/once condition met\n",
    );
    const text = await described("job once");
    expect(text).toMatch(
      /\nStart Time: {2}TIME\nCompleted At: {2}TIME\nDuration: {2}AGE\nPods Statuses: {2}0 Active \(0 Ready\) \/ 2 Succeeded \/ 0 Failed\n/,
    );
    expect(text).toMatch(/\n {2}Normal {2}Completed {2}AGE {2}job-controller {2}Job completed\n$/);
  });
  it("a CronJob", async () => {
    expect(await described("cronjob nightly")).toMatchInlineSnapshot(`
      "Name:  nightly
      Namespace:  default
      Labels:  app=nightly
      Annotations:  <none>
      Schedule:  1 2 3 4 5
      Concurrency Policy:  Allow
      Suspend:  False
      Successful Job History Limit:  3
      Failed Job History Limit:  1
      Starting Deadline Seconds:  <unset>
      Selector:  <unset>
      Parallelism:  <unset>
      Completions:  <unset>
      Pod Template:
        Labels:  app=nightly
        Containers:
        main:
        Image:  nginx:1.25
        Port:  80/TCP
        Host Port:  0/TCP
        Environment:  <none>
        Mounts:  <none>
        Volumes:  <none>
        Node-Selectors:  <none>
        Tolerations:  <none>
      Last Schedule Time:  <unset>
      Active Jobs:  <none>
      Events:  <none>
      "
    `);
  });
});
