import { CLUSTER_NAME } from "../model/addresses.ts";
import { identityLabelsOfPod } from "../model/identity.ts";
import type { Labels } from "../model/label.ts";
import { labelSelector, requirement, selects } from "../model/selector.ts";
import { sampleAddresses } from "./address-samples.ts";
import { type Cluster, endpointName, namespaceLabelsOf, type Suppositions, titleOf } from "./cluster.ts";
import type { Inventory } from "./inventory.ts";
import type { Service } from "./service.ts";
import type { AskedPort, Target } from "./target.ts";
import type { DeclaredPort, Workload } from "./workload.ts";

/** Somebody at one end of a connection. */
export interface Party {
  /** What people call it. */
  readonly title: string;
  /** Its name in the engine's world. */
  readonly name: string;
  readonly namespace?: string;
  /** Where a service leads the connection, or the port that was asked for. */
  readonly asked?: AskedPort;
  /** Ports that its containers declare. */
  readonly ports: readonly DeclaredPort[];
  /** How it was found, where that is not plain. */
  readonly note?: string;
}

/** Everybody whom a target may mean; where they differ, `undecided` is the fact that decides between them. */
export interface Parties {
  readonly parties: readonly Party[];
  readonly undecided: string;
  readonly supposed: Suppositions;
}

/** What names outside may stand for: `NAME=ADDRESS` as the asker knows them. */
export type KnownNames = Readonly<Record<string, readonly string[]>>;

/** Looks a target up. Throws an Error that says who is there instead. */
export function findParties(target: Target, cluster: Cluster, known: KnownNames = {}): Parties {
  switch (target.kind) {
    case "entity": {
      const name = `reserved:${target.name}`;
      return alone({ title: `entity:${target.name}`, name, ports: [], ...asked(target) });
    }
    case "fqdn":
      return namedOutside(target.name, target.asked, cluster, known);
    case "address":
      return byAddress(target, cluster);
    case "labels":
      return byLabels(target, cluster);
    case "name":
      return byName(target, cluster, known);
  }
}

function asked(target: Target): { asked?: AskedPort } {
  return target.asked === undefined ? {} : { asked: target.asked };
}

function alone(party: Party): Parties {
  return { parties: [party], undecided: "", supposed: {} };
}

/** A workload whose pods share the node's network is the node, and which node that is nobody knows. */
function ofWorkload(workload: Workload, port: AskedPort | undefined, note?: string): Party[] {
  const base = {
    title: titleOf(workload),
    namespace: workload.namespace,
    ports: workload.ports,
    ...(port === undefined ? {} : { asked: port }),
    ...(note === undefined ? {} : { note }),
  };
  if (!workload.isHostNetwork) return [{ ...base, name: `${workload.namespace}/${endpointName(workload)}` }];
  return ["host", "remote-node"].map((node) => ({
    ...base,
    title: `${base.title} (host network, as ${node})`,
    name: `reserved:${node}`,
  }));
}

const WHICH_NODE = "whether both are on the same node (a pod with hostNetwork is its node)";

function ofWorkloads(
  workloads: readonly Workload[],
  port: AskedPort | undefined,
  undecided: string,
  note?: string,
): Parties {
  const parties = workloads.flatMap((workload) => ofWorkload(workload, port, note));
  const isNode = workloads.some(({ isHostNetwork }) => isHostNetwork);
  const facts = [...(workloads.length > 1 ? [undecided] : []), ...(isNode ? [WHICH_NODE] : [])];
  return { parties, undecided: facts.join(", and "), supposed: {} };
}

function namedOutside(name: string, port: AskedPort | undefined, cluster: Cluster, known: KnownNames): Parties {
  const given = known[name];
  const addresses = given ?? sampleAddresses("0.0.0.0/0", cluster);
  const parties = addresses.map((address) => ({
    title: given === undefined ? `fqdn:${name}` : `fqdn:${name} (${address})`,
    name: address,
    ports: [],
    ...(port === undefined ? {} : { asked: port }),
  }));
  const undecided = `the address of ${name}: policies tell prefixes apart (give it with --address ${name}=ADDRESS)`;
  return { parties, undecided, supposed: { fqdnCache: { [name]: addresses } } };
}

