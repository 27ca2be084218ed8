import type { KubeObject } from "../../kube/client/index.ts";
import { type Fields, fieldsOf } from "../../kube/object.ts";
import { numberOf, specOf, statusOf } from "../objects.ts";

/** How many pods a replica set shall have next. */
export interface Scaling {
  readonly set: KubeObject;
  readonly replicas: number;
}

export interface Bounds {
  /** Pods that may be there above the wanted number. */
  readonly surge: number;
  /** Pods that may be missing. */
  readonly unavailable: number;
}

const replicasOf = (set: KubeObject): number => numberOf(specOf(set).replicas, 1);
const availableOf = (set: KubeObject): number => numberOf(statusOf(set).availableReplicas);
const sum = (sets: readonly KubeObject[], count: (set: KubeObject) => number): number =>
  sets.reduce((total, set) => total + count(set), 0);

function share(value: unknown, of: number, round: (value: number) => number): number {
  if (typeof value === "number") return value;
  const percent = /^(\d+)%$/.exec(String(value));
  return percent ? round((Number(percent[1]) * of) / 100) : 0;
}

/** The bounds of a rolling update in pods. Surge rounds up, unavailable down; both zero would stand still. */
export function rollingBounds(deployment: KubeObject): Bounds {
  const { replicas, strategy } = specOf(deployment);
  const { maxSurge = "25%", maxUnavailable = "25%" } = fieldsOf(fieldsOf(strategy).rollingUpdate);
  const wanted = numberOf(replicas, 1);
  const surge = share(maxSurge, wanted, Math.ceil);
  const unavailable = Math.min(share(maxUnavailable, wanted, Math.floor), wanted);
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

export function isRecreate(deployment: KubeObject): boolean {
  return (fieldsOf(specOf(deployment).strategy) as Fields).type === "Recreate";
}

/** How many pods the newest set shall have now. */
export function newSetReplicas(deployment: KubeObject, newest: KubeObject, olds: readonly KubeObject[]): number {
  const wanted = numberOf(specOf(deployment).replicas, 1);
  const current = replicasOf(newest);
  if (isRecreate(deployment) || current > wanted) return wanted;
  const room = wanted + rollingBounds(deployment).surge - sum([newest, ...olds], replicasOf);
  return room <= 0 ? current : current + Math.min(room, wanted - current);
}

/** Takes up to `budget` pods from sets, oldest first; `spare` says how many one set can give. */
function take(olds: readonly KubeObject[], budget: number, spare: (set: KubeObject) => number): Scaling[] {
  let left = budget;
  const taken: Scaling[] = [];
  for (const set of olds) {
    const count = Math.min(left, spare(set));
    if (count <= 0) continue;
    taken.push({ set, replicas: replicasOf(set) - count });
    left -= count;
  }
  return taken;
}

function merged(
  first: readonly Scaling[],
  then: (olds: readonly KubeObject[]) => Scaling[],
  olds: readonly KubeObject[],
): Scaling[] {
  const after = olds.map((set) => {
    const found = first.find((scaling) => scaling.set === set);
    return found ? { ...set, spec: { ...specOf(set), replicas: found.replicas } } : set;
  });
  const original = new Map(after.map((set, index) => [set, olds[index]!]));
  const result = new Map(first.map((scaling) => [scaling.set, scaling.replicas]));
  for (const { set, replicas } of then(after)) result.set(original.get(set)!, replicas);
  return [...result].map(([set, replicas]) => ({ set, replicas }));
}

/**
 * What a rolling update may take from the old sets now: first pods that do not work, then working ones, and never so
 * many that fewer than wanted − maxUnavailable are available. `olds` are in order of age.
 */
export function shrinkOldSets(deployment: KubeObject, newest: KubeObject, olds: readonly KubeObject[]): Scaling[] {
  const wanted = numberOf(specOf(deployment).replicas, 1);
  const least = wanted - rollingBounds(deployment).unavailable;
  const newUnavailable = replicasOf(newest) - availableOf(newest);
  const budget = sum([newest, ...olds], replicasOf) - least - newUnavailable;
  if (budget <= 0) return [];
  const broken = take(olds, budget, (set) => Math.max(0, replicasOf(set) - availableOf(set)));
  const availableBudget = sum([newest, ...olds], availableOf) - least;
  return merged(broken, (left) => take(left, Math.max(0, availableBudget), replicasOf), olds);
}

/** While a deployment is paused, a change of its size is shared out in proportion. */
export function proportional(deployment: KubeObject, sets: readonly KubeObject[]): Scaling[] {
  const active = sets.filter((set) => replicasOf(set) > 0);
  const wanted = numberOf(specOf(deployment).replicas, 1);
  const total = sum(active, replicasOf);
  if (active.length === 0 || total === wanted) return [];
  const parts = active.map((set) => ({ set, replicas: Math.floor((replicasOf(set) * wanted) / total) }));
  let rest = wanted - parts.reduce((count, part) => count + part.replicas, 0);
  return [...parts].reverse().map((part) => ({ ...part, replicas: part.replicas + (rest-- > 0 ? 1 : 0) }));
}

export { replicasOf };
