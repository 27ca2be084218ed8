import type { RuleOrigin } from "../policy/policy-map.ts";
import type { Scenario, ScenarioEndpoint } from "../policy/scenario-format.ts";
import { ScenarioPolicies } from "../policy/scenario-policies.ts";
import type { Inventory } from "./inventory.ts";
import type { ManifestObject, Place } from "./manifest.ts";
import type { Service } from "./service.ts";
import type { Workload } from "./workload.ts";

/** What a question adds to what the manifests say. */
export interface Suppositions {
  /** Pods that nobody described. */
  readonly endpoints?: readonly ScenarioEndpoint[];
  /** Addresses of names outside. */
  readonly fqdnCache?: Readonly<Record<string, readonly string[]>>;
  /** Labels that an address outside has beside those that policies give it. */
  readonly cidrLabels?: Readonly<Record<string, readonly string[]>>;
  /** Labels of namespaces that no object declares. */
  readonly namespaceLabels?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const NAME_LABEL = "kubernetes.io/metadata.name";

/** Name of a workload among the endpoints of its namespace. */
export function endpointName({ kind, name }: Pick<Workload, "kind" | "name">): string {
  return `${kind.toLowerCase()}/${name}`;
}

/** What a workload is called everywhere: `shop/deployment/cart`. */
export function titleOf(workload: Pick<Workload, "kind" | "namespace" | "name">): string {
  return `${workload.namespace}/${endpointName(workload)}`;
}

/** The labels of a namespace; its own name is always one of them. */
export function namespaceLabelsOf(
  { namespaces }: Inventory,
  namespace: string,
  supposed: Suppositions["namespaceLabels"] = {},
): Record<string, string> {
  return { ...(namespaces.get(namespace)?.labels ?? supposed[namespace]), [NAME_LABEL]: namespace };
}

/** The world that the manifests describe, in the engine's own format; `policy eval` answers it too. */
export function scenarioOf(inventory: Inventory, supposed: Suppositions = {}): Omit<Scenario, "queries"> {
  const { workloads, services, backends, policies, groups, secrets, config } = inventory;
  const endpoints = workloads
    .filter(({ isHostNetwork }) => !isHostNetwork)
    .map((workload): ScenarioEndpoint => {
      const { namespace, labels, serviceAccount, ports, ips } = workload;
      return {
        name: endpointName(workload),
        namespace,
        labels,
        namespaceLabels: namespaceLabelsOf(inventory, namespace, supposed.namespaceLabels),
        serviceAccount,
        namedPorts: ports.flatMap(({ name, port, protocol }) => (name === undefined ? [] : [{ name, port, protocol }])),
        ips,
      };
    });
  return {
    id: "manifests",
    config,
    policies: [...groups.map(({ value }) => value), ...policies.map(({ value }) => value)],
    endpoints: [...endpoints, ...(supposed.endpoints ?? [])],
    services: services.map(({ name, namespace, labels, selector }) => ({
      name,
      namespace,
      labels,
      selector,
      backends: backends.get(`${namespace}/${name}`) ?? [],
    })),
    fqdnCache: supposed.fqdnCache ?? {},
    cidrLabels: supposed.cidrLabels ?? {},
    secrets,
  };
}

/** A rule, and where it is written; without a place it is built in. */
export interface LocatedRule extends Partial<Place> {
  /** `CiliumNetworkPolicy shop/cart`; empty = built in. */
  readonly policy: string;
  /** `spec.ingress[0]`, or the name of what is built in. */
  readonly path: string;
}

/** Who has a name, each list in the order of the manifests. */
export interface Named {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
}

const NOBODY: Named = { workloads: [], services: [] };

function namesIn({ workloads, services }: Inventory): ReadonlyMap<string, Named> {
  const names = new Map<string, { workloads: Workload[]; services: Service[] }>();
  const at = (name: string) => {
    const found = names.get(name) ?? { workloads: [], services: [] };
    names.set(name, found);
    return found;
  };
  for (const workload of workloads)
    for (const name of new Set([workload.name, ...workload.pods])) at(name).workloads.push(workload);
  for (const service of services) at(service.name).services.push(service);
  return names;
}

/** The manifests as the engine sees them, with the way back from a rule to its line. */
export class Cluster {
  readonly inventory: Inventory;
  readonly supposed: Suppositions;
  readonly engine: ScenarioPolicies;
  private readonly objects = new Map<string, ManifestObject>();
  private names: ReadonlyMap<string, Named> | undefined;

  /** `engine` = that of a world which is the same now. */
  constructor(inventory: Inventory, supposed: Suppositions = {}, engine?: ScenarioPolicies) {
    this.inventory = inventory;
    this.supposed = supposed;
    const parsed = new Map(inventory.policies.map((policy) => [policy.value, policy]));
    this.engine = engine ?? new ScenarioPolicies(scenarioOf(inventory, supposed), parsed);
    for (const { key, object } of inventory.policies) this.objects.set(policyName(key), object);
  }

  /** The workloads and services that are called so; a pod leads to its workload. */
  named(name: string): Named {
    this.names ??= namesIn(this.inventory);
    return this.names.get(name) ?? NOBODY;
  }

  locate(origin: Pick<RuleOrigin, "kind" | "namespace" | "name" | "path">): LocatedRule {
    const { kind, path } = origin;
    if (kind === "") return { policy: "", path };
    const policy = policyName(origin);
    const object = this.objects.get(policy);
    if (object === undefined) return { policy, path };
    // The line is looked for when somebody reads it: that takes longer than the verdict.
    return {
      policy,
      path,
      file: object.place.file,
      get line() {
        return object.placeOf(path).line;
      },
    };
  }
}

/** Worlds of inventories that were asked about before; the oldest go first. */
const knownClusters = new WeakMap<Inventory, Map<string, Cluster>>();
const MOST_CLUSTERS = 16;

/** The same world for the same suppositions: making one takes longer than asking it. */
export function clusterOf(inventory: Inventory, supposed: Suppositions = {}): Cluster {
  const worlds = knownClusters.get(inventory) ?? new Map<string, Cluster>();
  knownClusters.set(inventory, worlds);
  const key = JSON.stringify(supposed);
  const known = worlds.get(key) ?? new Cluster(inventory, supposed);
  // What is asked again stays.
  worlds.delete(key);
  worlds.set(key, known);
  if (worlds.size > MOST_CLUSTERS) worlds.delete(worlds.keys().next().value!);
  return known;
}

/** Puts the world of an inventory in the place of one that differs in its policies alone. */
export function handOver(from: Inventory, to: Inventory, { engine }: Cluster): Cluster {
  knownClusters.delete(from);
  const cluster = new Cluster(to, {}, engine);
  knownClusters.set(to, new Map([[JSON.stringify({}), cluster]]));
  return cluster;
}

/** `CiliumNetworkPolicy shop/cart`. */
export function policyName({ kind, namespace, name }: Pick<RuleOrigin, "kind" | "namespace" | "name">): string {
  return `${kind} ${namespace === "" ? name : `${namespace}/${name}`}`;
}
