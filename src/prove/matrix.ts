import { formatLabels } from "../model/label.ts";
import type { ScenarioEndpoint } from "../policy/scenario-format.ts";
import type { Somebody } from "../policy/scenario-world.ts";
import { Cluster, endpointName, namespaceLabelsOf, titleOf } from "./cluster.ts";
import { unmatchedPods } from "./exposure.ts";
import type { Inventory } from "./inventory.ts";
import { missingLabels, type SupposedLabels, waysToLabel } from "./namespace-labels.ts";
import { type Outsider, outsiders } from "./outside.ts";
import { type Reach, reachOf } from "./reach.ts";
import type { Workload } from "./workload.ts";

/** Workloads that policy cannot tell apart, or somebody outside. */
export interface Group {
  /** Of the first workload. */
  readonly title: string;
  /** Empty = outside the cluster, or the node. */
  readonly namespace: string;
  readonly workloads: readonly string[];
  /** Its name in the engine's world. */
  readonly name: string;
  /** Where only one end makes sense: a pod that nobody described as a source, a name outside as a destination. */
  readonly only?: "source" | "destination";
}

/** What one group may send to another; pairs with nothing are left out. */
export interface Connection {
  readonly from: Group;
  readonly to: Group;
  readonly reach: Reach;
  /** The fact on which it hangs; then `reach` is what holds without it, and cannot be relied on. */
  readonly missing?: string;
}

export interface Matrix {
  readonly groups: readonly Group[];
  readonly connections: readonly Connection[];
}

export interface MatrixOptions {
  /** Pairs to leave out. */
  readonly isAsked?: (from: Group, to: Group) => boolean;
  /** Whether pods that nobody described are asked about too. */
  readonly exposure?: boolean;
  /** Whether Pods and Jobs of Helm's hooks have rows too; default yes. */
  readonly hooks?: boolean;
}

/** Worlds that are computed for labels of namespaces that nobody declares; what hangs on more is unknown. */
const MOST_WORLDS = 400;

/** Who can reach whom, at which ports. A pair that hangs on something that the manifests do not say has `missing`. */
export function matrixOf(
  inventory: Inventory,
  { exposure = false, hooks = true, isAsked = () => true }: MatrixOptions = {},
): Matrix {
  const { groups, worlds } = askable(inventory, exposure, hooks);
  const connections = groups.flatMap((from) =>
    groups.flatMap((to): Connection[] => {
      if (!isAsked(from, to)) return [];
      if (
        to.only === "source" ||
        from.only === "destination" ||
        (from.namespace === "" && to.namespace === "") ||
        isAlone(from, to)
      )
        return [];
      const connection = connect(inventory, worlds, from, to);
      return connection.missing === undefined && connection.reach.length === 0 ? [] : [connection];
    }),
  );
  return { groups, connections };
}

interface Askable {
  readonly groups: readonly Group[];
  readonly worlds: Worlds;
}

/** What was asked of an inventory last: tests ask for one row after the other. */
const knownAskable = new WeakMap<Inventory, { readonly asked: string; readonly askable: Askable }>();

/** Who can be asked about, and in which worlds. */
function askable(inventory: Inventory, exposure: boolean, hooks: boolean): Askable {
  const asked = `${exposure} ${hooks}`;
  const known = knownAskable.get(inventory);
  if (known?.asked === asked) return known.askable;
  const { workloads } = inventory;
  const supposed = exposure ? unmatchedPods(inventory) : [];
  const outside = outsiders(new Cluster(inventory));
  const worlds = new Worlds(inventory, supposed, outside);
  const groups = [
    ...groupsOf(hooks ? workloads : workloads.filter(({ isHook }) => !isHook), worlds.at({})!),
    ...supposed.map(supposedGroup),
    ...outside.map(outsideGroup),
    ...nodesAndWorld(inventory),
  ];
  knownAskable.set(inventory, { asked, askable: { groups, worlds } });
  return { groups, worlds };
}

/** One workload does not speak to itself, as far as anybody asks; its replicas, or others that are like it, may. */
function isAlone(from: Group, to: Group): boolean {
  return from === to && from.workloads.length < 2;
}

