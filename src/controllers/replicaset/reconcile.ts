import type { KubeObject } from "../../kube/client/index.ts";
import { type Fields, fieldsOf } from "../../kube/object.ts";
import {
  availableIn,
  isActive,
  isAvailable,
  isReady,
  labelsOf,
  numberOf,
  objectsOf,
  specOf,
  statusOf,
} from "../objects.ts";

export interface ReplicaPlan {
  /** How many pods to make. */
  readonly create: number;
  readonly remove: readonly KubeObject[];
  readonly status: Fields;
  /** Milliseconds until a pod becomes available by time alone. */
  readonly lookAgainIn: number | undefined;
}

const PHASES = ["Pending", "Unknown", "Running"];

/** Larger: rather kept. Compared from the first number on. */
function worth(pod: KubeObject, pods: readonly KubeObject[]): number[] {
  const node = specOf(pod).nodeName;
  const neighbours = pods.filter((other) => specOf(other).nodeName === node).length;
  const restarts = objectsOf(statusOf(pod).containerStatuses).reduce(
    (sum, item) => sum + numberOf(item.restartCount),
    0,
  );
  return [
    node ? 1 : 0,
    PHASES.indexOf(String(statusOf(pod).phase)),
    isReady(pod) ? 1 : 0,
    Number(annotation(pod, "controller.kubernetes.io/pod-deletion-cost")),
    -neighbours,
    -restarts,
    -Date.parse(pod.metadata.creationTimestamp ?? ""),
  ];
}

function annotation(pod: KubeObject, key: string): string {
  return pod.metadata.annotations?.[key] ?? "0";
}

/** The pods to give up first, in that order: not placed, not running, not ready, crowded, restarting, young. */
export function leastWorth(pods: readonly KubeObject[], count: number): KubeObject[] {
  // each is compared with all others: while a set grows that would be done for nothing
  if (count === 0) return [];
  const ranked = pods.map((pod) => ({ pod, worth: worth(pod, pods) }));
  ranked.sort((a, b) => {
    const index = a.worth.findIndex((value, at) => value !== b.worth[at]);
    return index < 0 ? 0 : (a.worth[index] ?? 0) - (b.worth[index] ?? 0);
  });
  return ranked.slice(0, count).map((entry) => entry.pod);
}

function matchesTemplate(pod: KubeObject, template: Fields): boolean {
  const wanted = Object.entries(fieldsOf(fieldsOf(template.metadata).labels));
  return wanted.every(([key, value]) => labelsOf(pod)[key] === value);
}

function nextStatus(set: KubeObject, active: readonly KubeObject[], now: number): Fields {
  const spec = specOf(set);
  const minReady = numberOf(spec.minReadySeconds);
  const conditions = statusOf(set).conditions;
  const count = (test: (pod: KubeObject) => boolean): number => active.filter(test).length;
  const counts: Fields = {
    fullyLabeledReplicas: count((pod) => matchesTemplate(pod, fieldsOf(spec.template))),
    readyReplicas: count(isReady),
    availableReplicas: count((pod) => isAvailable(pod, minReady, now)),
  };
  const shown = Object.entries(counts).filter(([, value]) => value !== 0);
  return {
    replicas: active.length,
    ...Object.fromEntries(shown),
    observedGeneration: numberOf(set.metadata.generation),
    ...(conditions ? { conditions } : {}),
  };
}

/** What a replica set wants done, given the pods that are its own. `now` is milliseconds since the epoch. */
export function planReplicas(set: KubeObject, pods: readonly KubeObject[], now: number): ReplicaPlan {
  const active = pods.filter(isActive);
  const wanted = numberOf(specOf(set).replicas, 1);
  const minReady = numberOf(specOf(set).minReadySeconds);
  const waits = active.map((pod) => availableIn(pod, minReady, now)).filter((wait) => wait !== undefined && wait > 0);
  return {
    create: Math.max(0, wanted - active.length),
    remove: leastWorth(active, Math.max(0, active.length - wanted)),
    status: nextStatus(set, active, now),
    lookAgainIn: waits.length === 0 ? undefined : Math.min(...(waits as number[])),
  };
}
