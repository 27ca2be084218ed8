import type { KubeObject } from "../../kube/client/index.ts";
import { equalJson, type Fields, fieldsOf } from "../../kube/object.ts";
import { annotationsOf, controllerReference, labelsOf, numberOf, specOf, statusOf } from "../objects.ts";
import { templateHash } from "./hash.ts";
import {
  isRecreate,
  newSetReplicas,
  proportional,
  replicasOf,
  rollingBounds,
  type Scaling,
  shrinkOldSets,
} from "./rollout.ts";
import type { Sets } from "./status.ts";

export const HASH_LABEL = "pod-template-hash";
export const REVISION = "deployment.kubernetes.io/revision";
const NOT_COPIED = ["kubectl.kubernetes.io/last-applied-configuration", REVISION];

export interface DeploymentPlan {
  /** The replica set of the template, when it has to be made. */
  readonly create: KubeObject | undefined;
  readonly scale: readonly Scaling[];
  /** Old sets beyond the history that is kept. */
  readonly remove: readonly KubeObject[];
  /** The revision that the newest set has or gets. */
  readonly revision: number;
}

function withoutHash(template: unknown): Fields {
  const fields = fieldsOf(template);
  const { [HASH_LABEL]: _, ...labels } = fieldsOf(fieldsOf(fields.metadata).labels);
  return { ...fields, metadata: { ...fieldsOf(fields.metadata), labels } };
}

const revisionOf = (set: KubeObject): number => Number(annotationsOf(set)[REVISION] ?? 0);

/** Tells the set of the deployment's template from the older ones, which come in order of age. */
export function sortSets(deployment: KubeObject, sets: readonly KubeObject[]): Sets {
  const wanted = withoutHash(specOf(deployment).template);
  const byAge = [...sets].sort((a, b) => {
    const difference = Date.parse(a.metadata.creationTimestamp ?? "") - Date.parse(b.metadata.creationTimestamp ?? "");
    return difference || revisionOf(a) - revisionOf(b);
  });
  const newest = byAge.find((set) => equalJson(withoutHash(specOf(set).template), wanted));
  return { newest, olds: byAge.filter((set) => set !== newest) };
}

/** How many replicas the deployment wants, as each of its sets says it. */
export function replicasAnnotations(deployment: KubeObject): Record<string, string> {
  const wanted = numberOf(specOf(deployment).replicas, 1);
  const surge = isRecreate(deployment) ? 0 : rollingBounds(deployment).surge;
  return {
    "deployment.kubernetes.io/desired-replicas": String(wanted),
    "deployment.kubernetes.io/max-replicas": String(wanted + surge),
  };
}

/** Annotations that the newest set carries for its deployment; older ones keep those of their time, such as their cause. */
export function setAnnotations(deployment: KubeObject, revision: number): Record<string, string> {
  const copied = Object.entries(annotationsOf(deployment)).filter(([key]) => !NOT_COPIED.includes(key));
  return { ...Object.fromEntries(copied), ...replicasAnnotations(deployment), [REVISION]: String(revision) };
}

/** The replica set of the deployment's template. */
function newSet(deployment: KubeObject, olds: readonly KubeObject[], revision: number): KubeObject {
  const spec = specOf(deployment);
  const template = fieldsOf(spec.template);
  const hash = templateHash(withoutHash(template), numberOf(statusOf(deployment).collisionCount));
  const labels = { ...(fieldsOf(fieldsOf(template.metadata).labels) as Record<string, string>), [HASH_LABEL]: hash };
  const selector = fieldsOf(spec.selector);
  const set: KubeObject = {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      ...(deployment.metadata.namespace ? { namespace: deployment.metadata.namespace } : {}),
      labels,
      annotations: setAnnotations(deployment, revision),
      ownerReferences: [controllerReference(deployment, "apps", "v1", "Deployment")],
    },
    spec: {
      replicas: 0,
      ...(spec.minReadySeconds === undefined ? {} : { minReadySeconds: spec.minReadySeconds }),
      selector: { ...selector, matchLabels: { ...fieldsOf(selector.matchLabels), [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...fieldsOf(template.metadata), labels } },
    },
  };
  const waits =
    isRecreate(deployment) && olds.some((old) => replicasOf(old) > 0 || numberOf(statusOf(old).replicas) > 0);
  const replicas = waits ? 0 : newSetReplicas(deployment, set, olds);
  return { ...set, spec: { ...specOf(set), replicas } };
}

function scalings(deployment: KubeObject, { newest, olds }: Sets, oldPodsRun: boolean): Scaling[] {
  if (!newest) return isRecreate(deployment) ? olds.map((set) => ({ set, replicas: 0 })) : [];
  if (specOf(deployment).paused === true) return proportional(deployment, [...olds, newest]);
  if (isRecreate(deployment)) {
    const down = olds.map((set) => ({ set, replicas: 0 }));
    const up = oldPodsRun ? [] : [{ set: newest, replicas: newSetReplicas(deployment, newest, olds) }];
    return [...down, ...up];
  }
  const grow = { set: newest, replicas: newSetReplicas(deployment, newest, olds) };
  if (grow.replicas !== replicasOf(newest)) return [grow];
  return shrinkOldSets(deployment, newest, olds);
}

function surplus(deployment: KubeObject, olds: readonly KubeObject[]): KubeObject[] {
  const kept = numberOf(specOf(deployment).revisionHistoryLimit, 10);
  const idle = olds.filter(
    (set) => replicasOf(set) === 0 && numberOf(statusOf(set).replicas) === 0 && !set.metadata.deletionTimestamp,
  );
  return idle.sort((a, b) => revisionOf(a) - revisionOf(b)).slice(0, Math.max(0, idle.length - kept));
}

/**
 * The next step of a deployment. `oldPodsRun`: pods of older templates are still there (Recreate waits for them).
 */
export function planDeployment(deployment: KubeObject, sets: Sets, oldPodsRun: boolean): DeploymentPlan {
  const { newest, olds } = sets;
  const highest = Math.max(0, ...olds.map(revisionOf));
  const revision = newest ? Math.max(revisionOf(newest), highest + (olds.length > 0 ? 1 : 0), 1) : highest + 1;
  const paused = specOf(deployment).paused === true;
  const create = newest || paused ? undefined : newSet(deployment, olds, revision);
  const scale = scalings(deployment, sets, oldPodsRun).filter(({ set, replicas }) => replicasOf(set) !== replicas);
  return { create, scale, remove: surplus(deployment, olds), revision };
}

/** True when another set with the wanted name holds other content: the hash collided. */
export function collides(existing: KubeObject, wanted: KubeObject): boolean {
  const owner = wanted.metadata.ownerReferences?.[0]?.uid;
  const own = existing.metadata.ownerReferences?.some((reference) => reference.uid === owner) ?? false;
  return !own || labelsOf(existing)[HASH_LABEL] !== labelsOf(wanted)[HASH_LABEL];
}
