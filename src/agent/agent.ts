import type { FlowContext } from "../flow/context.ts";
import { isCapture } from "../flow/decode/capture.ts";
import { DEFAULT_REDACTION, redactRecord } from "../flow/redaction.ts";
import type { AccessRecord, NotificationPeer } from "../model/access-record.ts";
import { addressPrefix } from "../model/cidr.ts";
import { reservedIdentityOf } from "../model/identity.ts";
import { formatLabels } from "../model/label.ts";
import { agentCalls } from "./agent-calls.ts";
import { buildParts, type Parts } from "./agent-parts.ts";
import { claimOf } from "./cilium-endpoint.ts";
import { watchHandlers } from "./cluster-watch.ts";
import { startConnectionRounds } from "./connection-rounds.ts";
import { podKey } from "./endpoint.ts";
import { atMost } from "./endpoint-lifecycle.ts";
import { createFlowView } from "./flow-view.ts";
import { type KubeObject, objectKey } from "./kube.ts";
import { areInputsConnected, handleInputs, startInputs, stopInputs } from "./kube-inputs.ts";
import { longestMatch } from "./longest-prefix.ts";
import { watchExchanges } from "./metrics/http-exchanges.ts";
import { addLookups } from "./metrics/lookups.ts";
import { serveMonitorSocket } from "./monitor-socket.ts";
import { type NodeAddresses, nodeAddressesOf } from "./node-addresses.ts";
import { registerNode } from "./node-registration.ts";
import type { AgentOptions } from "./options.ts";
import { ProxyConnection } from "./proxy-connection.ts";
import { serveAgentApi } from "./rest/server.ts";
import { adoptEndpoints, type HalfChanged } from "./restore.ts";
import { type StatusFacts, versionCache } from "./status.ts";

/** How often lost events are counted, in ms. */
const LOSS_INTERVAL = 1000;
/** How long a restarted agent leaves the kernel as it is while the proxy acknowledges what it redirects, in ms. */
const RESTORE_PATIENCE = 2000;

export interface Agent {
  /** Resolves when all inputs have synced and the kernel follows them. */
  readonly synced: Promise<void>;
  readonly flowContext: FlowContext;
  /** The nodes of the cluster with their addresses, and word of changes. */
  readonly nodes: {
    list(): readonly ({ readonly name: string } & NodeAddresses)[];
    onChange(listener: () => void): () => void;
  };
  /** Word of each pod, of any node, whose CiliumEndpoint is gone. */
  onPodGone(listener: (namespace: string, name: string) => void): void;
  /** Stops; the datapath stays as it is. */
  close(): Promise<void>;
}

function flowView(options: AgentOptions, parts: Parts): FlowContext {
  const { table, remote, identities, cookies, pods, reconciler, derived } = parts;
  return createFlowView({
    nodeName: options.node.name,
    clusterName: options.node.clusterName,
    version: options.version,
    redaction: options.redaction ?? (() => DEFAULT_REDACTION),
    node: () => parts.inputs.nodes.get(options.node.name),
    hostEndpointId: parts.hostEndpointId,
    table,
    remote,
    identities,
    cookies,
    podOf: (endpoint) => pods.podOf(endpoint.request),
    identityOfAddress: (address) => longestMatch(reconciler.ipcache, address)?.identity ?? 0,
    nodeIdentity: (address) =>
      derived.isNode(address) ? reconciler.ipcache.get(addressPrefix(address))?.identity : undefined,
    frontend: (key) => derived.frontend(key),
    interfaceName: options.interfaceName,
    dnsNames: (endpointId, address) => parts.names.namesOf(endpointId, address),
  });
}

function statusFacts(options: AgentOptions, parts: Parts, connection: ProxyConnection): () => StatusFacts {
  const { node, version, proxy, datapath, now } = options;
  const kubernetesVersion = versionCache(options.kubernetesVersion, now);
  return () => ({
    ...{ node, version, kubernetesVersion },
    ipam: parts.ipam,
    tasks: parts.retry.status(),
    isFollowed: parts.reconciler.opened && areInputsConnected(parts.inputs),
    isProxyConnected: proxy.connected && connection.isHealthy,
    redirects: parts.redirects.active(),
    rehearsedPorts: parts.rehearsals.size,
    lostEvents: datapath.lostEvents(),
    observer: options.observer?.(),
    historyFailure: options.historyFailure?.(),
  });
}