function byAddress(target: Target & { kind: "address" }, cluster: Cluster): Parties {
  const { workloads, services } = cluster.inventory;
  const { cidr } = target;
  const pods = workloads.filter(({ ips, isHostNetwork }) => ips.includes(cidr) && !isHostNetwork);
  if (pods.length > 0) return ofWorkloads(pods.slice(0, 1), target.asked, "", `${cidr} is its address`);
  const service = services.find(({ clusterIPs }) => clusterIPs.includes(cidr));
  if (service !== undefined) return behind(service, target.asked, cluster, {});
  const addresses = cidr.includes("/") ? sampleAddresses(cidr, cluster) : [cidr];
  const parties = addresses.map((address) => ({ title: cidr, name: address, ports: [], ...asked(target) }));
  return { parties, undecided: `which address of ${cidr}: policies tell parts of it apart`, supposed: {} };
}

/** The labels of the workload's pods as policy sees them. */
export function labelsOfWorkload(
  workload: Workload,
  inventory: Inventory,
  supposed?: Suppositions["namespaceLabels"],
): Labels {
  return identityLabelsOfPod({
    podLabels: workload.labels,
    namespace: workload.namespace,
    namespaceLabels: namespaceLabelsOf(inventory, workload.namespace, supposed),
    serviceAccount: workload.serviceAccount,
    cluster: inventory.config.clusterName ?? CLUSTER_NAME,
  });
}

const NAMESPACE_KEY = "io.kubernetes.pod.namespace";

function byLabels(target: Target & { kind: "labels" }, { inventory, supposed }: Cluster): Parties {
  const known = supposed.namespaceLabels;
  const { labels, text } = target;
  const wanted = labelSelector(Object.entries(labels).map(([key, value]) => requirement(`k8s:${key}`, "In", [value])));
  const found = inventory.workloads.filter(
    (workload) => !workload.isHostNetwork && selects(wanted, labelsOfWorkload(workload, inventory, known)),
  );
  if (found.length > 0) return ofWorkloads(found, target.asked, `which of the workloads with ${text}`);
  const { [NAMESPACE_KEY]: namespace = "default", ...podLabels } = labels;
  const name = `supposed/${Object.entries(podLabels).join(";")}`;
  const endpoint = {
    name,
    namespace,
    labels: podLabels,
    namespaceLabels: namespaceLabelsOf(inventory, namespace, known),
    serviceAccount: "default",
  };
  const note = `no workload has these labels: judged as a pod in ${namespace} that has them alone`;
  const title = `${namespace}/pod with ${Object.entries(podLabels)
    .map((pair) => pair.join("="))
    .join(",")}`;
  const party = { title, name: `${namespace}/${name}`, namespace, ports: [], note, ...asked(target) };
  return { ...alone(party), supposed: { endpoints: [endpoint] } };
}

/** `*` stands for any part of a namespace's or workload's name: everybody who is called so, and no service. */
function byPattern(target: Target & { kind: "name" }, { inventory }: Cluster): Parties {
  const { namespace = "*", of, name, text } = target;
  const [isNamespace, isName] = [namespace, name].map(
    (glob) => new RegExp(`^${glob.replace(/[^\w*-]/g, "\\$&").replaceAll("*", ".*")}$`),
  ) as [RegExp, RegExp];
  const found = inventory.workloads.filter(
    (each) => isNamespace.test(each.namespace) && isName.test(each.name) && (of === undefined || of === each.kind),
  );
  if (found.length === 0) throw new Error(notFound(target, inventory));
  return ofWorkloads(found, target.asked, `which of the ${found.length} workloads that ${text} stands for`);
}

function byName(target: Target & { kind: "name" }, cluster: Cluster, known: KnownNames): Parties {
  const { namespace, of, name, text } = target;
  if (`${namespace ?? ""}${name}`.includes("*")) return byPattern(target, cluster);
  const { workloads, services } = cluster.named(name);
  const isHere = (each: { readonly namespace: string }) => namespace === undefined || each.namespace === namespace;
  const found = workloads.filter(
    (each) => isHere(each) && ((each.name === name && (of === undefined || of === each.kind)) || isPodOf(each, target)),
  );
  const named = services.filter((each) => isHere(each) && (of ?? "Service") === "Service");
  // A label beside a name in another namespace would be a guess.
  const namespaces = new Set([...found, ...named].map((each) => each.namespace));
  if (namespaces.size > 1)
    throw new Error(`${text}: there is one in each of ${[...namespaces].sort().join(", ")}: write NAMESPACE/${name}`);
  const [service] = named;
  const prefersService = service !== undefined && (found.length === 0 || leadsElsewhere(service, found, target.asked));
  if (prefersService) return behind(service, target.asked, cluster, known);
  if (found.length === 0) throw new Error(notFound(target, cluster.inventory));
  return ofWorkloads(found, target.asked, `which of ${found.map(titleOf).join(", ")}: write the kind too`);
}

