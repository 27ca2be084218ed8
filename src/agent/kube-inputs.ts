import {
  CiliumCIDRGroups,
  CiliumClusterwideNetworkPolicies,
  CiliumEndpoints,
  CiliumIdentities,
  CiliumNetworkPolicies,
  CiliumNodes,
  ClusterNetworkPolicies,
  EndpointSlices,
  Namespaces,
  NetworkPolicies,
  Nodes,
  Pods,
  type ResourceRef,
  Services,
} from "../kube/resources.ts";
import type { Informer, KubeObject } from "./kube.ts";
import type { AgentMetrics } from "./metrics/agent-metrics.ts";

export interface InformerSelection {
  readonly namespace?: string;
  readonly fieldSelector?: string;
  /** A server that does not know the resource has none of it. */
  readonly isOptional?: boolean;
}

/** Makes the informer of one resource; the client behind it is the caller's. */
export type OpenInformer = (ref: ResourceRef, selection: InformerSelection) => Informer;

/** Called with the object as it is now, and as it was before a change. */
export interface InputHandler {
  changed(object: KubeObject, old: KubeObject | undefined): void;
  removed(object: KubeObject): void;
}

const NOT_WATCHED: InputHandler = { changed: () => undefined, removed: () => undefined };

/** Everything that an agent reads from the Kubernetes API. Pods are those of this node only. */
export interface KubeInputs {
  readonly pods: Informer;
  readonly namespaces: Informer;
  readonly nodes: Informer;
  readonly services: Informer;
  readonly slices: Informer;
  readonly identities: Informer;
  readonly endpoints: Informer;
  readonly ciliumNodes: Informer;
  readonly policies: Informer;
  readonly clusterwidePolicies: Informer;
  readonly networkPolicies: Informer;
  readonly clusterNetworkPolicies: Informer;
  readonly cidrGroups: Informer;
}

/** Opens the informers without starting them. */
export function openKubeInputs(open: OpenInformer, nodeName: string): KubeInputs {
  return {
    pods: open(Pods, { fieldSelector: `spec.nodeName=${nodeName}` }),
    namespaces: open(Namespaces, {}),
    nodes: open(Nodes, { fieldSelector: `metadata.name=${nodeName}` }),
    services: open(Services, {}),
    slices: open(EndpointSlices, {}),
    identities: open(CiliumIdentities, {}),
    endpoints: open(CiliumEndpoints, {}),
    ciliumNodes: open(CiliumNodes, {}),
    policies: open(CiliumNetworkPolicies, {}),
    clusterwidePolicies: open(CiliumClusterwideNetworkPolicies, {}),
    networkPolicies: open(NetworkPolicies, {}),
    // Its definition is not part of Kubernetes: a cluster may do without.
    clusterNetworkPolicies: open(ClusterNetworkPolicies, { isOptional: true }),
    cidrGroups: open(CiliumCIDRGroups, {}),
  };
}

function all(inputs: KubeInputs): readonly Informer[] {
  return Object.values(inputs) as readonly Informer[];
}

/** The kinds of the inputs' objects, as Cilium's metrics name them. */
const KINDS: Readonly<Record<keyof KubeInputs, string>> = {
  pods: "Pod",
  namespaces: "Namespace",
  nodes: "Node",
  services: "Service",
  slices: "EndpointSlice",
  identities: "CiliumIdentity",
  endpoints: "CiliumEndpoint",
  ciliumNodes: "CiliumNode",
  policies: "CiliumNetworkPolicy",
  clusterwidePolicies: "CiliumClusterwideNetworkPolicy",
  networkPolicies: "NetworkPolicy",
  clusterNetworkPolicies: "ClusterNetworkPolicy",
  cidrGroups: "CiliumCIDRGroup",
};

/** Wires handlers to informers; an input without one is only read from its cache. */
export function handleInputs(
  inputs: KubeInputs,
  handlers: Partial<Record<keyof KubeInputs, InputHandler>>,
  metrics: AgentMetrics,
): void {
  for (const name of Object.keys(inputs) as (keyof KubeInputs)[]) {
    const handler = handlers[name] ?? NOT_WATCHED;
    const kind = KINDS[name];
    inputs[name].on({
      onAdd: (object) => {
        metrics.kubernetesEvent(kind, "create", false);
        handler.changed(object, undefined);
      },
      onUpdate: (old, object) => {
        metrics.kubernetesEvent(kind, "update", old.metadata.resourceVersion === object.metadata.resourceVersion);
        handler.changed(object, old);
      },
      onDelete: (object) => {
        metrics.kubernetesEvent(kind, "delete", false);
        handler.removed(object);
      },
    });
  }
}

/** True while the server is followed in everything that it has. */
export function areInputsConnected(inputs: KubeInputs): boolean {
  return all(inputs).every((informer) => informer.isConnected);
}

/** Starts all of them; resolves when each has its first list. */
export async function startInputs(inputs: KubeInputs): Promise<void> {
  await Promise.all(all(inputs).map((informer) => informer.start()));
}

export function stopInputs(inputs: KubeInputs): void {
  for (const informer of all(inputs)) informer.stop();
}
