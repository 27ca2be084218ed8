import { groupVersion } from "../object.ts";
import type { ResourceKind, Subresource } from "./kind.ts";
import type { Registry } from "./registry.ts";

/** What `/version` says: the API level that the lab speaks. */
export const VERSION = {
  major: "1",
  minor: "34",
  gitVersion: "v1.34.0+shieldgate",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "",
  platform: "linux/amd64",
};

const CORE_VERSIONS = ["v1"];

/** `/api`. */
export function coreVersions(): object {
  return { kind: "APIVersions", versions: CORE_VERSIONS, serverAddressByClientCIDRs: [] };
}

function apiGroup(group: string, versions: readonly string[]): object {
  const entries = versions.map((version) => ({ groupVersion: groupVersion(group, version), version }));
  return { name: group, versions: entries, preferredVersion: entries[0] };
}

/** `/apis`. */
export function groupList(registry: Registry): object {
  const groups = [...registry.groups()].map(([group, versions]) => apiGroup(group, versions));
  return { kind: "APIGroupList", apiVersion: "v1", groups };
}

/** `/apis/<group>`; undefined when there is no such group. */
export function groupInfo(registry: Registry, group: string): object | undefined {
  const versions = registry.groups().get(group);
  return versions && { kind: "APIGroup", apiVersion: "v1", ...apiGroup(group, versions) };
}

function resourceEntries(kind: ResourceKind): object[] {
  const { resource, singular, namespaced, verbs, shortNames, categories } = kind;
  const main = {
    name: resource,
    singularName: singular,
    namespaced,
    kind: kind.kind,
    verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
  };
  const below = kind.subresources.map((sub) => ({
    name: `${resource}/${sub.name}`,
    singularName: "",
    namespaced,
    ...(sub.version === undefined ? {} : { group: sub.group, version: sub.version }),
    kind: sub.kind,
    verbs: sub.verbs,
  }));
  return [main, ...below];
}

/** `/api/v1` and `/apis/<group>/<version>`; undefined when nothing is served there. */
export function resourceList(registry: Registry, group: string, version: string): object | undefined {
  const kinds = registry.inVersion(group, version);
  if (kinds.length === 0) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: groupVersion(group, version),
    resources: kinds.flatMap(resourceEntries),
  };
}

function responseKind(kind: ResourceKind, sub?: Subresource): object {
  return { group: sub?.group ?? kind.group, version: sub?.version ?? kind.version, kind: sub?.kind ?? kind.kind };
}

function aggregatedResource(kind: ResourceKind): object {
  const { resource, singular, namespaced, verbs, shortNames, categories, subresources } = kind;
  return {
    resource,
    responseKind: responseKind(kind),
    scope: namespaced ? "Namespaced" : "Cluster",
    singularResource: singular,
    verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
    ...(subresources.length > 0
      ? {
          subresources: subresources.map((sub) => ({
            subresource: sub.name,
            responseKind: responseKind(kind, sub),
            verbs: sub.verbs,
          })),
        }
      : {}),
  };
}

/** All groups with their resources in one answer: the core group for `/api`, the others for `/apis`. */
export function aggregatedDiscovery(registry: Registry, core: boolean, version: string): object {
  const groups: (readonly [string, readonly string[]])[] = core ? [["", CORE_VERSIONS]] : [...registry.groups()];
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(([group, versions]) => ({
      metadata: { ...(group === "" ? {} : { name: group }), creationTimestamp: null },
      versions: versions.map((name) => ({
        version: name,
        resources: registry.inVersion(group, name).map(aggregatedResource),
        freshness: "Current",
      })),
    })),
  };
}
