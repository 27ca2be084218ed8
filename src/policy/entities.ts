import { CLUSTER_LABEL } from "../model/identity.ts";
import { clusterOfIdentity } from "../model/identity-scope.ts";
import type { Label, Labels } from "../model/label.ts";
import { type LabelSelector, labelSelector, requirement, type Selector, WILDCARD } from "../model/selector.ts";

function reserved(name: string): LabelSelector {
  return labelSelector([requirement(`reserved:${name}`, "In", [""])]);
}

/** What is in the cluster without being a pod with labels. */
const IN_CLUSTER = ["host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver"].map(reserved);

/** The first number that is no reserved identity's or well-known one's. */
const FIRST_POD = 100;
const BY_NUMBER = " by number";
const byNumber = (name: string): Label => ({ source: "reserved", key: `${name}${BY_NUMBER}`, value: "" });
const OWN_CLUSTER = [byNumber("cluster"), byNumber("cluster-mesh")];
const OTHER_CLUSTER = [byNumber("cluster-mesh")];

const NONE: Labels = [];

/** True for what `clusterByNumber` gives. */
export const isByNumber = ({ source, key }: Label): boolean => source === "reserved" && key.endsWith(BY_NUMBER);

/** True for a selector of what `clusterByNumber` gives: nobody wrote it, and nobody is shown it. */
export const isSelectorByNumber = (selector: Selector): boolean =>
  selector.kind === "labels" && selector.requirements.some(({ key }) => key.endsWith(BY_NUMBER));

/**
 * What the entities of the cluster know an identity by whose labels do not tell its cluster, for the label filter leaves that out:
 * its number. A key with spaces, which no selector of a user can name. As `pkg/policy/aggregate.go` of Cilium 1.20.2.
 */
export function clusterByNumber(id: number, labels: Labels): Labels {
  if (id < FIRST_POD || labels.some(({ key }) => key === CLUSTER_LABEL)) return NONE;
  const cluster = clusterOfIdentity(id);
  if (cluster === undefined) return NONE;
  return cluster === 0 ? OWN_CLUSTER : OTHER_CLUSTER;
}

const FIXED: Readonly<Record<string, readonly LabelSelector[]>> = {
  all: [WILDCARD],
  world: [reserved("world"), reserved("world-ipv4"), reserved("world-ipv6")],
  "world-ipv4": [reserved("world-ipv4")],
  "world-ipv6": [reserved("world-ipv6")],
  "cluster-mesh": [
    ...IN_CLUSTER,
    reserved(`cluster-mesh${BY_NUMBER}`),
    labelSelector([requirement(CLUSTER_LABEL, "Exists")]),
  ],
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
    return [
      ...IN_CLUSTER,
      reserved(`cluster${BY_NUMBER}`),
      labelSelector([requirement(`k8s:${CLUSTER_LABEL}`, "In", [cluster])]),
    ];
  return Object.hasOwn(FIXED, entity) ? FIXED[entity] : undefined;
}
