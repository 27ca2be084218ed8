import { equalJson, groupVersion, type KubeObject, timestamp } from "../../object.ts";
import type { SchemaNode } from "../../schema/index.ts";
import { KubeError } from "../../status.ts";
import type { ResourceKind } from "../kind.ts";
import {
  compareFields,
  difference,
  type FieldSet,
  fieldSet,
  intersection,
  type Path,
  printPath,
  textOf,
  withNamedParents,
} from "./field-set.ts";
import { clientSideApplied, KUBECTL, renewLastApplied } from "./last-applied.ts";
import {
  blankObject,
  type FieldManager,
  manageable,
  readManagers,
  sameFieldManager,
  writeManagers,
} from "./managed-fields.ts";
import { rootOf } from "./merge-schema.ts";
import { mergeValues, withoutEmptied, withoutFields } from "./merge-values.ts";

export interface ApplyOptions {
  readonly manager: string;
  readonly force: boolean;
  readonly subresource: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Server-side apply: merges what a manager wants into the live object, takes away what it no longer wants and nobody
 * else manages, and records who manages what. Throws 409 with one cause a field that another manager set to another value.
 */
export function applyConfiguration(
  kind: ResourceKind,
  live: KubeObject,
  wanted: KubeObject,
  options: ApplyOptions,
): KubeObject {
  const root = rootOf(kind);
  const apiVersion = groupVersion(kind.group, kind.version);
  const self = { manager: options.manager, operation: "Apply" as const, subresource: options.subresource, apiVersion };
  const managers = trackedManagers(kind, live);
  const others = managers.filter((entry) => !sameFieldManager(entry, self));
  const own = managers.find((entry) => sameFieldManager(entry, self));
  const set = fieldSet(root, wanted);
  const fields = manageable(kind, options.subresource, set);
  const { managedFields: _, ...metadata } = live.metadata;
  const before = { ...live, metadata } as KubeObject;
  const merged = mergeValues(root, before, wanted) as KubeObject;
  const owned = new Map([...set, ...others.flatMap((entry) => [...entry.fields])]);
  const next = pruned(root, merged, own?.fields ?? new Map(), owned);
  const { added, modified, removed } = compareFields(root, before, next);
  const taken = new Map([...added, ...modified]);
  const conflicts = others.flatMap((by) => [...intersection(by.fields, taken).values()].map((path) => ({ path, by })));
  const refused = options.force ? [] : refusedConflicts(kind, live, conflicts, options.manager);
  if (refused.length > 0) throw applyConflict(refused);
  const lost = new Map([...taken, ...removed]);
  const rest = others.map((entry) => ({ ...entry, fields: difference(entry.fields, lost) }));
  if (options.manager === KUBECTL) renewLastApplied(next, wanted);
  const time = equalJson(before, next) ? (own?.time ?? "") : timestamp(options.now);
  const left = withoutEmptied(next, merged) as KubeObject;
  const result = { ...left, metadata: { ...left.metadata } };
  writeManagers(result, [...rest, { ...self, time, fields }]);
  return result;
}

/**
 * The object without what its manager set `last` and nobody owns now. What leads to an owned field stays, and so does
 * what came to be below a field that was given up, as it was not the manager's.
 */
function pruned(root: SchemaNode, merged: KubeObject, last: FieldSet, owned: FieldSet): KubeObject {
  if (last.size === 0) return merged;
  const parents = (set: FieldSet) => withNamedParents(root, set);
  const all = parents(fieldSet(root, merged));
  const given = parents(last);
  const first = withoutFields(root, merged, given);
  const kept = new Map([...parents(fieldSet(root, first)), ...parents(owned)]);
  const second = withoutFields(root, merged, difference(all, kept));
  const gone = intersection(difference(all, parents(fieldSet(root, second))), given);
  return withoutFields(root, merged, gone);
}

interface FieldConflict {
  readonly path: Path;
  readonly by: FieldManager;
}

/** kubectl may change what it applied itself without the server, as long as nobody else has changed it. */
function refusedConflicts(
  kind: ResourceKind,
  live: KubeObject,
  conflicts: readonly FieldConflict[],
  manager: string,
): readonly FieldConflict[] {
  if (manager !== KUBECTL || conflicts.length === 0) return conflicts;
  const own = clientSideApplied(kind, live);
  return conflicts.filter(({ path }) => !own.has(textOf(path)));
}

/** An object whose managers somebody dropped gets one for all that is there. */
function trackedManagers(kind: ResourceKind, live: KubeObject): FieldManager[] {
  const managers = readManagers(live);
  if (managers.length > 0 || !live.metadata.uid) return managers;
  const { managedFields: _, ...metadata } = live.metadata;
  const { added, modified } = compareFields(rootOf(kind), blankObject(kind), { ...live, metadata });
  const fields = manageable(kind, "", new Map([...added, ...modified]));
  const time = live.metadata.creationTimestamp ?? "";
  const head = { manager: "before-first-apply", operation: "Update" as const, subresource: "" };
  return [{ ...head, apiVersion: groupVersion(kind.group, kind.version), time, fields }];
}

function applyConflict(conflicts: readonly FieldConflict[]): KubeError {
  const causes = conflicts.map(({ path, by }) => ({
    reason: "FieldManagerConflict",
    message: `conflict with ${whoOf(by)}`,
    field: printPath(path),
  }));
  const plural = causes.length === 1 ? "conflict" : "conflicts";
  const said = causes.length === 1 ? `${causes[0]!.message}: ${causes[0]!.field}` : groupedByFieldManager(causes);
  return new KubeError(409, "Conflict", `Apply failed with ${causes.length} ${plural}: ${said}`, { causes });
}

function whoOf({ manager, subresource, operation, apiVersion }: FieldManager): string {
  const through = subresource ? ` with subresource "${subresource}"` : "";
  return `"${manager}"${through}${operation === "Update" ? ` using ${apiVersion}` : ""}`;
}

function groupedByFieldManager(causes: readonly { message: string; field: string }[]): string {
  const groups = [...Map.groupBy(causes, ({ message }) => message.replace("conflict", "conflicts"))];
  groups.sort(([a], [b]) => (a < b ? -1 : 1));
  return groups.map(([who, items]) => `${who}:\n${items.map(({ field }) => `- ${field}`).join("\n")}`).join("\n");
}
