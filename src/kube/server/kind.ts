import type { KubeObject } from "../object.ts";
import type { FieldError } from "../status.ts";
import type { ServiceRange } from "./service-range.ts";

/** A path below an object that is served beside the object itself. */
export interface Subresource {
  /** `status`, `scale`, `log` … */
  readonly name: string;
  /** The kind that goes over the wire there, for discovery. */
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly string[];
}

/** What else the server knows while it prepares an object. */
export interface Preparation {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Where services have their addresses; the cluster's first family first. */
  readonly serviceRanges: readonly ServiceRange[];
  /** Finds a stored object: `resource` is `group/plural`. */
  find(resource: string, namespace: string, name: string): KubeObject | undefined;
  list(resource: string): readonly KubeObject[];
}

/** What one kind does beyond the rules that all kinds share. Objects passed in may be changed in place. */
export interface Strategy {
  /** Fills in what the user left out (also after each update). */
  readonly fillDefaults?: (object: KubeObject) => void;
  /** Sets what the server decides at creation: status, allocated values. Throws KubeError. */
  readonly prepareCreate?: (object: KubeObject, preparation: Preparation) => void;
  /** Carries over or allocates at update. Throws KubeError. */
  readonly prepareUpdate?: (next: KubeObject, old: KubeObject, preparation: Preparation) => void;
  /** Rules beyond the schema; `old` is undefined at creation. */
  readonly validate?: (object: KubeObject, old: KubeObject | undefined) => FieldError[];
  /** What the user should know of an object that is accepted. */
  readonly advise?: (object: KubeObject) => string[];
  /** The values that field selectors may ask for, beyond metadata.name and metadata.namespace. */
  readonly selectable?: (object: KubeObject) => Record<string, string>;
}

/** One resource of one API version. */
export interface ResourceKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly resource: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly subresources: readonly Subresource[];
  /** `group/plural` under which objects are stored; versions of one resource share it. */
  readonly storage: string;
  /** True when metadata.generation counts changes of everything but metadata and status. */
  readonly counted: boolean;
  readonly strategy: Strategy;
  /** Between this version and what is stored; identity when absent. */
  readonly convert?: { toStored(object: KubeObject): KubeObject; fromStored(object: KubeObject): KubeObject };
  /** The CustomResourceDefinition that defines the kind. */
  readonly definition?: KubeObject;
  /** True when a deletion answers with the object that is gone. */
  readonly answersDeleted?: boolean;
  /** Whether dependents of a deleted object stay when the request does not say. */
  readonly orphansByDefault?: boolean;
  /** True when PUT makes what is not there. */
  readonly createsOnUpdate?: boolean;
  /** What every answer warns of: the kind goes away. */
  readonly deprecation?: string;
}

export const ALL_VERBS: readonly string[] = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
];

const WRITABLE = ["get", "patch", "update"] as const;

/** The `status` subresource of a kind. */
export function statusOf(kind: string): Subresource {
  return { name: "status", kind, verbs: WRITABLE };
}

/** The `ephemeralcontainers` subresource of pods: the only way in for those. */
export const EPHEMERAL_CONTAINERS: Subresource = { name: "ephemeralcontainers", kind: "Pod", verbs: WRITABLE };

/** The `scale` subresource (autoscaling/v1). */
export const SCALE: Subresource = {
  name: "scale",
  kind: "Scale",
  group: "autoscaling",
  version: "v1",
  verbs: WRITABLE,
};

export interface KindDeclaration {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly resource: string;
  readonly namespaced: boolean;
  readonly singular?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly verbs?: readonly string[];
  readonly subresources?: readonly Subresource[];
  readonly storage?: string;
  readonly counted?: boolean;
  readonly strategy?: Strategy;
  readonly convert?: ResourceKind["convert"];
  readonly definition?: KubeObject;
  readonly answersDeleted?: boolean;
  readonly orphansByDefault?: boolean;
  readonly createsOnUpdate?: boolean;
  readonly deprecation?: string;
}

/** A kind with what it leaves out filled in. */
export function declareKind(declaration: KindDeclaration): ResourceKind {
  return {
    singular: declaration.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    verbs: ALL_VERBS,
    subresources: [],
    storage: `${declaration.group}/${declaration.resource}`,
    counted: false,
    strategy: {},
    ...declaration,
  };
}

/** True when the kind serves the subresource. */
export function serves(kind: ResourceKind, subresource: string): boolean {
  return kind.subresources.some((candidate) => candidate.name === subresource);
}