function isPodOf({ pods }: Workload, { of, name }: Target & { kind: "name" }): boolean {
  return (of === undefined || of === "Pod") && pods.includes(name);
}

/** A service and a workload share a name: the service is meant where its port is none of the pods' own. */
function leadsElsewhere(service: Service, workloads: readonly Workload[], port: AskedPort | undefined): boolean {
  if (port === undefined || portOf(service, port) === undefined) return false;
  return !workloads.some(({ ports }) => ports.some((each) => each.port === port.port || each.name === port.port));
}

function portOf({ ports }: Service, { port, protocol }: AskedPort): Service["ports"][number] | undefined {
  return ports.find(
    (each) => (each.port === port || each.name === port) && each.protocol === (protocol ?? each.protocol),
  );
}

/** The backends of a service, at the ports to which it leads: policy judges those. */
function behind(service: Service, port: AskedPort | undefined, cluster: Cluster, known: KnownNames): Parties {
  const { namespace, name, selector, externalName } = service;
  const title = `${namespace}/service/${name}`;
  if (externalName !== undefined) return namedOutside(externalName, port, cluster, known);
  const mapped = port && portOf(service, port);
  if (port !== undefined && mapped === undefined) {
    const there = service.ports.map((each) => `${each.port}/${each.protocol.toLowerCase()}`).join(", ") || "none";
    throw new Error(`${title} has no port ${port.port}; its ports: ${there}`);
  }
  const target = mapped && { port: mapped.targetPort, protocol: mapped.protocol };
  const isPlain = mapped === undefined || mapped.targetPort === port?.port;
  const note = isPlain ? `behind ${title}` : `behind ${title}, whose port ${port?.port} leads to ${mapped.targetPort}`;
  if (Object.keys(selector).length > 0) {
    const selected = cluster.inventory.workloads.filter(
      (each) =>
        each.namespace === namespace && Object.entries(selector).every(([key, value]) => each.labels[key] === value),
    );
    // A pod without a port of that name is no backend: what tests a release has the labels of what it tests.
    const named = selected.filter(({ ports }) => ports.some(({ name }) => name !== undefined && name === target?.port));
    const backends = named.length > 0 ? named : selected;
    if (backends.length === 0) throw new Error(`${title} selects no workload of these files`);
    return ofWorkloads(backends, target, `which backend of ${title}`, note);
  }
  const addresses = cluster.inventory.backends.get(`${namespace}/${name}`) ?? [];
  if (addresses.length === 0) throw new Error(`${title} has neither a selector nor endpoints in these files`);
  const parties = addresses.flatMap((address) =>
    findParties(
      { kind: "address", cidr: address, text: address, ...(target && { asked: target }) },
      cluster,
    ).parties.map((party) => ({ ...party, note })),
  );
  return { parties, undecided: `which backend of ${title}`, supposed: {} };
}

const MOST_SUGGESTIONS = 6;

function notFound({ name, text }: Target & { kind: "name" }, { workloads, services }: Inventory): string {
  const titles = [...workloads.map(titleOf), ...services.map((each) => `${each.namespace}/service/${each.name}`)];
  const near = titles.filter((title) => title.includes(name) || name.includes(title.split("/").at(-1)!));
  const some = (near.length > 0 ? near : titles).slice(0, MOST_SUGGESTIONS);
  const outside = name.includes(".") ? `; for a name outside the cluster write fqdn:${name}` : "";
  const inside =
    titles.length === 0
      ? "these files describe no workload"
      : `there is ${some.join(", ")}${titles.length > some.length ? ", …" : ""}`;
  return `${text}: nobody is called that; ${inside}${outside}`;
}
