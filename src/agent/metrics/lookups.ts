import { MAP_CAPACITY } from "../../datapath/port.ts";
import { dropReasonText } from "../../flow/drop-reason.ts";
import type { Gauge, Registry } from "../../metrics/index.ts";
import { FIRST_IDENTITY } from "../../model/identity.ts";
import { scopeOfIdentity } from "../../model/identity-scope.ts";
import type { Parts } from "../agent-parts.ts";
import type { AgentOptions } from "../options.ts";
import { enforcementWord } from "../rest/endpoint-model.ts";

const IDENTITY_TYPES = { global: "cluster_local", local: "node_local", remoteNode: "remote_node" } as const;
/** As Go names machines. */
const MACHINES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

interface Looked {
  readonly options: AgentOptions;
  readonly parts: Parts;
}

/** A gauge whose series are made anew at each reading: how many things there are of each kind. */
function census(registry: Registry, name: string, help: string, label: string, kinds: () => Iterable<string>): void {
  const family = registry.gauge({ name: `cilium_${name}`, help, labels: [label] });
  registry.collect(() => {
    family.clear();
    for (const kind of kinds()) family.of(kind).value++;
  });
}

function single(registry: Registry, name: string, help: string, look: () => number): void {
  const gauge: Gauge = registry.gauge({ name, help }).of();
  registry.collect(() => gauge.set(look()));
}

function identityType(id: number): string {
  if (id < FIRST_IDENTITY) return "reserved";
  return IDENTITY_TYPES[scopeOfIdentity(id) ?? "global"];
}

function addEndpoints(registry: Registry, { parts }: Looked): void {
  const { table, audit, host } = parts;
  single(registry, "cilium_endpoint", "Endpoints of this node, itself among them", () => table.size + 1);
  census(registry, "endpoint_state", "Endpoints of this node by state", "endpoint_state", () => [
    ...table.all().map(({ state }) => state),
    "ready",
  ]);
  const help = "Endpoints of this node by the directions in which policies are enforced";
  census(registry, "policy_endpoint_enforcement_status", help, "enforcement", () => {
    const audited = audit.audited();
    return [
      ...table.all().map((endpoint) => enforcementWord(endpoint.realized, audited.has(endpoint.id))),
      enforcementWord(host.policy, audited.has(parts.hostEndpointId)),
    ];
  });
  census(registry, "proxy_redirects", "Redirects to the proxy by protocol", "protocol_l7", () =>
    parts.redirects.active().map(({ proxy }) => proxy),
  );
}

function addPolicies(registry: Registry, { options: { engine }, parts }: Looked): void {
  single(registry, "cilium_policy", "Rules of policies that are known", () => engine.rules().length);
  single(registry, "cilium_policy_max_revision", "Revision of the policies", () => engine.revision);
  single(registry, "cilium_fqdn_selectors", "Selectors of names", () => engine.fqdnSelectors().length);
  const ids = () => parts.identities.all();
  census(registry, "identity", "Identities that are known", "type", () => ids().map(([id]) => identityType(id)));
  const sources = "Identities with a label of this source";
  census(registry, "identity_label_sources", sources, "source", () =>
    ids().flatMap(([, labels]) => [...new Set(labels.map(({ source }) => source))]),
  );
}

/** What the kernel did with packets. */
function addPackets(registry: Registry, { options: { datapath } }: Looked): void {
  const counter = (name: string, help: string, labels: readonly string[]) =>
    registry.counter({ name: `cilium_${name}_total`, help, labels });
  const dropped = ["reason", "direction"];
  const dropCount = counter("drop_count", "Packets that were dropped", dropped);
  const dropBytes = counter("drop_bytes", "Bytes that were dropped", dropped);
  const forwardCount = counter("forward_count", "Packets that were forwarded", ["direction"]);
  const forwardBytes = counter("forward_bytes", "Bytes that were forwarded", ["direction"]);
  const all = [dropCount, dropBytes, forwardCount, forwardBytes];
  registry.collect(() => {
    for (const family of all) family.clear();
    for (const { reason, direction, packets, bytes } of datapath.metrics()) {
      const way = direction.toUpperCase() || "UNKNOWN";
      const [counts, sizes] = reason === 0 ? [forwardCount, forwardBytes] : [dropCount, dropBytes];
      const values = reason === 0 ? [way] : [dropReasonText(reason), way];
      counts.at(values).inc(packets);
      sizes.at(values).inc(bytes);
    }
  });
  const lost = "Events of packets that the kernel had no room for";
  const lostEvents = registry.counter({ name: "shieldgate_datapath_lost_events_total", help: lost }).of();
  registry.collect(() => {
    lostEvents.value = datapath.lostEvents();
  });
}

