import { hostnameOf, type Pod } from "./pod.ts";

/** What a pod may be told of itself. */
export interface PodFacts {
  /** Of each family one, IPv4 first. */
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[];
}

function fromMap(map: Readonly<Record<string, string>> | undefined, key: string): string {
  return map?.[key] ?? "";
}

function asLines(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join("\n");
}

/** The value of a `fieldRef`. Throws for a path that the downward API does not have. */
export function fieldRefValue(pod: Pod, facts: PodFacts, fieldPath: string): string {
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(fieldPath);
  if (keyed) return fromMap(pod.metadata[keyed[1] as "labels" | "annotations"], keyed[2]!);
  const simple: Readonly<Record<string, () => string>> = {
    "metadata.name": () => pod.metadata.name,
    "metadata.namespace": () => pod.metadata.namespace ?? "",
    "metadata.uid": () => pod.metadata.uid ?? "",
    "metadata.labels": () => asLines(pod.metadata.labels),
    "metadata.annotations": () => asLines(pod.metadata.annotations),
    "spec.nodeName": () => pod.spec.nodeName ?? "",
    "spec.serviceAccountName": () => pod.spec.serviceAccountName ?? "default",
    "spec.hostname": () => hostnameOf(pod),
    "status.podIP": () => facts.podIPs[0] ?? "",
    "status.podIPs": () => facts.podIPs.join(","),
    "status.hostIP": () => facts.hostIPs[0] ?? "",
    "status.hostIPs": () => facts.hostIPs.join(","),
  };
  const value = simple[fieldPath];
  if (value === undefined)
    throw new Error(`fieldRef.fieldPath ${fieldPath} is unknown: use one of ${Object.keys(simple).join(", ")}`);
  return value();
}
