import type { KubeObject } from "../../kube/client/index.ts";
import { type Fields, fieldsOf } from "../../kube/object.ts";
import {
  availableIn,
  controllerReference,
  hasEnded,
  isReady,
  labelsOf,
  numberOf,
  objectsOf,
  specOf,
  statusOf,
  stays,
} from "../objects.ts";
import { podFromTemplate } from "../pod-from-template.ts";

/** Names the revision that a pod was made of. */
export const REVISION_LABEL = "controller-revision-hash";
const POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name";
const POD_INDEX_LABEL = "apps.kubernetes.io/pod-index";

/** A revision by its name, with its pods' template. */
export interface Revision {
  readonly name: string;
  readonly template: Fields;
}

export interface StatefulPlan {
  readonly create: readonly KubeObject[];
  readonly remove: readonly KubeObject[];
  readonly status: Fields;
  /** Milliseconds until a pod becomes available by time alone. */
  readonly lookAgainIn: number | undefined;
}

interface Wish {
  readonly set: KubeObject;
  readonly current: Revision;
  readonly update: Revision;
  /** The ordinals that are to be, in order. */
  readonly ordinals: readonly number[];
  /** Ordinals below it stay on the current revision. */
  readonly partition: number;
  readonly isOrdered: boolean;
  /** Pods by ordinal. */
  readonly pods: ReadonlyMap<number, KubeObject>;
  readonly isAvailable: (pod: KubeObject) => boolean;
}

/** The number behind a pod's last hyphen; undefined when the name is not one of the set's. */
export function ordinalOf(set: KubeObject, pod: KubeObject): number | undefined {
  const rest = pod.metadata.name.slice(set.metadata.name.length);
  return pod.metadata.name.startsWith(set.metadata.name) && /^-(0|[1-9]\d*)$/.test(rest)
    ? Number(rest.slice(1))
    : undefined;
}

/** Claimed volumes are empty directories: the lab has no persistent ones, and says so when the set is made. */
function volumesOf(set: KubeObject, spec: Fields): Fields[] {
  const claims = objectsOf(specOf(set).volumeClaimTemplates).map((claim) => String(fieldsOf(claim.metadata).name));
  const others = objectsOf(spec.volumes).filter(({ name }) => !claims.includes(String(name)));
  return [...others, ...claims.map((name) => ({ name, emptyDir: {} }))];
}

function newPod({ set, current, update, partition }: Wish, ordinal: number): KubeObject {
  const isOld = fieldsOf(specOf(set).updateStrategy).type === "RollingUpdate" && ordinal < partition;
  const revision = isOld ? current : update;
  const pod = podFromTemplate(set, controllerReference(set, "apps", "v1", "StatefulSet"), revision.template);
  const { generateName: _, ...metadata } = pod.metadata;
  const name = `${set.metadata.name}-${ordinal}`;
  const labels = {
    ...metadata.labels,
    [POD_NAME_LABEL]: name,
    [POD_INDEX_LABEL]: String(ordinal),
    [REVISION_LABEL]: revision.name,
  };
  const spec = fieldsOf(pod.spec);
  const volumes = volumesOf(set, spec);
  const { serviceName } = specOf(set);
  return {
    ...pod,
    metadata: { ...metadata, name, labels },
    spec: {
      ...spec,
      hostname: name,
      ...(serviceName ? { subdomain: serviceName } : {}),
      ...(volumes.length > 0 ? { volumes } : {}),
    },
  };
}

interface Steps {
  readonly create: KubeObject[];
  readonly remove: KubeObject[];
}

/** Makes what is missing, in order. False = nothing more may be done before what is there has come up, or gone. */
function fill(wish: Wish, steps: Steps): boolean {
  for (const ordinal of wish.ordinals) {
    const pod = wish.pods.get(ordinal);
    if (pod === undefined) steps.create.push(newPod(wish, ordinal));
    else if (stays(pod) && hasEnded(pod)) steps.remove.push(pod);
    else if (stays(pod) && wish.isAvailable(pod)) continue;
    if (wish.isOrdered) return false;
  }
  return true;
}