/** Datapath events and access records go to the flow pipeline and to whoever monitors. Returns how to stop it. */
function streamEvents(options: AgentOptions, parts: Parts, context: FlowContext): () => void {
  const flows = options.openFlows(context);
  const { monitor } = parts;
  const { datapath, proxy } = options;
  const { rehearsals } = parts;
  rehearsals.start(context, (record) => flows.access(record));
  const stop = datapath.onEvents((bytes) => {
    if (isCapture(bytes)) return rehearsals.event(bytes);
    flows.event(bytes);
    monitor.event(bytes);
  });
  const peer = (address: string, identity: number): NotificationPeer => ({
    id: context.endpointByAddress(address)?.id ?? 0,
    identity,
    labels: context.labelsOfIdentity(identity),
  });
  proxy.onAccess((record: AccessRecord) => {
    flows.access(record);
    parts.metrics.accessRecord(record);
    monitor.l7(() => ({
      record: redactRecord(record, context.redaction()),
      source: peer(record.sourceAddress, record.sourceIdentity),
      destination: peer(record.destinationAddress, record.destinationIdentity),
    }));
  });
  monitor.followAgent((notification) => flows.agent(notification, BigInt(options.now()) * 1_000_000n));
  proxy.onObservations((observations) => parts.names.learn(observations));
  parts.names.onForgotten(() => proxy.namesForgotten());
  proxy.onPortsChanged((endpointId, ports) => {
    const endpoint = parts.table.get(endpointId);
    if (endpoint !== undefined) parts.regeneration.portsChanged(endpoint, ports);
  });
  let told = datapath.lostByProcessor();
  const timer = setInterval(() => {
    const all = datapath.lostByProcessor();
    for (const [cpu, count] of all.entries()) {
      const lost = count - (told[cpu] ?? 0);
      if (lost <= 0) continue;
      flows.lost(lost, cpu, BigInt(options.now()) * 1_000_000n);
      monitor.lost(lost, cpu);
    }
    told = all;
  }, LOSS_INTERVAL);
  timer.unref();
  return () => {
    clearInterval(timer);
    stop();
  };
}

/** Removes CiliumEndpoints of pods that this node does not have any more. */
function removeLeftovers(options: AgentOptions, parts: Parts): void {
  const own = new Set(parts.table.all().map(podKey));
  for (const object of parts.inputs.endpoints.list()) {
    const key = objectKey(object);
    if (claimOf(object)?.nodeAddress !== options.node.address || own.has(key)) continue;
    const { name, namespace = "", ownerReferences } = object.metadata;
    const uid = ownerReferences?.[0]?.uid ?? "";
    parts.retry.run(`removal of ciliumendpoint ${key}`, async () => {
      if (!parts.table.all().some((endpoint) => podKey(endpoint) === key)) {
        await parts.writer.remove(key, namespace, name, uid);
      }
    });
  }
}

/** An identity that was collected while the agent was away exists again, with its number if that is still free. */
function renewIdentities(parts: Parts): void {
  for (const endpoint of parts.table.all()) {
    if (!endpoint.attached) continue;
    const { identity, labels } = endpoint;
    if (reservedIdentityOf(labels) !== undefined) continue;
    if (parts.inputs.identities.get(String(identity)) === undefined) {
      parts.retry.run(`identity ${identity}`, () => parts.allocator.recreate(identity, labels));
    }
  }
}

/** Until the proxy has acknowledged what restored endpoints redirect, their redirects would drop. */
async function prepareRedirects(parts: Parts): Promise<void> {
  parts.derived.update();
  const published = parts.table.all().map((endpoint) => parts.regeneration.announce(endpoint));
  await atMost(RESTORE_PATIENCE, Promise.allSettled(published));
}

async function follow(options: AgentOptions, parts: Parts, halfChanged: HalfChanged): Promise<void> {
  await startInputs(parts.inputs);
  const { inputs } = parts;
  parts.policies.forgetOthers(inputs.policies.list());
  parts.clusterwidePolicies.forgetOthers(inputs.clusterwidePolicies.list());
  parts.networkPolicies.forgetOthers(inputs.networkPolicies.list());
  parts.clusterNetworkPolicies.forgetOthers(inputs.clusterNetworkPolicies.list());
  if (parts.table.size > 0) await prepareRedirects(parts);
  for (const endpoint of parts.table.all()) parts.lifecycle.claimAddress(endpoint);
  parts.names.keepOnly((id) => parts.table.get(id) !== undefined);
  parts.reconciler.open();
  options.proxy.removeUnpublished();
  for (const endpoint of halfChanged) parts.lifecycle.refreshIdentity(endpoint);
  renewIdentities(parts);
  for (const endpoint of parts.table.all()) parts.lifecycle.followLabels(endpoint);
  parts.pods.setSynced();
  parts.health?.start();
  removeLeftovers(options, parts);
  options.log(`synced: ${parts.table.size} endpoints, ${parts.identities.size} identities`, "info");
}

