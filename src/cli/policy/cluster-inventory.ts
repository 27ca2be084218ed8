import { policyName, titleOf } from "../../prove/cluster.ts";
import { type Inventory, takeInventory, withConfig } from "../../prove/inventory.ts";
import type { ManifestText, Problem } from "../../prove/manifest.ts";
import type { Workload } from "../../prove/workload.ts";
import { SETTINGS_FILE, settingsOf } from "./cluster-settings.ts";

/** Which cluster is meant. */
export interface ClusterChoice {
  /** Default: the first file of `$KUBECONFIG` that is there, else `~/.kube/config`. */
  readonly kubeconfig?: string;
  /** Default: the current one of the file. */
  readonly context?: string;
}

/** The objects of a cluster; `cluster-source.ts` has one. It comes from outside: what speaks to servers takes long to load. */
export type ClusterReader = (choice: ClusterChoice) => Promise<readonly ManifestText[]>;

/** What a cluster holds, read as if these objects were beside it. */
export async function clusterInventory(
  choice: ClusterChoice,
  config: Inventory["config"],
  readCluster: ClusterReader,
): Promise<Inventory> {
  const texts = await readCluster(choice);
  const { problems, settings, ...known } = settingsOf(texts, config);
  const inventory = takeInventory(
    texts.filter(({ file }) => file !== SETTINGS_FILE),
    known,
  );
  return { ...inventory, settings, problems: [...problems, ...inventory.problems] };
}

/** The cluster after the objects were applied to it: of two with one name the applied one counts; with `replace` no other policy does. */
export function applied(files: Inventory, cluster: Inventory, replace = false): Inventory {
  const own = withConfig(files, cluster.config);
  return {
    config: own.config,
    ...(cluster.settings === undefined ? {} : { settings: cluster.settings }),
    policies: replace ? own.policies : replaced(own.policies, cluster.policies, ({ key }) => policyName(key)),
    groups: replace ? own.groups : replaced(own.groups, cluster.groups, ({ name }) => name),
    workloads: replaced(own.workloads, cluster.workloads, titleOf, withPodsOf),
    services: replaced(own.services, cluster.services, ({ namespace, name }) => `${namespace}/${name}`),
    namespaces: new Map([...cluster.namespaces, ...own.namespaces]),
    backends: new Map([...cluster.backends, ...own.backends]),
    secrets: { ...cluster.secrets, ...own.secrets },
    problems: [...own.problems, ...cluster.problems.filter(isWorthTelling)],
    leftAlone: own.leftAlone,
  };
}

/** What is strange in a cluster's objects is not the files' matter; what its settings lack is. */
function isWorthTelling({ severity, file }: Problem): boolean {
  return severity === "error" || file === SETTINGS_FILE;
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
