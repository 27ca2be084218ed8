import { type Fields, fieldsOf, isFields, type KubeObject, listOf, timestamp } from "../object.ts";
import type { Store } from "../storage/store.ts";
import { declareKind, type ResourceKind, SCALE, statusOf } from "./kind.ts";
import { compareVersions, type Registry } from "./registry.ts";

export const DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions";

const strings = (value: unknown): string[] => listOf(value).filter((item) => typeof item === "string");

/** The value at a path like `.spec.a.b`, as text for field selectors. */
function textAt(object: unknown, path: string): string {
  let value = object;
  for (const field of path.split(".").filter((part) => part !== "")) value = fieldsOf(value)[field];
  return value === undefined || value === null ? "" : String(value);
}

/** What is said of a deprecated version: its own words, or which other one to use. */
function deprecationOf(definition: KubeObject, version: Fields): { deprecation?: string } {
  if (version.deprecated !== true) return {};
  if (typeof version.deprecationWarning === "string") return { deprecation: version.deprecationWarning };
  const { group, names, versions } = fieldsOf(definition.spec);
  const name = (one: unknown): string => `${String(group)}/${String(one)} ${String(fieldsOf(names).kind)}`;
  const others = listOf(versions)
    .map(fieldsOf)
    .filter((other) => other.served === true && other.deprecated !== true)
    .map((other) => String(other.name));
  const better = others.sort(compareVersions).find((other) => compareVersions(other, String(version.name)) < 0);
  const instead = better === undefined ? "" : `; use ${name(better)}`;
  return { deprecation: `${name(version.name)} is deprecated${instead}` };
}

function versionKind(definition: KubeObject, version: Fields): ResourceKind {
  const spec = fieldsOf(definition.spec);
  const names = fieldsOf(spec.names);
  const kind = String(names.kind);
  const subresources = fieldsOf(version.subresources);
  const selectable = listOf(version.selectableFields).map((field) => String(fieldsOf(field).jsonPath ?? ""));
  const group = String(spec.group);
  const resource = String(names.plural);
  const apiVersion = `${group}/${String(version.name)}`;
  const versions = listOf(spec.versions);
  return declareKind({
    group,
    version: String(version.name),
    kind,
    resource,
    singular: typeof names.singular === "string" ? names.singular : kind.toLowerCase(),
    shortNames: strings(names.shortNames),
    categories: strings(names.categories),
    namespaced: spec.scope === "Namespaced",
    counted: true,
    ...deprecationOf(definition, version),
    subresources: [
      ...(isFields(subresources.status) ? [statusOf(kind)] : []),
      ...(isFields(subresources.scale) ? [SCALE] : []),
    ],
    strategy: {
      selectable: (object) =>
        Object.fromEntries(selectable.map((path) => [path.replace(/^\./, ""), textAt(object, path)])),
    },
    definition,
    // Versions differ in nothing but their name: conversion by webhook is refused.
    ...(versions.length > 1
      ? {
          convert: {
            toStored: (object: KubeObject) => object,
            fromStored: (object: KubeObject) => (object.apiVersion === apiVersion ? object : { ...object, apiVersion }),
          },
        }
      : {}),
  });
}

/** The kinds that a CustomResourceDefinition brings, one a served version. */
function definedKinds(definition: KubeObject): ResourceKind[] {
  const versions = listOf(fieldsOf(definition.spec).versions).filter(isFields);
  return versions.filter((version) => version.served === true).map((version) => versionKind(definition, version));
}

/** Fills in a definition's names, and that versions differ in nothing. */
export function defaultDefinition({ spec }: KubeObject): void {
  if (!isFields(spec)) return;
  const names = fieldsOf(spec.names);
  const kind = String(names.kind);
  names.singular ||= kind.toLowerCase();
  names.listKind ||= `${kind}List`;
  spec.conversion ??= { strategy: "None" };
}

/** Says that a definition is in force. */
export function establish(definition: KubeObject, now: number): void {
  const spec = fieldsOf(definition.spec);
  const { names } = spec;
  const condition = (type: string, reason: string, message: string) => ({
    type,
    status: "True",
    lastTransitionTime: timestamp(now),
    reason,
    message,
  });
  const stored = listOf(spec.versions).filter((version) => fieldsOf(version).storage === true);
  definition.status = {
    conditions: [
      condition("NamesAccepted", "NoConflicts", "no conflicts found"),
      condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ],
    acceptedNames: names,
    storedVersions: stored.map((version) => String(fieldsOf(version).name)),
  };
}

/** Keeps the registry true to the stored definitions from now on. Returns the call that ends it. */
export function serveDefinitions(store: Store, registry: Registry): () => void {
  const serve = (definition: KubeObject): void => {
    for (const kind of definedKinds(definition)) registry.add(kind);
  };
  for (const stored of store.list(DEFINITIONS)) serve(stored.object);
  return store.watch(DEFINITIONS, store.revision, ({ type, stored, old }) => {
    if (type !== "ADDED") registry.removeDefinition(stored.object.metadata.name);
    if (type !== "DELETED") {
      serve(stored.object);
      return;
    }
    const resource = `${String(fieldsOf(old?.object.spec).group)}/${String(fieldsOf(fieldsOf(old?.object.spec).names).plural)}`;
    for (const orphan of store.list(resource)) {
      const { namespace = "", name } = orphan.object.metadata;
      store.remove(resource, namespace, name, orphan.revision);
    }
  });
}
