import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import {
  CiliumCIDRGroups,
  CiliumClusterwideNetworkPolicies,
  CiliumNetworkPolicies,
  ClusterNetworkPolicies,
  ConfigMaps,
  type Credentials,
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
  readKubeconfig,
  Services,
  StatefulSets,
} from "../../kube/client/index.ts";
import type { ManifestText } from "../../prove/manifest.ts";
import type { ClusterChoice } from "./cluster-inventory.ts";
import { SETTINGS_FILE } from "./cluster-settings.ts";
import { namedInputKind } from "./input.ts";

/** What policy depends on; a cluster need not have every kind, those of Cilium where another enforces policy. */
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
  [CiliumNetworkPolicies, "CiliumNetworkPolicy", true],
  [CiliumClusterwideNetworkPolicies, "CiliumClusterwideNetworkPolicy", true],
  [CiliumCIDRGroups, "CiliumCIDRGroup", true],
  [ClusterNetworkPolicies, "ClusterNetworkPolicy", true],
];

/** The files of credentials: those of `$KUBECONFIG` that are there count together. Throws an Error where there is none. */
function kubeconfigsOf({ kubeconfig }: ClusterChoice): string[] {
  if (kubeconfig !== undefined) return [kubeconfig];
  const named = (process.env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  const found = (named.length === 0 ? [join(homedir(), ".kube/config")] : named).filter((path) => existsSync(path));
  if (found.length === 0)
    throw new Error(
      `which cluster? ${named.length === 0 ? "" : `There is no ${named.join(", ")}. `}Give --kubeconfig FILE or set KUBECONFIG (of a lab: eval "$(shieldgate env)")`,
    );
  return found;
}

/** How to reach the cluster that is meant, and what to call it. Throws an Error where the files do not say. */
export async function clusterCredentials(choice: ClusterChoice): Promise<{ title: string; credentials: Credentials }> {
  const { context } = choice;
  const kubeconfig = kubeconfigsOf(choice);
  const folder = kubeconfig.find((path) => namedInputKind(path) === "folder");
  if (folder !== undefined) throw new Error(`${folder}: is a folder, no file of credentials`);
  const title = [...kubeconfig, ...(context === undefined ? [] : [`context ${context}`])].join(", ");
  const credentials = await readKubeconfig(kubeconfig, context).catch((error: unknown) => {
    throw new Error(`${title}: ${(error as Error).message}`);
  });
  return { title, credentials };
}

/** The objects of a cluster, each by a name of its own. Throws an Error where the cluster does not answer. */
export async function readCluster(choice: ClusterChoice): Promise<ManifestText[]> {
  const { title, credentials } = await clusterCredentials(choice);
  const client = connect(credentials);
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