function watch(options: AgentOptions, parts: Parts): void {
  const { node, client, engine } = options;
  const { address: internal, router, podCidr, ipv6 } = node;
  const podCidrs = ipv6 === undefined ? [podCidr] : [podCidr, ipv6.podCidr];
  const addresses = (): NodeAddresses => {
    const health = parts.health?.told;
    return {
      ...{ internal, router, health: health?.address },
      ...(ipv6 && { ipv6: { internal: ipv6.address, router: ipv6.router, health: health?.ipv6?.address } }),
    };
  };
  const register = () =>
    parts.retry.run("ciliumnode", () =>
      registerNode(client, node.name, addresses(), podCidrs, parts.inputs.nodes.get(node.name)),
    );
  parts.health?.onStanding(register);
  const handlers = watchHandlers({
    ...parts,
    engine,
    nodeAddress: node.address,
    stale: parts.derived.stale,
    nodeChanged: register,
    refused: (what, error) => options.log(`${what} is refused, its earlier version stays: ${error.message}`),
  });
  handleInputs(parts.inputs, handlers, parts.metrics);
  register();
}

function nodesOf(parts: Parts): Agent["nodes"] {
  const listeners = new Set<() => void>();
  // after the reconciler's own turn: whoever hears of a node finds its addresses in force
  const tell = () =>
    queueMicrotask(() => {
      for (const listener of listeners) listener();
    });
  parts.inputs.ciliumNodes.on({ onAdd: tell, onUpdate: tell, onDelete: tell });
  return {
    list: () =>
      parts.inputs.ciliumNodes.list().flatMap((node) => {
        const addresses = nodeAddressesOf(node);
        return addresses === undefined ? [] : [{ name: node.metadata.name, ...addresses }];
      }),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/**
 * Starts the agent of one node. Resolves when the datapath is ready, the endpoints from before are adopted and
 * `cilium.sock` answers; `synced` says when the API's objects are in force. Rejects when the datapath cannot be made.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { datapath, node, log } = options;
  await datapath.prepareNode(node);
  const parts = buildParts(options);
  const halfChanged = await adoptEndpoints({
    ...parts,
    datapath,
    interfaces: options.interfaces,
    now: options.now,
    log,
  });
  const context = flowView(options, parts);
  const stopEvents = streamEvents(options, parts, context);
  const connection = new ProxyConnection(options.adminSocketPath);
  connection.start();
  const stopRounds = startConnectionRounds({ ...parts, datapath, now: options.now, log });
  addLookups(parts.metrics.registry, options, parts);
  const stopExchanges = watchExchanges(parts.metrics, options.socketPath);
  const server = await serveAgentApi(
    options.socketPath,
    agentCalls(options, parts, statusFacts(options, parts, connection)),
    parts.monitor,
  );
  const monitorSocket = await serveMonitorSocket(options.monitorSocketPath, parts.monitor);
  watch(options, parts);
  parts.monitor.agentEvent({
    type: "Cilium agent started",
    message: { time: new Date(options.now()).toISOString() },
  });
  log(
    `${node.name}: ${parts.table.size} endpoints adopted, labels of the host ${formatLabels(parts.identities.labelsOf(1) ?? [])}`,
    "info",
  );
  return {
    synced: follow(options, parts, halfChanged),
    flowContext: context,
    nodes: nodesOf(parts),
    onPodGone: (listener) => {
      const nothing = () => undefined;
      const onDelete = ({ metadata }: KubeObject) => listener(metadata.namespace ?? "", metadata.name);
      parts.inputs.endpoints.on({ onAdd: nothing, onUpdate: nothing, onDelete });
    },
    close: async () => {
      stopInputs(parts.inputs);
      parts.secrets.stop();
      parts.health?.stop();
      parts.retry.stop();
      connection.stop();
      stopEvents();
      stopRounds();
      stopExchanges();
      parts.names.close();
      monitorSocket.close();
      await server.close();
      await options.proxy.close();
      await parts.state.policies.written();
      datapath.close();
    },
  };
}
