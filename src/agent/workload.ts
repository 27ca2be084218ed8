import { controllerOf, type KubeObject } from "../kube/object.ts";

export interface Workload {
  readonly name: string;
  readonly kind: string;
}

/** A Job that a CronJob made ends with the minute that it was made for. */
const OF_CRON_JOB = /^(.+)-\d{8,10}$/;

/**
 * What a person would name as the pod's owner, by the rules of upstream's `GetWorkloadMetaFromPod`: the Deployment of a
 * ReplicaSet, the CronJob of a Job, OpenShift's DeploymentConfig of a ReplicationController, else who controls the pod.
 * Undefined for a pod that nobody controls.
 */
export function workloadOf(pod: KubeObject): Workload | undefined {
  const controller = controllerOf(pod);
  if (controller === undefined) return undefined;
  const { name, kind } = controller;
  const labels = pod.metadata.labels ?? {};
  const hash = labels["pod-template-hash"];
  if (kind === "ReplicaSet" && hash && name.endsWith(hash))
    return { name: name.slice(0, -hash.length).replace(/-$/, ""), kind: "Deployment" };
  const config = labels["deploymentconfig"];
  if (kind === "ReplicationController" && config) return { name: config, kind: "DeploymentConfig" };
  const cronJob = kind === "Job" ? OF_CRON_JOB.exec(name)?.[1] : undefined;
  return cronJob === undefined ? { name, kind } : { name: cronJob, kind: "CronJob" };
}
