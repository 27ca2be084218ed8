import { equalJson, type Fields, fieldsOf, isFields, type KubeObject, listOf } from "../../object.ts";
import { defaultPodSpec, setDefault } from "./pod.ts";

/** The defaults of a template's pods. */
export function defaultTemplate(spec: Fields): void {
  const template = fieldsOf(spec.template);
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

const TEMPLATE_GENERATION = "deprecated.daemonset.template.generation";

/** A daemon set counts its templates in an annotation, for clients that are older than revisions. */
export function countTemplates(next: KubeObject, old?: KubeObject): void {
  const before = Number(old?.metadata.annotations?.[TEMPLATE_GENERATION] ?? 0);
  const changed = !equalJson(fieldsOf(next.spec).template, fieldsOf(old?.spec).template);
  const count = String(before + (changed ? 1 : 0));
  next.metadata.annotations = { ...next.metadata.annotations, [TEMPLATE_GENERATION]: count };
}

/** Daemon sets: rolling update, one node at a time. */
export function defaultDaemonSet(object: KubeObject): void {
  object.metadata.annotations = { [TEMPLATE_GENERATION]: "0", ...object.metadata.annotations };
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
