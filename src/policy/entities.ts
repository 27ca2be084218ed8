import { CLUSTER_LABEL } from "../model/identity.ts";
import { type LabelSelector, labelSelector, requirement, WILDCARD } from "../model/selector.ts";

function reserved(name: string): LabelSelector {
  return labelSelector([requirement(`reserved:${name}`, "In", [""])]);
}

/** What is in the cluster without being a pod with labels. */
const IN_CLUSTER = ["host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver"].map(reserved);

const FIXED: Readonly<Record<string, readonly LabelSelector[]>> = {
  all: [WILDCARD],
  world: [reserved("world"), reserved("world-ipv4"), reserved("world-ipv6")],
  "world-ipv4": [reserved("world-ipv4")],
  "world-ipv6": [reserved("world-ipv6")],
  "cluster-mesh": [...IN_CLUSTER, labelSelector([requirement(CLUSTER_LABEL, "Exists")])],
  host: [reserved("host")],
  init: [reserved("init")],
  ingress: [reserved("ingress")],
  "remote-node": [reserved("remote-node")],
  health: [reserved("health")],
  unmanaged: [reserved("unmanaged")],
  none: [reserved("none")],
  "kube-apiserver": [reserved("kube-apiserver")],
};

export const ENTITIES: readonly string[] = ["cluster", ...Object.keys(FIXED)];

/** Selectors of an entity of `fromEntities` or `toEntities`; undefined when there is no such entity. */
export function entitySelectors(entity: string, cluster: string): readonly LabelSelector[] | undefined {
  if (entity === "cluster")
    return [...IN_CLUSTER, labelSelector([requirement(`k8s:${CLUSTER_LABEL}`, "In", [cluster])])];
  return Object.hasOwn(FIXED, entity) ? FIXED[entity] : undefined;
}