function addNames(registry: Registry, { parts: { names } }: Looked): void {
  const gauge = (name: string, help: string) =>
    registry.gauge({ name: `cilium_fqdn_${name}`, help, labels: ["endpoint"] });
  const activeNames = gauge("active_names", "Names whose addresses have not run out");
  const activeAddresses = gauge("active_ips", "Addresses of names that have not run out");
  const zombies = gauge("alive_zombie_connections", "Addresses of names that ran out and are in use");
  registry.collect(() => {
    for (const family of [activeNames, activeAddresses, zombies]) family.clear();
    for (const { source, ips, ...lookup } of names.list({ pattern: "*" })) {
      const endpoint = String(lookup["endpoint-id"] ?? 0);
      if (source === "lookup") activeNames.of(endpoint).value++;
      (source === "lookup" ? activeAddresses : zombies).of(endpoint).value += ips.length;
    }
  });
}

function addNode(registry: Registry, { options, parts }: Looked): void {
  const { ipam, inputs, retry, reconciler, derived } = parts;
  const addresses = registry.gauge({ name: "cilium_ip_addresses", help: "Addresses of pods", labels: ["family"] });
  const pressure = registry.gauge({
    name: "cilium_bpf_map_pressure",
    help: "How full maps of the kernel are, 1 = full",
    labels: ["map_name"],
  });
  registry.collect(() => {
    const held = Object.keys(ipam.allocations).length;
    addresses.of("ipv4").set(held);
    addresses.of("ipv6").set(options.node.ipv6 === undefined ? 0 : held);
    pressure.of("sg_ipcache").set(reconciler.ipcache.size / MAP_CAPACITY.ipcache);
    pressure.of("sg_service").set(derived.services.length / MAP_CAPACITY.service);
  });
  single(registry, "cilium_nodes_all_num", "Nodes that are known", () => inputs.ciliumNodes.list().length);
  single(
    registry,
    "cilium_controllers_failing",
    "Tasks that failed when they last ran",
    () => [...retry.status().values()].filter(({ consecutiveFailures }) => consecutiveFailures > 0).length,
  );
  const version = { name: "cilium_version", help: "Version of the agent", labels: ["version", "revision", "arch"] };
  registry.gauge(version).of(options.version, "", MACHINES[process.arch] ?? process.arch);
}

function addFlows(registry: Registry, { options: { observer, historyFailure } }: Looked): void {
  const ring = (of: "current-flows" | "max-flows" | "seen-flows") => observer?.()[of] ?? 0;
  single(registry, "shieldgate_flows_held", "Entries that the flow ring holds", () => ring("current-flows"));
  single(registry, "shieldgate_flows_capacity", "Entries that the flow ring may hold", () => ring("max-flows"));
  const seen = registry.counter({ name: "shieldgate_flows_seen_total", help: "Entries that the flow ring took" }).of();
  registry.collect(() => {
    seen.value = ring("seen-flows");
  });
  const failing = "1 = the flow history on disk stands still";
  single(registry, "shieldgate_flow_history_failing", failing, () => (historyFailure?.() === undefined ? 0 : 1));
}

/** Shows, under Cilium's names and some of our own, what the agent knows at the moment of a reading. */
export function addLookups(registry: Registry, options: AgentOptions, parts: Parts): void {
  const looked = { options, parts };
  for (const add of [addEndpoints, addPolicies, addPackets, addNames, addNode, addFlows]) add(registry, looked);
}
