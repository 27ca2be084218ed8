import { podMtu } from "../datapath/port.ts";
import { ReservedIdentity } from "../model/addresses.ts";
import { addressPrefix } from "../model/cidr.ts";
import { reservedIdentityLabels } from "../model/identity.ts";
import type { Parts } from "./agent-parts.ts";
import type { EndpointModel, IpListEntry } from "./api-models.ts";
import { namedPortsOf } from "./cilium-endpoint.ts";
import type { Endpoint } from "./endpoint.ts";
import type { AgentOptions } from "./options.ts";
import {
  type AddressOrigin,
  addressModel,
  fqdnNamesModel,
  mapModels,
  nodeModel,
  serviceModel,
} from "./rest/cluster-model.ts";
import { daemonConfiguration, debugInfo } from "./rest/daemon-model.ts";
import type { DaemonCalls } from "./rest/daemon-routes.ts";
import { endpointModel, hostEndpointModel, statusChange } from "./rest/endpoint-model.ts";
import type { EndpointCalls } from "./rest/endpoint-routes.ts";
import { identityEndpoints, identityModels } from "./rest/identity-model.ts";
import type { KernelCalls } from "./rest/kernel-routes.ts";
import type { PolicyCalls } from "./rest/policy-routes.ts";
import type { AgentCalls } from "./rest/server.ts";
import { controllerStatus, nodeMonitorStatus, type StatusFacts, statusOf } from "./status.ts";
import type { ControllerStatus } from "./status-model.ts";

function hostModel({ engine, datapath }: AgentOptions, { host, hostEndpointId: id }: Parts): EndpointModel {
  const { subject: labels, policy } = host;
  return hostEndpointModel({
    ...{ id, labels: labels.length > 0 ? labels : reservedIdentityLabels(ReservedIdentity.Host)! },
    ...{ policy, revision: engine.revision, rows: datapath.dumpPolicy(id) },
  });
}

/** The tasks that are about an endpoint. */
function controllersOf({ id, request }: Endpoint, { retry }: Parts): readonly ControllerStatus[] {
  const own = [`ciliumendpoint ${request.podNamespace}/${request.podName}`, ` of endpoint ${id}`];
  const tasks = [...retry.status()].filter(([name]) => own.some((ending) => name.endsWith(ending)));
  return tasks.map(controllerStatus);
}

function modelOf(endpoint: Endpoint, { datapath }: AgentOptions, parts: Parts): EndpointModel {
  const { audit, pods } = parts;
  return endpointModel(endpoint, {
    isAudited: audit.audited().has(endpoint.id),
    rows: datapath.dumpPolicy(endpoint.id),
    namedPorts: namedPortsOf(pods.podOf(endpoint.request)),
    controllers: controllersOf(endpoint, parts),
  });
}

function endpointCalls(options: AgentOptions, parts: Parts): EndpointCalls {
  const { table, lifecycle, audit, hostEndpointId } = parts;
  return {
    putEndpoint: async (request) => modelOf(await lifecycle.put(request), options, parts),
    deleteEndpoint: (containerId) => lifecycle.remove(containerId),
    endpoints: () => [...table.all().map((endpoint) => modelOf(endpoint, options, parts)), hostModel(options, parts)],
    endpointLog: (id) => (table.get(id)?.log ?? []).toReversed().map(statusChange),
    endpointPolicy: (id) =>
      table.get(id) === undefined && id !== hostEndpointId ? undefined : options.datapath.dumpPolicy(id),
    setAudit: (id, isOn) => audit.set(id, isOn),
  };
}

/** Who told of an address, and the pod that has it. */
function originOf(cidr: string, options: AgentOptions, { table, remote, derived }: Parts): AddressOrigin {
  const [address = ""] = cidr.split("/");
  const isAlone = cidr === addressPrefix(address);
  const own = isAlone ? table.atAddress(address)?.request : undefined;
  if (own !== undefined) return { source: "local", name: own.podName, namespace: own.podNamespace };
  const pod = isAlone ? remote.at(address) : undefined;
  if (pod !== undefined) return { source: "custom-resource", name: pod.podName, namespace: pod.namespace };
  const { address: internal, router, ipv6 } = options.node;
  if (isAlone && [internal, router, ipv6?.address, ipv6?.router].includes(address)) return { source: "local" };
  return { source: isAlone && derived.isNode(address) ? "custom-resource" : "generated" };
}

