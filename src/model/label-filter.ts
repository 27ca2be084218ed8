import type { Label } from "./label.ts";

/** Keys that make an identity, and keys that do not; matched from the start of the key. Cilium's defaults. */
const INCLUDED: readonly RegExp[] = [
  /^io\.kubernetes\.pod\.namespace/,
  /^io\.cilium\.k8s\.namespace\.labels/,
  /^app\.kubernetes\.io/,
  /^io\.cilium\.k8s\.policy\.cluster/,
  /^io\.cilium\.k8s\.policy\.serviceaccount/,
];
const EXCLUDED: readonly RegExp[] = [
  /^io\.kubernetes/,
  /^kubernetes\.io/,
  /^statefulset\.kubernetes\.io\/pod-name/,
  /^apps\.kubernetes\.io\/pod-index/,
  /^batch\.kubernetes\.io\/job-completion-index/,
  /^batch\.kubernetes\.io\/controller-uid/,
  /^.*beta\.kubernetes\.io/,
  /^k8s\.io/,
  /^pod-template-generation/,
  /^pod-template-hash/,
  /^controller-revision-hash/,
  /^controller-uid/,
  /^annotation.*/,
  /^etcd_node/,
  /^topology\.kubernetes\.io/,
];

function matchedLengths(patterns: readonly RegExp[], key: string): number[] {
  return patterns.map((pattern) => pattern.exec(key)?.[0].length ?? 0).filter((length) => length > 0);
}

/**
 * True when the label is part of the identity. The longest included prefix must beat the shortest excluded one; a key
 * that nothing excludes counts. Policy cannot see any other label.
 */
export function isSecurityRelevant(label: Label): boolean {
  if (label.source === "reserved") return true;
  const excluded = matchedLengths(EXCLUDED, label.key);
  return excluded.length === 0 || Math.max(0, ...matchedLengths(INCLUDED, label.key)) > Math.min(...excluded);
}
