import { CLUSTER_LABEL, NAMESPACE_LABEL, NAMESPACE_LABELS_PREFIX } from "../model/identity.ts";
import { type LabelSelector, labelSelector, requirement } from "../model/selector.ts";
import type { WrittenSelector } from "./parse-selector.ts";

/** Where a policy's selectors look. */
export interface Scope {
  /** Of the policy; empty = clusterwide. */
  readonly namespace: string;
  /** Peers are sought in this cluster unless their selector names one; empty = in every cluster. */
  readonly cluster: string;
  /** Name of this cluster, for the entity `cluster`. */
  readonly entityCluster: string;
  /** The policy's subjects are pods that have no labels yet. */
  readonly selectsInit: boolean;
  /** Whether identities of nodes carry the labels of their nodes, so that `fromNodes` and `toNodes` can select them. */
  readonly nodeSelectorLabels: boolean;
}

export const NAMESPACE_KEY = `k8s:${NAMESPACE_LABEL}`;
export const CLUSTER_KEY = `k8s:${CLUSTER_LABEL}`;
const INIT_KEY = "reserved:init";

export function hasKey(selector: WrittenSelector, matches: (key: string) => boolean): boolean {
  for (const key of selector.matchLabels.keys()) if (matches(key)) return true;
  return selector.matchExpressions.some(({ key }) => matches(key));
}

/** True for `k8s:<key>` and `any:<key>`. */
function names(key: string): (written: string) => boolean {
  return (written) => written === `k8s:${key}` || written === `any:${key}`;
}

export function withLabel(selector: WrittenSelector, key: string, value: string): WrittenSelector {
  return { ...selector, matchLabels: new Map(selector.matchLabels).set(key, value) };
}

/** Adds the condition that the key exists. */
export function withKey(selector: WrittenSelector, key: string): WrittenSelector {
  return { ...selector, matchExpressions: [...selector.matchExpressions, { key, operator: "Exists", values: [] }] };
}

/** The subjects of a namespaced policy are always in its namespace, whatever the selector says. */
export function scopeSubject(selector: WrittenSelector, namespace: string): WrittenSelector {
  return namespace === "" ? selector : withLabel(selector, NAMESPACE_KEY, namespace);
}

export function selectsInit(selector: WrittenSelector): boolean {
  return hasKey(selector, (key) => key === INIT_KEY);
}

/**
 * Peers are sought in the policy's namespace unless the selector names a namespace or a namespace's labels; a clusterwide
 * policy's peers are pods of any namespace. A selector with a `reserved:` key is taken as it stands.
 */
export function scopePeer(selector: WrittenSelector, scope: Scope): WrittenSelector {
  if (hasKey(selector, (key) => key.startsWith("reserved:"))) return selector;
  const scoped = hasKey(selector, names(NAMESPACE_LABEL)) ? selector : inNamespace(selector, scope);
  return inCluster(scoped, scope.cluster);
}

/** A peer of `fromNodes` or `toNodes` is always a remote node. */
export function scopeNode(selector: WrittenSelector, scope: Scope): WrittenSelector {
  return inCluster(withKey(selector, "reserved:remote-node"), scope.cluster);
}

/** Adds the cluster unless the selector names one; an empty name adds nothing. */
function inCluster(selector: WrittenSelector, cluster: string): WrittenSelector {
  if (cluster === "" || hasKey(selector, names(CLUSTER_LABEL))) return selector;
  return withLabel(selector, CLUSTER_KEY, cluster);
}

function inNamespace(selector: WrittenSelector, scope: Scope): WrittenSelector {
  if (scope.namespace === "") return scope.selectsInit ? selector : withKey(selector, NAMESPACE_KEY);
  const byNamespaceLabels = (key: string) =>
    /^(k8s|any):/.test(key) && key.slice(4).startsWith(`${NAMESPACE_LABELS_PREFIX}.`);
  return hasKey(selector, byNamespaceLabels) ? selector : withLabel(selector, NAMESPACE_KEY, scope.namespace);
}

/** The selector that a written one means. */
export function toLabelSelector(selector: WrittenSelector): LabelSelector {
  return labelSelector([
    ...[...selector.matchLabels].map(([key, value]) => requirement(key, "In", [value])),
    ...selector.matchExpressions.map(({ key, operator, values }) => requirement(key, operator, values)),
  ]);
}

/** As Cilium's API prints it: keys sorted, empty parts left out. */
export function selectorToApi(selector: WrittenSelector): unknown {
  const labels = [...selector.matchLabels].sort(([a], [b]) => (a < b ? -1 : 1));
  const expressions = selector.matchExpressions.map(({ key, operator, values }) => ({
    key,
    operator,
    ...(values.length > 0 ? { values } : {}),
  }));
  return {
    ...(labels.length > 0 ? { matchLabels: Object.fromEntries(labels) } : {}),
    ...(expressions.length > 0 ? { matchExpressions: expressions } : {}),
  };
}
