import { type Fields, fieldsOf, isFields, type KubeObject, listOf } from "../../object.ts";
import { defaultPodSpec, setDefault } from "./pod.ts";

/** A template's metadata and the defaults of its pods. */
export function defaultTemplate(spec: Fields): void {
  const template = fieldsOf(spec.template);
  if (isFields(template.metadata)) setDefault(template.metadata, "creationTimestamp", null);
  else if (isFields(spec.template)) template.metadata = { creationTimestamp: null };
  if (isFields(template.spec)) defaultPodSpec(template.spec);
}

/** Deployments: one replica, rolling update by a quarter, ten old revisions kept. */
export function defaultDeployment(object: KubeObject): void {
  const spec = object.spec;
  if (!isFields(spec)) return;
  setDefault(spec, "replicas", 1);
  setDefault(spec, "revisionHistoryLimit", 10);
  setDefault(spec, "progressDeadlineSeconds", 600);
  setDefault(spec, "strategy", {});
  const strategy = fieldsOf(spec.strategy);
  setDefault(strategy, "type", "RollingUpdate");
  if (strategy.type === "RollingUpdate") {
    setDefault(strategy, "rollingUpdate", {});
    setDefault(fieldsOf(strategy.rollingUpdate), "maxUnavailable", "25%");
    setDefault(fieldsOf(strategy.rollingUpdate), "maxSurge", "25%");
  }
  defaultTemplate(spec);
}

/** Replica sets: one replica. */
export function defaultReplicaSet(object: KubeObject): void {
  const spec = object.spec;
  if (!isFields(spec)) return;
  setDefault(spec, "replicas", 1);
  defaultTemplate(spec);
}

/** Daemon sets: rolling update, one node at a time. */
export function defaultDaemonSet(object: KubeObject): void {
  const spec = object.spec;
  if (!isFields(spec)) return;
  setDefault(spec, "revisionHistoryLimit", 10);
  setDefault(spec, "updateStrategy", {});
  const strategy = fieldsOf(spec.updateStrategy);
  setDefault(strategy, "type", "RollingUpdate");
  if (strategy.type === "RollingUpdate") {
    setDefault(strategy, "rollingUpdate", {});
    setDefault(fieldsOf(strategy.rollingUpdate), "maxUnavailable", 1);
    setDefault(fieldsOf(strategy.rollingUpdate), "maxSurge", 0);
  }
  defaultTemplate(spec);
}

/** Stateful sets: one replica, one pod after the other, ten old revisions kept. */
export function defaultStatefulSet(object: KubeObject): void {
  const spec = object.spec;
  if (!isFields(spec)) return;
  setDefault(spec, "replicas", 1);
  setDefault(spec, "revisionHistoryLimit", 10);
  setDefault(spec, "podManagementPolicy", "OrderedReady");
  setDefault(spec, "persistentVolumeClaimRetentionPolicy", {});
  const retention = fieldsOf(spec.persistentVolumeClaimRetentionPolicy);
  setDefault(retention, "whenDeleted", "Retain");
  setDefault(retention, "whenScaled", "Retain");
  setDefault(spec, "updateStrategy", {});
  const strategy = fieldsOf(spec.updateStrategy);
  setDefault(strategy, "type", "RollingUpdate");
  if (strategy.type === "RollingUpdate") {
    setDefault(strategy, "rollingUpdate", {});
    setDefault(fieldsOf(strategy.rollingUpdate), "partition", 0);
  }
  defaultTemplate(spec);
}

/** Pods of a stateful set run without the volumes that it claims: each gets an empty directory of its own. */
export function claimAdvice(object: KubeObject): string[] {
  return listOf(fieldsOf(object.spec).volumeClaimTemplates).map((claim, index) => {
    const { name } = fieldsOf(fieldsOf(claim).metadata);
    return `spec.volumeClaimTemplates[${index}]: there are no persistent volumes here; ${JSON.stringify(name)} is an empty directory that goes with its pod`;
  });
}
