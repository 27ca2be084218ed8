import { copyJson, equalJson, fieldsOf, isFields, type KubeObject } from "../../object.ts";
import { badRequest, conflict, invalid, notFound } from "../../status.ts";
import type { Stored } from "../../storage/store.ts";
import { checkEscalation } from "../authorization.ts";
import { type Api, fromStored, type Outcome, type WriteOptions } from "../context.ts";
import { incomingObject } from "../incoming.ts";
import { EPHEMERAL_CONTAINERS, type ResourceKind, serves } from "../kind.ts";
import { namespaceIsHeld } from "../namespace-lifecycle.ts";
import { managersAfterWrite, writeManagers } from "../patch/managed-fields.ts";
import { adviceOn, checkFields, checkRules, preparationOf } from "../preparation.ts";

/** The object that a write addresses. */
export interface Target {
  readonly kind: ResourceKind;
  readonly namespace: string;
  readonly name: string;
  /** "" for the object itself, else `status`, `finalize` … */
  readonly subresource: string;
}

/** The stored object of a target. Throws 404. */
export function storedOf(api: Api, { kind, namespace, name }: Target): Stored {
  const stored = api.store.get(kind.storage, namespace, name);
  if (!stored) throw notFound(kind, name);
  return stored;
}

function checkVersion(target: Target, next: KubeObject, stored: Stored): void {
  const asked = next.metadata.resourceVersion;
  if (asked && asked !== String(stored.revision)) throw conflict(target.kind, target.name);
  const { uid } = next.metadata;
  if (uid && uid !== stored.object.metadata.uid) {
    const found = stored.object.metadata.uid;
    throw conflict(
      target.kind,
      target.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${found}`,
    );
  }
}

/** What no user changes: the server's own fields of the metadata. */
function keepMetadata(next: KubeObject, old: KubeObject): void {
  const { metadata } = next;
  for (const field of [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
    "resourceVersion",
  ]) {
    if (old.metadata[field] === undefined) delete metadata[field];
    else metadata[field] = old.metadata[field];
  }
}

/** The parts that a write through this subresource may change; all else stays as it was. */
function separate(target: Target, next: KubeObject, old: KubeObject): KubeObject {
  if (target.subresource === "status") {
    // A copy: strategies change what they are given, and `old` is shared with every reader.
    const { status: _, ...rest } = copyJson(old);
    if (next.metadata.managedFields) rest.metadata.managedFields = next.metadata.managedFields;
    return { ...rest, ...(next.status === undefined ? {} : { status: next.status }) } as KubeObject;
  }
  if (target.subresource === EPHEMERAL_CONTAINERS.name) {
    const copy = copyJson(old);
    if (next.metadata.managedFields) copy.metadata.managedFields = next.metadata.managedFields;
    const { ephemeralContainers = [] } = fieldsOf(next.spec);
    copy.spec = { ...fieldsOf(copy.spec), ephemeralContainers };
    return copy;
  }
  // Other subresources are the server's own writes, which know what they change.
  if (target.subresource !== "" || !serves(target.kind, "status")) return next;
  const { status: _, ...rest } = next;
  return { ...rest, ...(old.status === undefined ? {} : { status: copyJson(old.status) }) } as KubeObject;
}

/** True when everything but metadata and status is the same. */
function sameDesire(next: KubeObject, old: KubeObject): boolean {
  const { metadata: _a, status: _b, ...left } = next;
  const { metadata: _c, status: _d, ...right } = old;
  return equalJson(left, right);
}

/** True when a deleted object waits for nothing any more. */
export function isReleased(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  if (!deletionTimestamp || finalizers.length > 0 || deletionGracePeriodSeconds > 0) return false;
  return object.kind !== "Namespace" || !namespaceIsHeld(object);
}

function checkImmutable(target: Target, next: KubeObject, old: KubeObject): void {
  if (!old.metadata.deletionTimestamp) return;
  const added = (next.metadata.finalizers ?? []).filter((item) => !(old.metadata.finalizers ?? []).includes(item));
  if (added.length === 0) return;
  throw invalid(target.kind, target.name, [
    {
      field: "metadata.finalizers",
      reason: "FieldValueForbidden",
      message: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
    },
  ]);
}

/** Whose the fields are that a write changes: the options' manager through the target's or another subresource, or as `change` says. */
export type Ownership = { readonly through: string } | "as-changed";

/**
 * Replaces an object by what `change` makes of a copy of it, in one step that no other write can come between.
 * An unchanged object is not written. Throws 404, 409 (an old resourceVersion), 422.
 */
export function replaceObject(
  api: Api,
  target: Target,
  options: WriteOptions,
  change: (copy: KubeObject) => KubeObject,
  ownership: Ownership = { through: target.subresource },
): Outcome {
  const { kind } = target;
  const stored = storedOf(api, target);
  const old = fromStored(kind, stored.object);
  const changed = incomingObject(mustBeNamed(change(copyJson(old)), target), kind, target.namespace, target.name);
  const cleaned = checkFields(api, kind, changed, options);
  checkVersion(target, cleaned, stored);
  keepMetadata(cleaned, old);
  let next = separate(target, cleaned, old);
  kind.strategy.fillDefaults?.(next);
  if (ownership !== "as-changed") {
    const write = { manager: options.fieldManager, subresource: ownership.through, now: api.now() };
    writeManagers(next, managersAfterWrite(kind, old, next, write));
  }
  kind.strategy.prepareUpdate?.(next, old, preparationOf(api));
  next = api.schema.asWritten(kind, next);
  checkImmutable(target, next, old);
  checkRules(api, kind, "UPDATE", next, old, target.subresource);
  if (options.user && !sameDesire(next, old)) checkEscalation(api.store, options.user, kind.resource, next);
  // What the object says already was said when it was made.
  const warnings = target.subresource === "" && !sameDesire(next, old) ? adviceOn(api, kind, next) : [];
  if (kind.counted && !sameDesire(next, old)) next.metadata.generation = (old.metadata.generation ?? 0) + 1;
  if (equalJson(next, old)) return { object: old, warnings };
  return { object: options.dryRun ? next : save(api, target, next, stored), warnings };
}

function save(api: Api, target: Target, next: KubeObject, stored: Stored): KubeObject {
  const { kind, namespace, name } = target;
  const object = kind.convert ? kind.convert.toStored(next) : next;
  const written = api.store.replace(kind.storage, object, stored.revision);
  if (!written) throw conflict(kind, name);
  if (isReleased(written.object)) api.store.remove(kind.storage, namespace, name, written.revision);
  return fromStored(kind, written.object);
}

/** Throws 400 when what should take an object's place names none. */
function mustBeNamed(body: unknown, { name }: Target): unknown {
  if (!isFields(body) || fieldsOf(body.metadata).name) return body;
  throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
}

/** PUT: the body takes the place of the object. */
export function updateObject(api: Api, target: Target, body: unknown, options: WriteOptions): Outcome {
  const next = incomingObject(mustBeNamed(body, target), target.kind, target.namespace, target.name);
  const { kind } = target;
  const { resourceVersion, uid } = next.metadata;
  const isConditional = kind.definition !== undefined || kind.storage === "coordination.k8s.io/leases";
  if (isConditional && !resourceVersion && (!uid || uid === storedOf(api, target).object.metadata.uid)) {
    storedOf(api, target);
    throw invalid({ ...kind, kind: kind.resource }, target.name, [
      {
        field: "metadata.resourceVersion",
        reason: "FieldValueInvalid",
        message: "Invalid value: 0: must be specified for an update",
      },
    ]);
  }
  return replaceObject(api, target, options, () => next);
}