/** Gives up pods beyond the wanted ones, the last first; in order means one by one, and while the others are well. */
function shrink(wish: Wish, steps: Steps): boolean {
  const { ordinals, pods, isOrdered } = wish;
  const condemned = [...pods].filter(([ordinal]) => !ordinals.includes(ordinal)).sort(([a], [b]) => b - a);
  for (const [, pod] of condemned) {
    if (stays(pod)) steps.remove.push(pod);
    if (isOrdered) return false;
  }
  return condemned.length === 0;
}

/** Replaces one pod of an older revision, the last first, when all behind it are well. */
function roll({ set, update, partition, ordinals, pods, isAvailable }: Wish, steps: Steps): void {
  if (fieldsOf(specOf(set).updateStrategy).type === "OnDelete") return;
  for (const ordinal of [...ordinals].reverse()) {
    const pod = pods.get(ordinal);
    if (pod === undefined || ordinal < partition) return;
    if (labelsOf(pod)[REVISION_LABEL] !== update.name && stays(pod)) {
      steps.remove.push(pod);
      return;
    }
    if (!stays(pod) || !isAvailable(pod)) return;
  }
}

function nextStatus({ set, current, update, ordinals, pods, isAvailable }: Wish): Fields {
  const present = [...pods.values()].filter((pod) => !hasEnded(pod));
  const wanted = ordinals.length;
  const kept = present.filter(stays);
  const count = (test: (pod: KubeObject) => boolean) => kept.filter(test).length;
  const of = (revision: Revision) => count((pod) => labelsOf(pod)[REVISION_LABEL] === revision.name);
  const ready = count(isReady);
  const isDone =
    fieldsOf(specOf(set).updateStrategy).type === "RollingUpdate" &&
    present.length === wanted &&
    of(update) === wanted &&
    ready === wanted;
  const currentReplicas = isDone ? of(update) : of(current);
  const nonZero = { readyReplicas: ready, currentReplicas, updatedReplicas: of(update) };
  const { conditions } = statusOf(set);
  return {
    replicas: present.length,
    availableReplicas: count(isAvailable),
    ...Object.fromEntries(Object.entries(nonZero).filter(([, value]) => value > 0)),
    currentRevision: isDone ? update.name : current.name,
    updateRevision: update.name,
    observedGeneration: numberOf(set.metadata.generation),
    collisionCount: numberOf(statusOf(set).collisionCount),
    ...(conditions ? { conditions } : {}),
  };
}

/**
 * What a stateful set wants done, given the pods that are its own. `current` is the revision that its status names, `update` that of its
 * template now; they are the same when nothing is being rolled out. `now` is milliseconds since the epoch.
 */
export function planStatefulSet(
  set: KubeObject,
  own: readonly KubeObject[],
  { current, update }: { readonly current: Revision; readonly update: Revision },
  now: number,
): StatefulPlan {
  const spec = specOf(set);
  const start = numberOf(fieldsOf(spec.ordinals).start);
  const minReady = numberOf(spec.minReadySeconds);
  const pods = new Map<number, KubeObject>();
  for (const pod of own) {
    const ordinal = ordinalOf(set, pod);
    if (ordinal !== undefined) pods.set(ordinal, pod);
  }
  const wish: Wish = {
    ...{ set, current, update, pods },
    ordinals: Array.from({ length: numberOf(spec.replicas, 1) }, (_, index) => start + index),
    partition: start + numberOf(fieldsOf(fieldsOf(spec.updateStrategy).rollingUpdate).partition),
    isOrdered: spec.podManagementPolicy !== "Parallel",
    isAvailable: (pod) => availableIn(pod, minReady, now) === 0,
  };
  const steps: Steps = { create: [], remove: [] };
  if (fill(wish, steps) && shrink(wish, steps)) roll(wish, steps);
  const waits = own.map((pod) => availableIn(pod, minReady, now) ?? 0).filter((wait) => wait > 0);
  return {
    ...steps,
    status: nextStatus(wish),
    lookAgainIn: waits.length === 0 ? undefined : Math.min(...waits),
  };
}
