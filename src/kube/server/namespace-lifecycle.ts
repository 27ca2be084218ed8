import { fieldsOf } from "../object.ts";
import { forbidden, KubeError, notFound } from "../status.ts";
import type { Store } from "../storage/store.ts";
import type { ResourceKind } from "./kind.ts";

const NAMESPACES = { group: "", resource: "namespaces", kind: "Namespace" };
const IMMORTAL = ["default", "kube-system", "kube-public"];

/** Lets objects be created only in namespaces that exist and stay. Throws 404 or 403. */
export function admitCreation(store: Store, kind: ResourceKind, namespace: string, name: string): void {
  if (!kind.namespaced) return;
  const stored = store.get("/namespaces", "", namespace);
  if (!stored) throw notFound(NAMESPACES, namespace);
  if (!stored.object.metadata.deletionTimestamp) return;
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  const base = forbidden(kind, name, why);
  const cause = {
    reason: "NamespaceTerminating",
    message: `namespace ${namespace} is being terminated`,
    field: "metadata.namespace",
  };
  throw new KubeError(403, "Forbidden", base.message, { ...base.details, causes: [cause] });
}

/** The namespaces that a cluster cannot be without are not deleted. Throws 403. */
export function admitNamespaceDeletion(kind: ResourceKind, name: string): void {
  if (kind.storage === "/namespaces" && IMMORTAL.includes(name)) {
    throw forbidden(kind, name, "this namespace may not be deleted");
  }
}

/** True when nothing but the namespace's own finalizers (`spec.finalizers`) holds it. */
export function namespaceIsHeld(object: Readonly<Record<string, unknown>>): boolean {
  const finalizers = fieldsOf(object.spec).finalizers;
  return Array.isArray(finalizers) && finalizers.length > 0;
}
