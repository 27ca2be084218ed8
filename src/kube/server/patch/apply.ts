import { equalJson, type Fields, groupVersion, isFields, type KubeObject, timestamp } from "../../object.ts";
import { KubeError } from "../../status.ts";
import type { ResourceKind } from "../kind.ts";
import { type FieldSet, fieldSet, indexOfStep, namesItem, type Path, printPath, sameAt, textOf } from "./field-set.ts";
import { CLIENT_SIDE_APPLY, clientSideApplied, KUBECTL, renewLastApplied } from "./last-applied.ts";
import { listRule } from "./list-keys.ts";
import { type FieldManager, readManagers, sameFieldManager, without, writeManagers } from "./managed-fields.ts";

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
  const self = { manager: options.manager, operation: "Apply" as const, subresource: options.subresource };
  const managers = trackedManagers(kind, live);
  const others = managers.filter((entry) => !sameFieldManager(entry, self));
  const own = managers.find((entry) => sameFieldManager(entry, self));
  const fields = fieldSet(kind, wanted);
  const conflicts = findConflicts(kind, live, wanted, fields, others);
  const refused = options.force ? [] : refusedConflicts(kind, live, conflicts, options.manager);
  if (refused.length > 0) throw applyConflict(refused);
  const taken = new Set(conflicts.map(({ path }) => textOf(path)));
  const rest = others.map((entry) => without(entry, taken));
  const merged = mergeValue(kind, [], live, wanted) as KubeObject;
  const released = [...(own?.fields ?? [])].filter(
    ([text]) => !fields.has(text) && !rest.some((entry) => entry.fields.has(text)),
  );
  // Shortest first: an item is found by its keys, so it goes before them.
  for (const [, path] of released.sort(([, a], [, b]) => a.length - b.length)) removeAt(kind, merged, path, rest);
  const unchanged = own !== undefined && equalJson([...own.fields.keys()].sort(), [...fields.keys()].sort());
  const time = unchanged ? own.time : timestamp(options.now);
  const entry: FieldManager = { ...self, apiVersion: groupVersion(kind.group, kind.version), time, fields };
  if (options.manager === KUBECTL) renewLastApplied(merged, wanted);
  writeManagers(merged, [...rest, entry]);
  return merged;
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

/** Fields that were there before anyone tracked them: kubectl's that its annotation names, others' the rest. */
function trackedManagers(kind: ResourceKind, live: KubeObject): FieldManager[] {
  const managers = readManagers(live);
  if (managers.length > 0 || !live.metadata.uid) return managers;
  const all = fieldSet(kind, live);
  const applied = clientSideApplied(kind, live);
  const entry = (manager: string, isOf: (text: string) => boolean): FieldManager => ({
    ...{ manager, operation: "Update", subresource: "", apiVersion: live.apiVersion },
    time: live.metadata.creationTimestamp ?? "",
    fields: new Map([...all].filter(([text]) => isOf(text))),
  });
  return [
    entry("before-first-apply", (text) => !applied.has(text)),
    entry(CLIENT_SIDE_APPLY, (text) => applied.has(text)),
  ];
}

interface FieldConflict {
  readonly path: Path;
  readonly by: FieldManager;
}

function findConflicts(
  kind: ResourceKind,
  live: KubeObject,
  wanted: KubeObject,
  fields: FieldSet,
  others: readonly FieldManager[],
): FieldConflict[] {
  const conflicts: FieldConflict[] = [];
  for (const [text, path] of fields) {
    if (namesItem(path) || sameAt(kind, live, wanted, path)) continue;
    for (const by of others) if (by.fields.has(text)) conflicts.push({ path, by });
  }
  return conflicts;
}

function applyConflict(conflicts: readonly FieldConflict[]): KubeError {
  const causes = conflicts.map(({ path, by }) => ({
    reason: "FieldManagerConflict",
    message: `conflict with "${by.manager}"${by.subresource ? ` with subresource "${by.subresource}"` : ""} using ${by.apiVersion}`,
    field: printPath(path),
  }));
  const plural = causes.length === 1 ? "conflict" : "conflicts";
  const said = causes.length === 1 ? `${causes[0]!.message}: ${causes[0]!.field}` : groupedByFieldManager(causes);
  return new KubeError(409, "Conflict", `Apply failed with ${causes.length} ${plural}: ${said}`, { causes });
}

