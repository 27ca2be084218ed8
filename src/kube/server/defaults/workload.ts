import { type Fields, fieldsOf, isFields, type KubeObject } from "../../object.ts";
import { defaultPodSpec, setDefault } from "./pod.ts";

function defaultTemplate(spec: Fields): void {
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
