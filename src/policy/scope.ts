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
}

const NAMESPACE_KEY = `k8s:${NAMESPACE_LABEL}`;
const INIT_KEY = "reserved:init";

function hasKey(selector: WrittenSelector, matches: (key: string) => boolean): boolean {
  return [...selector.matchLabels.keys(), ...selector.matchExpressions.map(({ key }) => key)].some(matches);
}

/** True for `k8s:<key>` and `any:<key>`. */
function names(key: string): (written: string) => boolean {
  return (written) => written === `k8s:${key}` || written === `any:${key}`;
}

function withLabel(selector: WrittenSelector, key: string, value: string): WrittenSelector {
  return { ...selector, matchLabels: new Map(selector.matchLabels).set(key, value) };
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
  if (scope.cluster === "" || hasKey(scoped, names(CLUSTER_LABEL))) return scoped;
  return withLabel(scoped, `k8s:${CLUSTER_LABEL}`, scope.cluster);
}

function inNamespace(selector: WrittenSelector, scope: Scope): WrittenSelector {
  if (scope.namespace === "") {
    if (scope.selectsInit) return selector;
    const exists = { key: NAMESPACE_KEY, operator: "Exists", values: [] } as const;
    return { ...selector, matchExpressions: [...selector.matchExpressions, exists] };
  }
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