function groupedByFieldManager(causes: readonly { message: string; field: string }[]): string {
  const groups = Map.groupBy(causes, (cause) => cause.message);
  const texts = [...groups].map(([who, items]) => `${who}:\n${items.map(({ field }) => `- ${field}`).join("\n")}`);
  return `conflicts ${texts.join("\n")}`.replace("conflicts conflict", "conflict");
}

function mergeValue(kind: ResourceKind, fields: readonly string[], live: unknown, wanted: unknown): unknown {
  if (isFields(wanted)) {
    const merged: Fields = isFields(live) ? { ...live } : {};
    for (const [key, value] of Object.entries(wanted)) {
      if (value === undefined) continue;
      merged[key] = mergeValue(kind, [...fields, key], merged[key], value);
    }
    return merged;
  }
  if (!Array.isArray(wanted)) return wanted;
  const rule = listRule(kind, fields);
  if (rule.type === "atomic" || !Array.isArray(live)) return wanted;
  const merged: unknown[] = [...live];
  for (const item of wanted) {
    const [step] = itemSteps(kind, fields, item);
    const index = step === undefined ? -1 : indexOfStep(kind, fields, merged, step);
    if (index < 0) merged.push(item);
    else merged[index] = mergeValue(kind, fields, merged[index], item);
  }
  return merged;
}

/** The step that names a list item, found by taking the field set of a list of just that item. */
function itemSteps(kind: ResourceKind, fields: readonly string[], item: unknown): string[] {
  let holder: unknown = [item];
  for (const field of [...fields].reverse()) holder = { [field]: holder };
  const paths = [...fieldSet(kind, holder as Fields).values()];
  return paths.filter((path) => namesItem(path) && path.length === fields.length + 1).map((path) => path.at(-1)!);
}

function isManagedBelow(path: Path, managers: readonly FieldManager[]): boolean {
  const prefix = `${textOf(path)}\u0000`;
  return managers.some((entry) => [...entry.fields.keys()].some((text) => text.startsWith(prefix)));
}

/**
 * Removes what a path names, unless other managers have something below it, and then what that leaves empty;
 * objects and lists on the way are copied.
 */
function removeAt(kind: ResourceKind, root: Fields, path: Path, others: readonly FieldManager[]): void {
  if (path.length === 0 || isManagedBelow(path, others)) return;
  let parent: unknown = root;
  const fields: string[] = [];
  for (const step of path.slice(0, -1)) {
    parent = descend(kind, fields, parent, step);
    if (parent === undefined) return;
  }
  if (takeOut(kind, fields, parent, path.at(-1)!)) removeAt(kind, root, path.slice(0, -1), others);
}

/** Takes one step out of what holds it; true when that leaves the holder empty. */
function takeOut(kind: ResourceKind, fields: readonly string[], parent: unknown, step: string): boolean {
  if (Array.isArray(parent)) {
    const index = indexOfStep(kind, fields, parent, step);
    if (index < 0) return false;
    parent.splice(index, 1);
    return parent.length === 0;
  }
  if (!isFields(parent) || !step.startsWith("f:")) return false;
  const had = delete parent[step.slice(2)];
  return had && Object.keys(parent).length === 0;
}

function descend(kind: ResourceKind, fields: string[], parent: unknown, step: string): unknown {
  const key: string | number = step.startsWith("f:")
    ? step.slice(2)
    : indexOfStep(kind, fields, parent as unknown[], step);
  if (step.startsWith("f:")) fields.push(step.slice(2));
  const holder = parent as Record<string | number, unknown>;
  const child = holder?.[key];
  if (typeof child !== "object" || child === null) return undefined;
  const copy: unknown = Array.isArray(child) ? [...child] : { ...child };
  holder[key] = copy;
  return copy;
}
