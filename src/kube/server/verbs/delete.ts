import { fieldsOf, isFields, type KubeObject, timestamp } from "../../object.ts";
import { invalid as invalidValue, unsupported } from "../../schema/field-error.ts";
import { conflict, invalid, type Status, type Subject } from "../../status.ts";
import type { Stored } from "../../storage/store.ts";
import { type Api, fromStored } from "../context.ts";
import { admitNamespaceDeletion } from "../namespace-lifecycle.ts";
import { admit } from "../preparation.ts";
import { isReleased, storedOf, type Target } from "./replace.ts";

const DEFAULT_GRACE_SECONDS = 30;
const POLICIES = ["Foreground", "Background", "Orphan"];

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground";
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun: boolean;
}

/** DeleteOptions from a request: the query's values come before those of the body. */
export function deleteOptions(body: unknown, query: URLSearchParams): DeleteOptions {
  const given = fieldsOf(body);
  const grace = query.get("gracePeriodSeconds") ?? given.gracePeriodSeconds;
  const policy = query.get("propagationPolicy") ?? given.propagationPolicy;
  const orphan = query.get("orphanDependents") ?? given.orphanDependents;
  if (policy && !POLICIES.includes(String(policy))) {
    throw invalid({ group: "meta.k8s.io", resource: "options", kind: "DeleteOptions" }, "", [
      unsupported("propagationPolicy", policy, [...POLICIES, "nil"]),
    ]);
  }
  if (policy && orphan !== undefined && orphan !== null) {
    const why = "orphanDependents and deletionPropagation cannot be both set";
    throw invalid({ group: "meta.k8s.io", resource: "options", kind: "DeleteOptions" }, "", [
      invalidValue("propagationPolicy", policy, why),
    ]);
  }
  const dryRun = query.get("dryRun") === "All" || (Array.isArray(given.dryRun) && given.dryRun.includes("All"));
  return {
    ...(grace === undefined || grace === null ? {} : { gracePeriodSeconds: Math.max(0, Number(grace)) }),
    ...(typeof policy === "string"
      ? { propagationPolicy: policy as NonNullable<DeleteOptions["propagationPolicy"]> }
      : {}),
    ...(orphan === true || orphan === "true" ? { propagationPolicy: "Orphan" as const } : {}),
    ...(isFields(given.preconditions) ? { preconditions: given.preconditions as { uid?: string } } : {}),
    dryRun,
  };
}

function checkPreconditions(subject: Subject, stored: Stored, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const { name, uid: found } = stored.object.metadata;
  const ofKind = { ...subject, resource: subject.kind };
  if (uid && uid !== found) {
    const why = `the UID in the precondition (${uid}) does not match the UID in record (${found}). The object might have been deleted and then recreated`;
    throw conflict(ofKind, name, why);
  }
  if (resourceVersion && resourceVersion !== String(stored.revision)) {
    const why = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${stored.revision}). The object might have been modified`;
    throw conflict(ofKind, name, why);
  }
}

/** Seconds that a pod's kubelet has to end it; 0 for all that no kubelet runs. */
function graceOf(object: KubeObject, options: DeleteOptions): number {
  if (object.kind !== "Pod") return 0;
  const spec = fieldsOf(object.spec);
  const phase = fieldsOf(object.status).phase;
  if (!spec.nodeName || phase === "Succeeded" || phase === "Failed") return 0;
  const own = spec.terminationGracePeriodSeconds;
  const grace = options.gracePeriodSeconds ?? (typeof own === "number" ? own : DEFAULT_GRACE_SECONDS);
  // A second delete may only shorten the time.
  return Math.min(grace, object.metadata.deletionGracePeriodSeconds ?? grace);
}

function finalizersOf(object: KubeObject, options: DeleteOptions): string[] {
  const kept = (object.metadata.finalizers ?? []).filter((item) => item !== "orphan" && item !== "foregroundDeletion");
  if (options.propagationPolicy === "Orphan") return [...kept, "orphan"];
  if (options.propagationPolicy === "Foreground") return [...kept, "foregroundDeletion"];
  return options.propagationPolicy === "Background" ? kept : (object.metadata.finalizers ?? []);
}

/** The object as deletion leaves it: marked, and perhaps free to go. */
function marked(object: KubeObject, options: DeleteOptions, now: number): KubeObject {
  const grace = graceOf(object, options);
  const finalizers = finalizersOf(object, options);
  const { metadata } = object;
  // namespaces are not given a time to end in
  const graces = object.kind === "Namespace" ? {} : { deletionGracePeriodSeconds: grace };
  const shorter =
    "deletionGracePeriodSeconds" in graces && grace < (metadata.deletionGracePeriodSeconds ?? Number.POSITIVE_INFINITY);
  const next: KubeObject = {
    ...object,
    metadata: {
      ...metadata,
      deletionTimestamp:
        metadata.deletionTimestamp && !shorter ? metadata.deletionTimestamp : timestamp(now + grace * 1000),
      ...graces,
    },
  };
  if (finalizers.length > 0) next.metadata.finalizers = finalizers;
  else delete next.metadata.finalizers;
  if (metadata.generation !== undefined && !metadata.deletionTimestamp)
    next.metadata.generation = metadata.generation + 1;
  if (object.kind === "Namespace") next.status = { ...fieldsOf(object.status), phase: "Terminating" };
  return next;
}

/**
 * Deletes an object, or marks it when a kubelet or a finalizer has to act first. Returns the object while it stays,
 * a Status when it is gone. Throws 404, 409 (preconditions), 403 (a namespace the cluster needs).
 */
export function deleteObject(api: Api, target: Target, asked: DeleteOptions): KubeObject | Status {
  const { kind, namespace, name } = target;
  const options = kind.orphansByDefault ? { propagationPolicy: "Orphan" as const, ...asked } : asked;
  const stored = storedOf(api, target);
  admitNamespaceDeletion(kind, name);
  checkPreconditions(kind, stored, options);
  admit(api, kind, "DELETE", fromStored(kind, stored.object), fromStored(kind, stored.object));
  const next = marked(stored.object, options, api.now());
  if (isReleased(next)) {
    const gone = options.dryRun ? undefined : api.store.remove(kind.storage, namespace, name, stored.revision);
    if (!kind.answersDeleted) return success(kind, stored.object);
    return fromStored(kind, gone?.object ?? stored.object);
  }
  const { metadata: before } = stored.object;
  const unchanged =
    before.deletionTimestamp === next.metadata.deletionTimestamp &&
    before.deletionGracePeriodSeconds === next.metadata.deletionGracePeriodSeconds &&
    String(before.finalizers) === String(next.metadata.finalizers);
  if (options.dryRun || unchanged) return fromStored(kind, unchanged ? stored.object : next);
  const written = api.store.replace(kind.storage, next, stored.revision);
  if (!written) throw conflict(kind, name);
  return fromStored(kind, written.object);
}

function success(subject: Subject, object: KubeObject): Status {
  const { name, uid } = object.metadata;
  const group = subject.group === "" ? {} : { group: subject.group };
  const details = { name, ...group, kind: subject.resource, ...(uid ? { uid } : {}) };
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details };
}