function addressModels(options: AgentOptions, parts: Parts): readonly IpListEntry[] {
  return [...parts.reconciler.ipcache].map(([cidr, entry]) => {
    const host = parts.table.atAddress(cidr.split("/")[0] ?? "") && options.node.address;
    return addressModel(cidr, entry, host, originOf(cidr, options, parts));
  });
}

function policyCalls(options: AgentOptions, parts: Parts): PolicyCalls {
  const { engine } = options;
  const { identities, derived, table } = parts;
  const host = { identity: ReservedIdentity.Host as number, labels: reservedIdentityLabels(ReservedIdentity.Host)! };
  return {
    policy: () => ({ policy: JSON.stringify(engine.rules(), undefined, 2), revision: engine.revision }),
    selectors: (of) => engine.selectors(of),
    identities: () => identityModels(identities),
    identityEndpoints: () => identityEndpoints([...table.all(), host]),
    addresses: () => addressModels(options, parts),
    services: () => derived.services.map(serviceModel),
    names: parts.names,
    fqdnSelectors: () => fqdnNamesModel(engine.fqdnSelectors()),
  };
}

function kernelCalls({ datapath, node }: AgentOptions): KernelCalls {
  const { address, router, ipv6 } = node;
  return {
    hostAddresses: () => [address, router, ...(ipv6 ? [ipv6.address, ipv6.router] : [])],
    connections: () => datapath.connections(),
    metrics: () => datapath.metrics(),
    flushConnections: () => datapath.flushConnections(),
    kernelEndpoints: () => datapath.listEndpoints(),
    kernelServices: () => datapath.listServices(),
    kernelIpcache: () => datapath.listIpcache(),
  };
}

function daemonCalls(
  options: AgentOptions,
  parts: Parts,
  facts: () => StatusFacts,
  views: EndpointCalls & PolicyCalls,
): DaemonCalls {
  const { node, version } = options;
  const { audit, traceLevel, inputs, reconciler, derived, table } = parts;
  const names = { clusterName: node.clusterName, ownName: node.name, isDual: node.ipv6 !== undefined };
  return {
    status: (requireKubernetes) => statusOf(facts(), requireKubernetes),
    nodes: () => ({
      "nodes-added": inputs.ciliumNodes.list().flatMap((object) => nodeModel(object, names) ?? []),
      "nodes-removed": [],
      self: `${node.clusterName}/${node.name}`,
    }),
    configuration: () =>
      daemonConfiguration({
        ...{ node, isAuditing: audit.isOn, level: traceLevel.name },
        nodeMonitor: nodeMonitorStatus(options.datapath.lostEvents()),
      }),
    configure: (change) => {
      if (change.level !== undefined) traceLevel.set(change.level);
      if (change.audit !== undefined) audit.setAll(change.audit);
    },
    maps: () => mapModels(reconciler.ipcache, derived.services, table.all()),
    lines: () => parts.metrics.registry.metrics(),
    debugInfo: async () =>
      debugInfo(version, await statusOf(facts()), {
        endpoints: views.endpoints(),
        policy: views.policy(),
        services: views.services(),
      }),
  };
}

/** What the API on `cilium.sock` asks of the agent's parts. */
export function agentCalls(options: AgentOptions, parts: Parts, facts: () => StatusFacts): AgentCalls {
  const { ipam } = parts;
  const views = { ...endpointCalls(options, parts), ...policyCalls(options, parts) };
  return {
    ...views,
    ...kernelCalls(options),
    ...daemonCalls(options, parts, facts, views),
    allocateAddress: (owner) => ({ ...ipam.allocate(owner), mtu: podMtu(options.node.routingMode) }),
    rehearse: (policies, tell) => parts.rehearsals.begin(policies, tell),
    releaseAddress: (address) => ipam.release(address),
  };
}
