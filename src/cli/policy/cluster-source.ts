import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import {
  CiliumCIDRGroups,
  CiliumClusterwideNetworkPolicies,
  CiliumNetworkPolicies,
  ClusterNetworkPolicies,
  ConfigMaps,
  CronJobs,
  connect,
  DaemonSets,
  Deployments,
  EndpointSlices,
  Jobs,
  KubeError,
  Namespaces,
  NetworkPolicies,
  Pods,
  ReplicaSets,
  type ResourceRef,
  Services,
  StatefulSets,
} from "../../kube/client/index.ts";
import type { ManifestText } from "../../prove/manifest.ts";
import type { ClusterChoice } from "./cluster-inventory.ts";
import { SETTINGS_FILE } from "./cluster-settings.ts";
import { namedInputKind } from "./input.ts";

/** What policy depends on; a cluster need not have every kind of policy. */
const KINDS: readonly (readonly [ref: ResourceRef, kind: string, isOptional: boolean])[] = [
  [Namespaces, "Namespace", false],
  [Pods, "Pod", false],
  [Deployments, "Deployment", true],
  [ReplicaSets, "ReplicaSet", true],
  [StatefulSets, "StatefulSet", true],
  [DaemonSets, "DaemonSet", true],
  [Jobs, "Job", true],
  [CronJobs, "CronJob", true],
  [Services, "Service", false],
  [EndpointSlices, "EndpointSlice", false],
  [NetworkPolicies, "NetworkPolicy", false],
  [CiliumNetworkPolicies, "CiliumNetworkPolicy", false],
  [CiliumClusterwideNetworkPolicies, "CiliumClusterwideNetworkPolicy", false],
  [CiliumCIDRGroups, "CiliumCIDRGroup", true],
  [ClusterNetworkPolicies, "ClusterNetworkPolicy", true],
];

/** The file of credentials. Throws an Error where there is none. */
function kubeconfigOf({ kubeconfig }: ClusterChoice): string {
  if (kubeconfig !== undefined) return kubeconfig;
  const named = (process.env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  const found = [...named, ...(named.length === 0 ? [join(homedir(), ".kube/config")] : [])].find((path) =>
    existsSync(path),
  );
  if (found === undefined)
    throw new Error('which cluster? Give --kubeconfig FILE or set KUBECONFIG (of a lab: eval "$(shieldgate env)")');
  return found;
}

/** The objects of a cluster, each by a name of its own. Throws an Error where the cluster does not answer. */
export async function readCluster(choice: ClusterChoice): Promise<ManifestText[]> {
  const { context } = choice;
  const kubeconfig = kubeconfigOf(choice);
  if (namedInputKind(kubeconfig) === "folder") throw new Error(`${kubeconfig}: is a folder, no file of credentials`);
  const title = context === undefined ? kubeconfig : `${kubeconfig}, context ${context}`;
  const client = connect({ kubeconfig, ...(context === undefined ? {} : { context }) });
  const read = KINDS.map(async ([ref, kind, isOptional]) => {
    const apiVersion = ref.group === "" ? ref.version : `${ref.group}/${ref.version}`;
    const { items } = await client.list(ref).catch((error: unknown) => {
      if (isOptional && error instanceof KubeError && error.code === 404) return { items: [] };
      const what = error instanceof KubeError ? `${kind}: ` : "";
      throw new Error(`${title}: ${what}${(error as Error).message}`);
    });
    return items.map((item): ManifestText => {
      const { namespace, name } = item.metadata;
      const file = ["cluster", ref.resource, namespace ?? [], name].flat().join("/");
      return { file, text: "", value: { ...item, apiVersion, kind } };
    });
  });
  return Promise.all([...read, readSettings(client, title)])
    .then((lists) => lists.flat())
    .finally(() => client.close());
}

/** Agents' settings, where there are some that this user may read. */
async function readSettings(client: ReturnType<typeof connect>, title: string): Promise<ManifestText[]> {
  try {
    return [{ file: SETTINGS_FILE, text: "", value: await client.get(ConfigMaps, "cilium-config", "kube-system") }];
  } catch (error) {
    if (error instanceof KubeError && (error.code === 404 || error.code === 403)) return [];
    throw new Error(`${title}: ConfigMap kube-system/cilium-config: ${(error as Error).message}`);
  }
}
