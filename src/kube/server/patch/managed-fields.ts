import { groupVersion, type KubeObject, type ManagedFieldsEntry, timestamp } from "../../object.ts";
import type { ResourceKind } from "../kind.ts";
import { type FieldSet, fieldSet, fromFieldsV1, sameAt, textOf, toFieldsV1 } from "./field-set.ts";

/** Who last set which fields, taken from metadata.managedFields. */
export interface FieldManager {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly subresource: string;
  readonly apiVersion: string;
  readonly time: string;
  readonly fields: FieldSet;
}

/** The managers of an object. */
export function readManagers(object: KubeObject): FieldManager[] {
  return (object.metadata.managedFields ?? []).map((entry) => ({
    manager: entry.manager ?? "",
    operation: entry.operation ?? "Update",
    subresource: entry.subresource ?? "",
    apiVersion: entry.apiVersion ?? "",
    time: entry.time ?? "",
    fields: fromFieldsV1(entry.fieldsV1),
  }));
}

/** Writes the managers back; those that manage nothing any more are dropped. */
export function writeManagers(object: KubeObject, managers: readonly FieldManager[]): void {
  const entries = managers
    .filter((manager) => manager.fields.size > 0)
    .map((manager): ManagedFieldsEntry => {
      const { operation, apiVersion, time, subresource } = manager;
      const base = { manager: manager.manager, operation, apiVersion, time, fieldsType: "FieldsV1" };
      return { ...base, fieldsV1: toFieldsV1(manager.fields), ...(subresource ? { subresource } : {}) };
    });
  if (entries.length > 0) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}

/** True when the two are the same entry of managedFields. */
export function sameFieldManager(
  a: FieldManager,
  b: Pick<FieldManager, "manager" | "operation" | "subresource">,
): boolean {
  return a.manager === b.manager && a.operation === b.operation && a.subresource === b.subresource;
}

/**
 * Keeps metadata.managedFields true across a write that is not an apply: what the write changed passes to its manager.
 * Objects that nobody ever applied server-side carry no managedFields; the first apply starts with one entry for all
 * that was there before.
 */
export function recordWrite(
  kind: ResourceKind,
  old: KubeObject | undefined,
  next: KubeObject,
  manager: string,
  subresource: string,
  now: number,
): void {
  const asked = next.metadata.managedFields;
  const tracked = old ? readManagers(old) : [];
  // An empty list is how users drop all tracking.
  const isReset = Array.isArray(asked) && (asked.length === 0 || Object.keys(asked[0] ?? {}).length === 0);
  if (!old || tracked.length === 0 || isReset) {
    delete next.metadata.managedFields;
    return;
  }
  // Users may hand fields over by hand, as kubectl does when it goes over to server-side apply.
  next.metadata.managedFields = asked ?? old.metadata.managedFields ?? [];
  const managers = readManagers(next);
  const before = fieldSet(kind, old);
  const after = fieldSet(kind, next);
  const changed: FieldSet = new Map();
  for (const [text, path] of after) if (!before.has(text) || !sameAt(kind, old, next, path)) changed.set(text, path);
  const removed = [...before.keys()].filter((text) => !after.has(text));
  if (changed.size === 0 && removed.length === 0) return;
  const self = { manager, operation: "Update" as const, subresource };
  const gone = new Set([...changed.keys(), ...removed]);
  const others = managers.map((entry) => (sameFieldManager(entry, self) ? entry : without(entry, gone)));
  const own = managers.find((entry) => sameFieldManager(entry, self));
  const fields: FieldSet = new Map([...(own?.fields ?? []), ...changed]);
  for (const text of removed) fields.delete(text);
  const entry: FieldManager = {
    ...self,
    apiVersion: groupVersion(kind.group, kind.version),
    time: timestamp(now),
    fields,
  };
  writeManagers(next, [...others.filter((other) => !sameFieldManager(other, self)), entry]);
}

/** The manager without the paths. */
export function without(manager: FieldManager, texts: ReadonlySet<string>): FieldManager {
  const kept = [...manager.fields.values()].filter((path) => !texts.has(textOf(path)));
  return { ...manager, fields: new Map(kept.map((path) => [textOf(path), path])) };
}
