import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import {
  CiliumCIDRGroups,
  CiliumClusterwideNetworkPolicies,
  CiliumNetworkPolicies,
  ClusterNetworkPolicies,
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
import { policyName, titleOf } from "../../prove/cluster.ts";
import { type Inventory, takeInventory } from "../../prove/inventory.ts";
import type { ManifestText } from "../../prove/manifest.ts";
import type { Workload } from "../../prove/workload.ts";

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

/** Which cluster is meant. */
export interface ClusterChoice {
  /** Default: the first file of `$KUBECONFIG` that is there, else `~/.kube/config`. */
  readonly kubeconfig?: string;
  /** Default: the current one of the file. */
  readonly context?: string;
}

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

/** The objects of a cluster, each kind a text of its own. Throws an Error where the cluster does not answer. */
export async function readCluster(choice: ClusterChoice): Promise<ManifestText[]> {
  const { context } = choice;
  const kubeconfig = kubeconfigOf(choice);
  const title = context === undefined ? kubeconfig : `${kubeconfig}, context ${context}`;
  const client = connect({ kubeconfig, ...(context === undefined ? {} : { context }) });
  const read = KINDS.map(async ([ref, kind, isOptional]) => {
    const apiVersion = ref.group === "" ? ref.version : `${ref.group}/${ref.version}`;
    const { items } = await client.list(ref).catch((error: unknown) => {
      if (isOptional && error instanceof KubeError && error.code === 404) return { items: [] };
      throw new Error(`${title}: ${kind}: ${(error as Error).message}`);
    });
    const list = { apiVersion: "v1", kind: "List", items: items.map((item) => ({ ...item, apiVersion, kind })) };
    return { file: `cluster/${ref.resource}`, text: JSON.stringify(list) };
  });
  return Promise.all(read).finally(() => client.close());
}

/** What a cluster holds, read as if these objects were beside it. */
export async function clusterInventory(choice: ClusterChoice, config: Inventory["config"]): Promise<Inventory> {
  return takeInventory(await readCluster(choice), { config });
}

/** The cluster after the objects were applied to it: of two with one name the applied one counts. */
export function applied(own: Inventory, cluster: Inventory): Inventory {
  return {
    config: own.config,
    policies: replaced(own.policies, cluster.policies, ({ key }) => policyName(key)),
    groups: replaced(own.groups, cluster.groups, ({ name }) => name),
    workloads: replaced(own.workloads, cluster.workloads, titleOf, withPodsOf),
    services: replaced(own.services, cluster.services, ({ namespace, name }) => `${namespace}/${name}`),
    namespaces: new Map([...cluster.namespaces, ...own.namespaces]),
    backends: new Map([...cluster.backends, ...own.backends]),
    secrets: { ...cluster.secrets, ...own.secrets },
    problems: [...own.problems, ...cluster.problems.filter(({ severity }) => severity === "error")],
    leftAlone: own.leftAlone,
  };
}

/** `join` = what is taken over from the one that is replaced. */
function replaced<T>(
  own: readonly T[],
  others: readonly T[],
  nameOf: (item: T) => string,
  join: (item: T, replaced: T) => T = (item) => item,
): T[] {
  const byName = new Map(others.map((item) => [nameOf(item), item]));
  for (const item of own) {
    const last = byName.get(nameOf(item));
    byName.set(nameOf(item), last === undefined ? item : join(item, last));
  }
  return [...byName.values()];
}

/** What is written in a file names no pods; those that run have the addresses. */
function withPodsOf(own: Workload, running: Workload): Workload {
  return own.pods.length + own.ips.length > 0 ? own : { ...own, pods: running.pods, ips: running.ips };
}
