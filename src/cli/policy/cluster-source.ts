import {
  CiliumCIDRGroups,
  CiliumClusterwideNetworkPolicies,
  CiliumNetworkPolicies,
  ClusterNetworkPolicies,
  connect,
  EndpointSlices,
  KubeError,
  Namespaces,
  NetworkPolicies,
  Pods,
  type ResourceRef,
  Services,
} from "../../kube/client/index.ts";
import type { ManifestText } from "../../prove/manifest.ts";

/** What policy depends on; a cluster need not have every kind of policy. */
const KINDS: readonly (readonly [ref: ResourceRef, kind: string, isOptional: boolean])[] = [
  [Namespaces, "Namespace", false],
  [Pods, "Pod", false],
  [Services, "Service", false],
  [EndpointSlices, "EndpointSlice", false],
  [NetworkPolicies, "NetworkPolicy", false],
  [CiliumNetworkPolicies, "CiliumNetworkPolicy", false],
  [CiliumClusterwideNetworkPolicies, "CiliumClusterwideNetworkPolicy", false],
  [CiliumCIDRGroups, "CiliumCIDRGroup", true],
  [ClusterNetworkPolicies, "ClusterNetworkPolicy", true],
];

/** The objects of a cluster, each kind a text of its own. Throws an Error where the cluster does not answer. */
export async function readCluster(kubeconfig: string): Promise<ManifestText[]> {
  const client = connect({ kubeconfig });
  return Promise.all(
    KINDS.map(async ([ref, kind, isOptional]) => {
      const apiVersion = ref.group === "" ? ref.version : `${ref.group}/${ref.version}`;
      const { items } = await client.list(ref).catch((error: unknown) => {
        if (isOptional && error instanceof KubeError && error.code === 404) return { items: [] };
        throw new Error(`${kubeconfig}: ${kind}: ${(error as Error).message}`);
      });
      const list = { apiVersion: "v1", kind: "List", items: items.map((item) => ({ ...item, apiVersion, kind })) };
      return { file: `cluster/${ref.resource}`, text: JSON.stringify(list) };
    }),
  );
}
