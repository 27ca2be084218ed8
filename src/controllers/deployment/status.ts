import type { KubeObject } from "../../kube/client/index.ts";
import { type Fields, timestamp } from "../../kube/object.ts";
import { conditionOf, numberOf, objectsOf, specOf, statusOf, withCondition } from "../objects.ts";
import { isRecreate, replicasOf, rollingBounds } from "./rollout.ts";

/** The sets of a deployment: the one of its template, when there is one, and those before. */
export interface Sets {
  readonly newest: KubeObject | undefined;
  readonly olds: readonly KubeObject[];
}

const sum = (sets: readonly KubeObject[], field: string): number =>
  sets.reduce((total, set) => total + numberOf(statusOf(set)[field]), 0);

function counts(deployment: KubeObject, { newest, olds }: Sets): Fields {
  const all = newest ? [newest, ...olds] : olds;
  const total = all.reduce((count, set) => count + replicasOf(set), 0);
  const available = sum(all, "availableReplicas");
  const fields = {
    replicas: sum(all, "replicas"),
    updatedReplicas: newest ? numberOf(statusOf(newest).replicas) : 0,
    readyReplicas: sum(all, "readyReplicas"),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, total - available),
    collisionCount: numberOf(statusOf(deployment).collisionCount),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== 0));
}

/** True when every pod is of the newest template and works. */
export function isComplete(deployment: KubeObject, status: Fields): boolean {
  const wanted = numberOf(specOf(deployment).replicas, 1);
  return (
    numberOf(status.updatedReplicas) === wanted &&
    numberOf(status.replicas) === wanted &&
    numberOf(status.availableReplicas) === wanted
  );
}

function availableCondition(deployment: KubeObject, status: Fields): Fields {
  const mayMiss = isRecreate(deployment) ? 0 : rollingBounds(deployment).unavailable;
  const least = numberOf(specOf(deployment).replicas, 1) - mayMiss;
  const enough = numberOf(status.availableReplicas) >= least;
  return enough
    ? {
        type: "Available",
        status: "True",
        reason: "MinimumReplicasAvailable",
        message: "Deployment has minimum availability.",
      }
    : {
        type: "Available",
        status: "False",
        reason: "MinimumReplicasUnavailable",
        message: "Deployment does not have minimum availability.",
      };
}

function madeProgress(old: Fields, next: Fields): boolean {
  const grows = (field: string): boolean => numberOf(next[field]) > numberOf(old[field]);
  const oldPods = (status: Fields): number => numberOf(status.replicas) - numberOf(status.updatedReplicas);
  return (
    grows("updatedReplicas") || grows("readyReplicas") || grows("availableReplicas") || oldPods(next) < oldPods(old)
  );
}

/** Milliseconds until the rollout counts as stuck; undefined when it cannot. */
export function deadlineIn(deployment: KubeObject, status: Fields, now: number): number | undefined {
  const seconds = specOf(deployment).progressDeadlineSeconds;
  const progressing = objectsOf(status.conditions).find((condition) => condition.type === "Progressing");
  if (typeof seconds !== "number" || progressing?.status !== "True" || isComplete(deployment, status)) return undefined;
  return Math.max(0, Date.parse(String(progressing.lastUpdateTime)) + seconds * 1000 - now);
}

function progressingCondition(deployment: KubeObject, sets: Sets, status: Fields, now: number): Fields | undefined {
  const old = conditionOf(deployment, "Progressing");
  const name = sets.newest?.metadata.name ?? deployment.metadata.name;
  const at = timestamp(now);
  const make = (reason: string, message: string, value = "True"): Fields => ({
    type: "Progressing",
    status: value,
    reason,
    message,
    lastUpdateTime: at,
  });
  if (isComplete(deployment, status)) {
    if (old?.reason === "NewReplicaSetAvailable" && String(old.message).includes(`"${name}"`)) return old;
    return make("NewReplicaSetAvailable", `ReplicaSet "${name}" has successfully progressed.`);
  }
  if (!old) return make("NewReplicaSetCreated", `Created new replica set "${name}"`);
  const moved = madeProgress(statusOf(deployment), status) || old.reason === "NewReplicaSetAvailable";
  if (moved) return make("ReplicaSetUpdated", `ReplicaSet "${name}" is progressing.`);
  const overdue = deadlineIn(deployment, { ...status, conditions: [old] }, now) === 0;
  if (!overdue) return old;
  return make("ProgressDeadlineExceeded", `ReplicaSet "${name}" has timed out progressing.`, "False");
}

/** The status that a deployment should show, given its sets. */
export function deploymentStatus(deployment: KubeObject, sets: Sets, now: number): Fields {
  const status = { observedGeneration: numberOf(deployment.metadata.generation), ...counts(deployment, sets) };
  const at = timestamp(now);
  let conditions: unknown = statusOf(deployment).conditions;
  for (const next of [availableCondition(deployment, status), progressingCondition(deployment, sets, status, now)]) {
    if (!next) continue;
    const old = objectsOf(conditions).find((condition) => condition.type === next.type);
    const same = old && old.status === next.status && old.reason === next.reason && old.message === next.message;
    if (same && next.type === "Available") continue;
    conditions = same && old === next ? conditions : withCondition(conditions, { lastUpdateTime: at, ...next }, at);
  }
  return { ...status, conditions };
}
