import type { GroupVersionKind } from "../object.ts";
import { DELETE_OPTIONS, listSchemaName, PATCH, type ServedKind, STATUS, schemaName } from "./definitions.ts";

export type Method = "get" | "put" | "post" | "delete" | "patch";

export interface QueryParameter {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean";
}

/** One call of the API, in terms that both OpenAPI versions share. */
export interface Operation {
  readonly path: string;
  readonly method: Method;
  readonly id: string;
  readonly tag: string;
  /** Kubernetes' word for it: get, list, post, put, patch, delete, deletecollection, connect. */
  readonly action: string;
  readonly kind: GroupVersionKind;
  readonly query: readonly QueryParameter[];
  /** The schema names of what goes in and what comes out; absent when there is none. */
  readonly body?: string;
  readonly answer?: string;
  readonly consumes: readonly string[];
}

const strings = (...names: string[]): QueryParameter[] => names.map((name) => ({ name, type: "string" }));
const integers = (...names: string[]): QueryParameter[] => names.map((name) => ({ name, type: "integer" }));
const booleans = (...names: string[]): QueryParameter[] => names.map((name) => ({ name, type: "boolean" }));

const SELECT = [
  ...strings("continue", "fieldSelector", "labelSelector", "resourceVersion", "resourceVersionMatch"),
  ...integers("limit", "timeoutSeconds"),
  ...booleans("sendInitialEvents"),
];
const LIST = [...SELECT, ...booleans("allowWatchBookmarks", "watch")];
const WRITE = strings("dryRun", "fieldManager", "fieldValidation");
const REMOVE = [
  ...strings("dryRun", "propagationPolicy"),
  ...integers("gracePeriodSeconds"),
  ...booleans("orphanDependents"),
];
const QUERY: Readonly<Record<string, readonly QueryParameter[]>> = {
  get: [],
  list: LIST,
  post: WRITE,
  put: WRITE,
  patch: [...WRITE, ...booleans("force")],
  delete: REMOVE,
  deletecollection: [...REMOVE, ...SELECT],
  connect: [],
};

export const PATCH_TYPES: readonly string[] = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
];
/** Custom kinds have no merge keys, so no strategic merge. */
const CUSTOM_PATCH_TYPES = PATCH_TYPES.filter((type) => !type.includes("strategic"));

/** `AppsV1`, `RbacAuthorizationV1`, `CoreV1`: the group and version in operation ids. */
function versionId(group: string, version: string): string {
  const words = (group === "" ? "core" : group.replace(/\.k8s\.io$/, "")).split(/[.-]/);
  return [...words, version].map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

/** `/api/v1` or `/apis/<group>/<version>`. */
export function versionPath(group: string, version: string): string {
  return group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
}

interface Call {
  readonly method: Method;
  readonly action: string;
  /** First word of the operation's id. */
  readonly word: string;
  readonly verb: string;
}

const COLLECTION: readonly Call[] = [
  { method: "get", action: "list", word: "list", verb: "list" },
  { method: "post", action: "post", word: "create", verb: "create" },
  { method: "delete", action: "deletecollection", word: "deleteCollection", verb: "deletecollection" },
];
const ITEM: readonly Call[] = [
  { method: "get", action: "get", word: "read", verb: "get" },
  { method: "put", action: "put", word: "replace", verb: "update" },
  { method: "patch", action: "patch", word: "patch", verb: "patch" },
  { method: "delete", action: "delete", word: "delete", verb: "delete" },
];
const SUBRESOURCE: readonly Call[] = [...ITEM.slice(0, 3), { ...COLLECTION[1]! }];

/** What differs between the places where one kind answers. */
interface Place {
  readonly path: string;
  readonly calls: readonly Call[];
  readonly verbs: readonly string[];
  readonly suffix: string;
  readonly kind: GroupVersionKind;
  readonly object: string | undefined;
}

function answerName(kind: ServedKind, action: string, object: string | undefined): string | undefined {
  if (action === "list") return listSchemaName(kind);
  return action === "delete" || action === "deletecollection" ? STATUS : object;
}

function bodyName(action: string, object: string | undefined): string | undefined {
  if (action === "patch") return PATCH;
  if (action === "delete" || action === "deletecollection") return DELETE_OPTIONS;
  return action === "post" || action === "put" ? object : undefined;
}

function operation(kind: ServedKind, place: Place, call: Call): Operation {
  const { method, action, word } = call;
  const scope = kind.namespaced && place.path.includes("{namespace}") ? "Namespaced" : "";
  const body = bodyName(action, place.object);
  const answer = answerName(kind, action, place.object);
  const patchTypes = kind.definition ? CUSTOM_PATCH_TYPES : PATCH_TYPES;
  return {
    path: place.path,
    method,
    id: `${word}${versionId(kind.group, kind.version)}${scope}${kind.kind}${place.suffix}`,
    tag: versionId(kind.group, kind.version)
      .replace(/^./, (first) => first.toLowerCase())
      .replace(/V(\d)/, "_v$1"),
    action,
    kind: place.kind,
    query: QUERY[action] ?? [],
    ...(body ? { body } : {}),
    ...(answer ? { answer } : {}),
    consumes: method === "patch" ? patchTypes : ["*/*"],
  };
}

function at(kind: ServedKind, place: Place): Operation[] {
  return place.calls.filter((call) => place.verbs.includes(call.verb)).map((call) => operation(kind, place, call));
}

function subresourcePlaces(kind: ServedKind, item: string): Place[] {
  return kind.subresources.map((subresource) => {
    const answered = {
      group: subresource.group ?? kind.group,
      version: subresource.version ?? kind.version,
      kind: subresource.kind,
    };
    return {
      path: `${item}/${subresource.name}`,
      calls: SUBRESOURCE,
      verbs: subresource.verbs,
      suffix: subresource.name.charAt(0).toUpperCase() + subresource.name.slice(1),
      kind: answered,
      object: subresource.kind === kind.kind ? schemaName(kind) : schemaName(answered),
    };
  });
}

/** Every operation of a kind: its collection, its objects and their subresources. */
export function operationsOf(kind: ServedKind): Operation[] {
  const base = versionPath(kind.group, kind.version);
  const collection = kind.namespaced ? `${base}/namespaces/{namespace}/${kind.resource}` : `${base}/${kind.resource}`;
  const object = schemaName(kind);
  const own = { verbs: kind.verbs, kind: { group: kind.group, version: kind.version, kind: kind.kind }, object };
  const places: Place[] = [
    { ...own, path: collection, calls: COLLECTION, suffix: "" },
    { ...own, path: `${collection}/{name}`, calls: ITEM, suffix: "" },
    ...subresourcePlaces(kind, `${collection}/{name}`),
  ];
  if (kind.namespaced) {
    const path = `${base}/${kind.resource}`;
    places.push({ ...own, path, calls: COLLECTION.slice(0, 1), suffix: "ForAllNamespaces" });
  }
  return places.flatMap((place) => at(kind, place));
}

/** Names in braces of a path. */
export function pathParameters(path: string): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
}
