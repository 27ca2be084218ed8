import type { KubeObject, OwnerReference } from "../../kube/client/index.ts";
import { stays } from "../objects.ts";

export type Verdict =
  | { readonly kind: "keep" }
  | { readonly kind: "delete"; readonly policy: "Background" | "Foreground" | "Orphan" }
  /** Some owners are gone, others stay: the reference to the gone ones is dropped. */
  | { readonly kind: "disown"; readonly ownerReferences: readonly OwnerReference[] };

/** Whether an owner is there, is there but waits for its dependents to go, or is gone. */
export type OwnerState = "present" | "waiting" | "gone";

const FOREGROUND = "foregroundDeletion";
const ORPHAN = "orphan";

const finalizersOf = (object: KubeObject): readonly string[] => object.metadata.finalizers ?? [];

function ownPolicy(object: KubeObject): "Background" | "Foreground" | "Orphan" {
  if (finalizersOf(object).includes(ORPHAN)) return "Orphan";
  return finalizersOf(object).includes(FOREGROUND) ? "Foreground" : "Background";
}

/** What becomes of an object, given the state of each of its owners. */
export function judge(object: KubeObject, stateOf: (owner: OwnerReference) => OwnerState): Verdict {
  const owners = object.metadata.ownerReferences ?? [];
  if (owners.length === 0 || !stays(object)) return { kind: "keep" };
  const states = owners.map((owner) => ({ owner, state: stateOf(owner) }));
  const present = states.filter(({ state }) => state === "present").map(({ owner }) => owner);
  if (present.length === owners.length) return { kind: "keep" };
  if (present.length > 0) return { kind: "disown", ownerReferences: present };
  return { kind: "delete", policy: ownPolicy(object) };
}

/** True while the object is deleted in the foreground: after its dependents. */
export function isForegroundDeletion(object: KubeObject): boolean {
  return !stays(object) && finalizersOf(object).includes(FOREGROUND);
}

/** True while the object is deleted with its dependents left behind. */
export function isOrphaning(object: KubeObject): boolean {
  return !stays(object) && finalizersOf(object).includes(ORPHAN);
}

/** The finalizers without the one that this controller has served. */
export function servedFinalizers(object: KubeObject): string[] {
  const served = isOrphaning(object) ? ORPHAN : FOREGROUND;
  return finalizersOf(object).filter((finalizer) => finalizer !== served);
}

/** True when a dependent holds up its owner's deletion in the foreground. */
export function blocks(dependent: KubeObject, ownerUid: string | undefined): boolean {
  const reference = dependent.metadata.ownerReferences?.find((owner) => owner.uid === ownerUid);
  return reference?.blockOwnerDeletion === true;
}
