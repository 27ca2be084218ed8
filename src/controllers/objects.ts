/** Readings of API objects that several controllers share. Nothing here changes an object. */
import type { KubeObject, OwnerReference } from "../kube/client/index.ts";
import { type Fields, fieldsOf, groupVersion, listOf } from "../kube/object.ts";

export const specOf = (object: KubeObject): Fields => fieldsOf(object.spec);
export const statusOf = (object: KubeObject): Fields => fieldsOf(object.status);
export const objectsOf = (value: unknown): Fields[] => listOf(value).map(fieldsOf);
export const labelsOf = (object: KubeObject): Record<string, string> => object.metadata.labels ?? {};
export const annotationsOf = (object: KubeObject): Record<string, string> => object.metadata.annotations ?? {};

/** A number field, or what stands for its absence. */
export function numberOf(value: unknown, absent = 0): number {
  return typeof value === "number" ? value : absent;
}

/** A reference by which `owner` runs its dependents and waits for them in a foreground deletion. */
export function controllerReference(owner: KubeObject, group: string, version: string, kind: string): OwnerReference {
  const { name, uid } = owner.metadata;
  const apiVersion = groupVersion(group, version);
  return { apiVersion, kind, name, uid: uid ?? "", controller: true, blockOwnerDeletion: true };
}

/** One condition of an object's status by its type. */
export function conditionOf(object: KubeObject, type: string): Fields | undefined {
  return objectsOf(statusOf(object).conditions).find((condition) => condition.type === type);
}

export function hasCondition(object: KubeObject, type: string): boolean {
  return conditionOf(object, type)?.status === "True";
}

/** True while the object has not been told to go. */
export function stays(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp === undefined;
}

/** True once a pod's containers have ended for good. */
export function hasEnded(pod: KubeObject): boolean {
  const { phase } = statusOf(pod);
  return phase === "Succeeded" || phase === "Failed";
}

/** True for a pod that counts as a replica. */
export function isActive(pod: KubeObject): boolean {
  return stays(pod) && !hasEnded(pod);
}

export function isReady(pod: KubeObject): boolean {
  return hasCondition(pod, "Ready");
}

/**
 * Milliseconds until the pod has been ready for `minReadySeconds`; 0 when it has, undefined while it is not ready.
 * `now` is milliseconds since the epoch.
 */
export function availableIn(pod: KubeObject, minReadySeconds: number, now: number): number | undefined {
  const ready = conditionOf(pod, "Ready");
  if (ready?.status !== "True") return undefined;
  const since = Date.parse(String(ready.lastTransitionTime));
  if (minReadySeconds === 0 || Number.isNaN(since)) return 0;
  return Math.max(0, since + minReadySeconds * 1000 - now);
}

export function isAvailable(pod: KubeObject, minReadySeconds: number, now: number): boolean {
  return availableIn(pod, minReadySeconds, now) === 0;
}

/** Replaces a condition; its transition time changes only with its status. `now` as the API writes times. */
export function withCondition(conditions: unknown, next: Fields, now: string): Fields[] {
  const others = objectsOf(conditions).filter((condition) => condition.type !== next.type);
  const old = objectsOf(conditions).find((condition) => condition.type === next.type);
  const same = old?.status === next.status;
  return [...others, { ...next, lastTransitionTime: same ? old?.lastTransitionTime : now }];
}