const WORLD: Group = { title: "world", namespace: "", workloads: [], name: "reserved:world" };
const HOST: Group = { title: "node", namespace: "", workloads: [], name: "reserved:host" };

/** The node stands for the workloads that share its network. */
function nodesAndWorld({ workloads }: Inventory): Group[] {
  const onNode = workloads.filter(({ isHostNetwork }) => isHostNetwork).map(titleOf);
  return onNode.length === 0 ? [WORLD] : [WORLD, { ...HOST, workloads: onNode }];
}

function groupsOf(workloads: readonly Workload[], { engine }: Cluster): Group[] {
  const byIdentity = new Map<string, { first: Group; workloads: string[] }>();
  for (const workload of workloads) {
    if (workload.isHostNetwork) continue;
    const { namespace } = workload;
    const name = `${namespace}/${endpointName(workload)}`;
    const somebody = engine.world.find(name)!;
    const key = `${somebody.identity} ${formatLabels(somebody.labels).join()}`;
    const title = titleOf(workload);
    const known = byIdentity.get(key);
    if (known !== undefined) known.workloads.push(title);
    else byIdentity.set(key, { first: { title, namespace, workloads: [], name }, workloads: [title] });
  }
  return [...byIdentity.values()].map(({ first, workloads }) => ({ ...first, workloads }));
}

function supposedGroup({ name, namespace = "" }: ScenarioEndpoint): Group {
  return { title: `${namespace}/${name}`, namespace, workloads: [], name: `${namespace}/${name}`, only: "source" };
}

function outsideGroup({ title, address, fqdn }: Outsider): Group {
  return { title, namespace: "", workloads: [], name: address, ...(fqdn === undefined ? {} : { only: "destination" }) };
}

/** The engine's worlds, one for each way in which namespaces may be labelled. */
class Worlds {
  private readonly inventory: Inventory;
  private readonly supposed: readonly ScenarioEndpoint[];
  private readonly fqdnCache: Readonly<Record<string, readonly string[]>>;
  private readonly known = new Map<string, Cluster>();

  constructor(inventory: Inventory, supposed: readonly ScenarioEndpoint[], outside: readonly Outsider[]) {
    this.inventory = inventory;
    this.supposed = supposed;
    this.fqdnCache = Object.fromEntries(
      outside.flatMap(({ fqdn, address }) => (fqdn === undefined ? [] : [[fqdn, [address]]])),
    );
  }

  /** Undefined = there would be too many. */
  at(namespaceLabels: SupposedLabels): Cluster | undefined {
    const key = JSON.stringify(namespaceLabels);
    const known = this.known.get(key);
    if (known !== undefined || this.known.size >= MOST_WORLDS) return known;
    const endpoints = this.supposed.map((endpoint) => ({
      ...endpoint,
      namespaceLabels: namespaceLabelsOf(this.inventory, endpoint.namespace ?? "default", namespaceLabels),
    }));
    const cluster = new Cluster(this.inventory, { namespaceLabels, endpoints, fqdnCache: this.fqdnCache });
    this.known.set(key, cluster);
    return cluster;
  }
}

function connect(inventory: Inventory, worlds: Worlds, from: Group, to: Group): Connection {
  const namespaces = [from.namespace, to.namespace].filter((namespace) => namespace !== "");
  const ways = waysToLabel(inventory, namespaces);
  const clusters = (ways ?? [{}]).map((way) => worlds.at(way));
  const reaches = clusters.map((cluster) => cluster && reachOf(cluster, find(cluster, from), find(cluster, to)));
  const [reach = []] = reaches;
  const texts = reaches.map((each) => JSON.stringify(each));
  if (reach === "conflict") return { from, to, reach, missing: "rules that can stand together" };
  if (ways !== undefined && !reaches.includes(undefined) && new Set(texts).size === 1) return { from, to, reach };
  const missing =
    ways === undefined
      ? missingLabels(inventory, namespaces)
      : missingLabels(inventory, namespaces, ways, texts.map(String));
  return { from, to, reach, missing };
}

function find({ engine }: Cluster, { name }: Group): Somebody {
  return engine.world.find(name)!;
}
