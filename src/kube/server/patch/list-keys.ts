import { type Fields, fieldsOf, isFields } from "../../object.ts";
import type { ResourceKind } from "../kind.ts";

/** How the items of a list are told apart when two versions of it merge. */
export type ListRule =
  | { readonly type: "map"; readonly keys: readonly string[] }
  | { readonly type: "set" }
  | { readonly type: "atomic" };

const ATOMIC: ListRule = { type: "atomic" };
const SET: ListRule = { type: "set" };
const by = (...keys: readonly string[]): ListRule => ({ type: "map", keys });

/** Field names whose lists merge in every built-in kind; what is not here is replaced whole. */
const RULES: Readonly<Record<string, ListRule>> = {
  containers: by("name"),
  initContainers: by("name"),
  ephemeralContainers: by("name"),
  env: by("name"),
  volumeMounts: by("mountPath"),
  volumeDevices: by("devicePath"),
  volumes: by("name"),
  imagePullSecrets: by("name"),
  hostAliases: by("ip"),
  topologySpreadConstraints: by("topologyKey", "whenUnsatisfiable"),
  schedulingGates: by("name"),
  resourceClaims: by("name"),
  conditions: by("type"),
  ownerReferences: by("uid"),
  podIPs: by("ip"),
  hostIPs: by("ip"),
  finalizers: SET,
  podCIDRs: SET,
};

/** Field names whose rule depends on where they are: `Kind.parent.field`, or `parent.field` in any kind. */
const PLACED: Readonly<Record<string, ListRule>> = {
  "containers.ports": by("containerPort", "protocol"),
  "initContainers.ports": by("containerPort", "protocol"),
  "Service.spec.ports": by("port", "protocol"),
  "Node.status.addresses": by("type"),
  "ServiceAccount..secrets": by("name"),
};

function builtinRule(kind: string, path: readonly string[]): ListRule {
  const field = path.at(-1) ?? "";
  const parent = path.at(-2) ?? "";
  return PLACED[`${kind}.${parent}.${field}`] ?? PLACED[`${parent}.${field}`] ?? RULES[field] ?? ATOMIC;
}

/** The schema of a definition's version. */
function schemaOf(kind: ResourceKind): Fields {
  const versions = fieldsOf(kind.definition?.spec).versions;
  const version = (Array.isArray(versions) ? versions : []).find((entry) => fieldsOf(entry).name === kind.version);
  return fieldsOf(fieldsOf(fieldsOf(version).schema).openAPIV3Schema);
}

function definedRule(kind: ResourceKind, path: readonly string[]): ListRule {
  let schema = schemaOf(kind);
  for (const field of path) {
    if (isFields(schema.items)) schema = schema.items;
    const properties = fieldsOf(schema.properties);
    schema = fieldsOf(properties[field] ?? schema.additionalProperties);
  }
  const keys = schema["x-kubernetes-list-map-keys"];
  switch (schema["x-kubernetes-list-type"]) {
    case "map":
      return Array.isArray(keys) ? by(...keys.map(String)) : ATOMIC;
    case "set":
      return SET;
    default:
      return ATOMIC;
  }
}

/** The rule for the list at a path of field names (list items add none), as in `spec`, `containers`, `ports`. */
export function listRule(kind: ResourceKind, path: readonly string[]): ListRule {
  if (path[0] === "metadata") return RULES[path.at(-1) ?? ""] ?? ATOMIC;
  return kind.definition ? definedRule(kind, path) : builtinRule(kind.kind, path);
}
