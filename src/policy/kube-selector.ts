import { CLUSTER_LABEL, NAMESPACE_LABELS_PREFIX } from "../model/identity.ts";
import type { Field } from "./field.ts";
import { type KeyForm, parseSelector, type WrittenSelector } from "./parse-selector.ts";
import { CLUSTER_KEY, hasKey, NAMESPACE_KEY, withKey, withLabel } from "./scope.ts";

const POD_KEYS: KeyForm = { source: "k8s", allowsSource: false };
const NAMESPACE_KEYS: KeyForm = { ...POD_KEYS, prefix: `${NAMESPACE_LABELS_PREFIX}.` };

export const NO_CONDITIONS: WrittenSelector = { matchLabels: new Map(), matchExpressions: [] };

/** Reads a selector of pods as Kubernetes writes it: keys without a source, which mean Kubernetes' labels. */
export function parsePodSelector(value: unknown, at: Field): WrittenSelector {
  return parseSelector(value, at, POD_KEYS) ?? NO_CONDITIONS;
}

/** Reads a selector of namespaces as conditions on their pods; the empty one wants any namespace, so pods alone. */
export function parseNamespaceSelector(value: unknown, at: Field): WrittenSelector {
  const written = parseSelector(value, at, NAMESPACE_KEYS) ?? NO_CONDITIONS;
  const isEmpty = written.matchLabels.size === 0 && written.matchExpressions.length === 0;
  return isEmpty ? withKey(written, NAMESPACE_KEY) : written;
}

/** Reads a selector of nodes: their labels have the source `node`. */
export function parseNodeSelector(value: unknown, at: Field): WrittenSelector {
  return parseSelector(value, at, { source: "node", allowsSource: false }) ?? NO_CONDITIONS;
}

/** Both selectors' conditions; where both want a value of one label, the second one's counts. */
export function both(first: WrittenSelector, second: WrittenSelector): WrittenSelector {
  return {
    matchLabels: new Map([...first.matchLabels, ...second.matchLabels]),
    matchExpressions: [...first.matchExpressions, ...second.matchExpressions],
  };
}

/** Adds the cluster unless `pods` names one; an empty name adds nothing. */
export function inCluster(selector: WrittenSelector, pods: WrittenSelector, cluster: string): WrittenSelector {
  const names = (key: string) => key.slice(key.indexOf(":") + 1) === CLUSTER_LABEL;
  return cluster === "" || hasKey(pods, names) ? selector : withLabel(selector, CLUSTER_KEY, cluster);
}
