import { expect, it } from "vitest";
import { workloadOf } from "./workload.ts";

const pod = (owner: object | undefined, labels: Readonly<Record<string, string>> = {}) => ({
  ...{ apiVersion: "v1", kind: "Pod" },
  metadata: {
    ...{ name: "a", namespace: "b", labels },
    ownerReferences:
      owner === undefined ? [] : [{ apiVersion: "v1", uid: "1", controller: true, name: "", kind: "", ...owner }],
  },
});

it.each([
  [{ kind: "ReplicaSet", name: "web-778bb8df55" }, { "pod-template-hash": "778bb8df55" }, "Deployment web"],
  [{ kind: "ReplicaSet", name: "web-undefined" }, {}, "ReplicaSet web-undefined"],
  [{ kind: "ReplicaSet", name: "web" }, { "pod-template-hash": "other" }, "ReplicaSet web"],
  [{ kind: "StatefulSet", name: "db" }, {}, "StatefulSet db"],
  [{ kind: "DaemonSet", name: "log-12345678" }, {}, "DaemonSet log-12345678"],
  [{ kind: "Job", name: "backup-29012345" }, {}, "CronJob backup"],
  [{ kind: "Job", name: "backup-2024" }, {}, "Job backup-2024"],
  [{ kind: "ReplicationController", name: "web-3" }, { deploymentconfig: "web" }, "DeploymentConfig web"],
  [{ kind: "ReplicationController", name: "web-3" }, {}, "ReplicationController web-3"],
  [{ kind: "ReplicaSet", name: "web", controller: false }, {}, undefined],
  [undefined, {}, undefined],
])("the workload of a pod of %j with %j is %s", (owner, labels, expected) => {
  const found = workloadOf(pod(owner, labels));
  expect(found && `${found.kind} ${found.name}`).toBe(expected);
});
