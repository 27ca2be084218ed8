import {
  type Fields,
  groupVersion,
  isFields,
  type KubeObject,
  type ManagedFieldsEntry,
  timestamp,
} from "../../object.ts";
import { asWritten } from "../../schema/written.ts";
import { type ResourceKind, serves } from "../kind.ts";
import { compareFields, difference, type FieldSet, fromFieldsV1, textOf, toFieldsV1 } from "./field-set.ts";
import { rootOf } from "./merge-schema.ts";

/** Who last set which fields, taken from metadata.managedFields. */
export interface FieldManager {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly subresource: string;
  readonly apiVersion: string;
  /** "" when an apply changed nothing. */
  readonly time: string;
  readonly fields: FieldSet;
}

/** Entries of updates that an object keeps; the oldest of more become one. */
const MAX_UPDATE_MANAGERS = 10;
const OLDEST = "ancient-changes";

/** Fields that name the object or belong to the server: nobody manages them. */
const UNMANAGED: ReadonlySet<string> = new Set(
  [
    ["f:apiVersion"],
    ["f:kind"],
    ["f:metadata"],
    ...["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields"].map(
      (field) => ["f:metadata", `f:${field}`],
    ),
    ["f:metadata", "f:resourceVersion"],
  ].map(textOf),
);

/** The fields of the set that a write through a subresource may own. */
export function manageable(kind: ResourceKind, subresource: string, set: FieldSet): FieldSet {
  const isKept = (first: string | undefined): boolean =>
    subresource === "status"
      ? first === "f:status"
      : subresource !== "" || !serves(kind, "status") || first !== "f:status";
  return new Map([...set].filter(([text, path]) => !UNMANAGED.has(text) && isKept(path[0])));
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

function entryOf({ manager, operation, apiVersion, time, fields, subresource }: FieldManager): ManagedFieldsEntry {
  const head = { manager, operation, apiVersion, ...(time ? { time } : {}) };
  return { ...head, fieldsType: "FieldsV1", fieldsV1: toFieldsV1(fields), ...(subresource ? { subresource } : {}) };
}

const orderOf = ({ operation, time, manager, apiVersion, subresource }: FieldManager): string =>
  [operation, time, manager, apiVersion, subresource].join("\u0000");

/** Writes the managers back, in Kubernetes' order; those that manage nothing any more are dropped. */
export function writeManagers(object: KubeObject, managers: readonly FieldManager[]): void {
  const left = managers.filter((manager) => manager.fields.size > 0);
  const entries = left.sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1)).map(entryOf);
  if (entries.length > 0) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}

type Identity = Pick<FieldManager, "manager" | "operation" | "subresource" | "apiVersion">;

/** True when the two are the same entry of managedFields: who applies has one for all versions. */
export function sameFieldManager(a: FieldManager, b: Identity): boolean {
  const sameVersion = a.operation === "Apply" || a.apiVersion === b.apiVersion;
  return sameVersion && a.manager === b.manager && a.operation === b.operation && a.subresource === b.subresource;
}

/** An object of the kind of which nothing is set: what a created one is compared with. */
export function blankObject(kind: ResourceKind): KubeObject {
  const head = { apiVersion: groupVersion(kind.group, kind.version), kind: kind.kind };
  return asWritten(kind, { ...head, metadata: {} } as Fields) as KubeObject;
}

/** The managers that a write begins with: those it names itself, else the live ones; none when it wants none. */
function startingManagers(old: KubeObject | undefined, next: KubeObject, subresource: string): FieldManager[] {
  const asked = subresource === "" ? next.metadata.managedFields : undefined;
  const isReset = asked?.length === 0 || (asked?.length === 1 && Object.keys(asked[0] ?? {}).length === 0);
  if (isReset) return [];
  const isReadable = (entry: ManagedFieldsEntry): boolean =>
    (entry.operation === "Apply" || entry.operation === "Update") &&
    Boolean(entry.apiVersion) &&
    entry.fieldsType === "FieldsV1" &&
    (entry.fieldsV1 === undefined || isFields(entry.fieldsV1));
  if (asked && asked.length > 0 && asked.every(isReadable)) return readManagers(next);
  return old ? readManagers(old) : [];
}

/**
 * The managers after a write that is no apply: what it sets and changes passes to its manager, what it takes away is
 * nobody's. `next` is compared as the user sent it, with defaults and before the server's own decisions. An object that
 * has no managers, because somebody dropped them, gets none by an update.
 */
export function managersAfterWrite(
  kind: ResourceKind,
  old: KubeObject | undefined,
  next: KubeObject,
  write: { readonly manager: string; readonly subresource: string; readonly now: number },
): FieldManager[] {
  const managers = startingManagers(old, next, write.subresource);
  if (old && managers.length === 0) return [];
  const { manager, subresource, now } = write;
  const { added, modified, removed } = compareFields(rootOf(kind), old ?? blankObject(kind), next);
  const taken = manageable(kind, subresource, new Map([...added, ...modified]));
  const gone = manageable(kind, subresource, removed);
  const lost = new Map([...taken, ...gone]);
  const rest = managers.map((entry) => ({ ...entry, fields: difference(entry.fields, lost) }));
  if (taken.size === 0) return rest;
  const apiVersion = groupVersion(kind.group, kind.version);
  const self = { manager: manager || "unknown", operation: "Update" as const, subresource, apiVersion };
  const own = rest.find((entry) => sameFieldManager(entry, self));
  const fields = new Map([...(own?.fields ?? []), ...taken]);
  return capped([...rest.filter((entry) => entry !== own), { ...self, time: timestamp(now), fields }]);
}

/** Joins the oldest updates of one version while there are too many. */
function capped(managers: readonly FieldManager[]): FieldManager[] {
  const updates = managers.filter(({ operation, fields }) => operation === "Update" && fields.size > 0);
  let excess = updates.length - MAX_UPDATE_MANAGERS;
  if (excess <= 0) return [...managers];
  const left = new Set(managers);
  const buckets = new Map<string, FieldManager>();
  for (const entry of updates.sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))) {
    if (excess <= 0) break;
    const bucket = buckets.get(entry.apiVersion);
    left.delete(entry);
    if (bucket) {
      left.delete(bucket);
      excess--;
    }
    const joined = bucket
      ? { ...entry, manager: OLDEST, subresource: "", fields: new Map([...bucket.fields, ...entry.fields]) }
      : entry;
    buckets.set(entry.apiVersion, joined);
    left.add(joined);
  }
  return [...left];
}
