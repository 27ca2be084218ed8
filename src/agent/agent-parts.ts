import { podMtu } from "../datapath/port.ts";
import {
  CiliumClusterwideNetworkPolicies,
  CiliumNetworkPolicies,
  ClusterNetworkPolicies,
  NetworkPolicies,
  type ResourceRef,
} from "../kube/resources.ts";
import { ReservedIdentity } from "../model/addresses.ts";
import { identityCandidates, reservedIdentities } from "../model/identity.ts";
import { formatLabels } from "../model/label.ts";
import { AuditMode } from "./audit-mode.ts";
import { CidrIdentities } from "./cidr-identities.ts";
import { ciliumEndpointOf, namedPortsOf } from "./cilium-endpoint.ts";
import { CiliumEndpointWriter } from "./cilium-endpoint-writer.ts";
import { chooseEndpointId, type Endpoint, isOfPod, podKey } from "./endpoint.ts";
import { EndpointLifecycle } from "./endpoint-lifecycle.ts";
import { EndpointTable } from "./endpoint-table.ts";
import { RemoteEndpoints } from "./flow-view.ts";
import { FqdnNames } from "./fqdn-names.ts";
import { HeaderSecrets } from "./header-secrets.ts";
import { HealthEndpoint } from "./health-endpoint.ts";
import { HostPolicy } from "./host-policy.ts";
import { IdentityAllocator } from "./identity-allocator.ts";
import { IdentityTable } from "./identity-table.ts";
import { Ipam } from "./ipam.ts";
import { ipcacheNotification } from "./ipcache-notification.ts";
import { IpcacheSources } from "./ipcache-sources.ts";
import { type KubeInputs, openKubeInputs } from "./kube-inputs.ts";
import { AgentMetrics } from "./metrics/agent-metrics.ts";
import { Monitor } from "./monitor.ts";
import type { AgentOptions } from "./options.ts";
import { PodKnowledge } from "./pod-knowledge.ts";
import { PolicySync } from "./policy-sync.ts";
import { Derived } from "./prepare.ts";
import { Reconciler } from "./reconciler.ts";
import { Redirects } from "./redirects.ts";
import { Regeneration } from "./regeneration.ts";
import { Rehearsals } from "./rehearsals.ts";
import { Retry } from "./retry.ts";
import { RuleCookies } from "./rule-cookies.ts";
import { AFTER_KERNELS_MS, openStateDirectory, type StateDirectory } from "./state-directory.ts";
import { TraceLevel } from "./trace-level.ts";

/** The agent's parts, made and connected; nothing runs yet. */
export interface Parts {
  readonly hostEndpointId: number;
  readonly table: EndpointTable;
  readonly state: StateDirectory;
  readonly ipam: Ipam;
  readonly retry: Retry;
  readonly metrics: AgentMetrics;
  readonly monitor: Monitor;
  readonly inputs: KubeInputs;
  readonly pods: PodKnowledge;
  readonly identities: IdentityTable;
  readonly sources: IpcacheSources;
  readonly cookies: RuleCookies;
  readonly names: FqdnNames;
  readonly secrets: HeaderSecrets;
  readonly redirects: Redirects;
  readonly regeneration: Regeneration;
  readonly reconciler: Reconciler;
  readonly derived: Derived;
  readonly audit: AuditMode;
  readonly rehearsals: Rehearsals;
  readonly traceLevel: TraceLevel;
  readonly host: HostPolicy;
  readonly allocator: IdentityAllocator;
  readonly writer: CiliumEndpointWriter;
  readonly announcer: Announcer;
  readonly lifecycle: EndpointLifecycle;
  /** Undefined where there is none. */
  readonly health: HealthEndpoint | undefined;
  readonly remote: RemoteEndpoints;
  readonly policies: PolicySync;
  readonly clusterwidePolicies: PolicySync;
  readonly networkPolicies: PolicySync;
  readonly clusterNetworkPolicies: PolicySync;
}

function ipcacheParts(options: AgentOptions): IpcacheSources {
  const sources = new IpcacheSources(options.node.address);
  const { clusterCidr, ipv6 } = options.node;
  const { World, WorldIpv4, WorldIpv6, Unmanaged } = ReservedIdentity;
  sources.setFixed("base", "0.0.0.0/0", { identity: ipv6 === undefined ? World : WorldIpv4 });
  // A pod whose identity is not known yet must not pass for the world.
  sources.setFixed("base", clusterCidr, { identity: Unmanaged });
  if (ipv6 === undefined) return sources;
  sources.setFixed("base", "::/0", { identity: WorldIpv6 });
  sources.setFixed("base", ipv6.clusterCidr, { identity: Unmanaged });
  return sources;
}

function identityTable({ engine, ...options }: AgentOptions, metrics: AgentMetrics): IdentityTable {
  const identities = new IdentityTable({
    upsertIdentity: (id, labels) => {
      metrics.identityLearned(id);
      engine.upsertIdentity(id, labels);
    },
    removeIdentity: (id) => engine.removeIdentity(id),
  });
  for (const [id, labels] of reservedIdentities(options.node.ipv6 !== undefined)) identities.learn(id, labels);
  return identities;
}

/** Tells the cluster, and whoever watches, about this node's endpoints. */
class Announcer {
  private readonly options: AgentOptions;
  private readonly parts: Pick<Parts, "pods" | "writer" | "retry" | "table" | "monitor">;
  /** Changed, and not written yet. */
  private readonly due = new Set<Endpoint>();

  constructor(options: AgentOptions, parts: Announcer["parts"]) {
    this.options = options;
    this.parts = parts;
  }

  /** Resolves when the API has the endpoint as it is now. */
  async announce(endpoint: Endpoint): Promise<void> {
    if (!isOfPod(endpoint.request)) return;
    const pod = this.parts.pods.podOf(endpoint.request);
    const object = ciliumEndpointOf(endpoint, this.options.node.address, namedPortsOf(pod), pod?.metadata.labels);
    await this.parts.writer.publish(podKey(endpoint), object);
  }

  changed(endpoint: Endpoint): void {
    if (!endpoint.attached || endpoint.identity === 0) return;
    if (isOfPod(endpoint.request)) this.write(endpoint);
    const labels = formatLabels(endpoint.labels);
    const { id, error } = endpoint;
    this.parts.monitor.agentEvent(
      error === ""
        ? { type: "Endpoint regenerated", message: { id, labels } }
        : { type: "Failed endpoint regeneration", message: { id, labels, error } },
    );
  }

  /** Once for all that changes until the kernels of all nodes have what this one has. */
  private write(endpoint: Endpoint): void {
    if (this.due.size === 0) setTimeout(() => this.writeDue(), AFTER_KERNELS_MS).unref();
    this.due.add(endpoint);
  }

  private writeDue(): void {
    const due = [...this.due].filter(({ attached }) => attached);
    this.due.clear();
    for (const endpoint of due)
      this.parts.retry.run(`ciliumendpoint ${podKey(endpoint)}`, () => this.announce(endpoint));
  }

  withdraw(endpoint: Endpoint): void {
    if (!isOfPod(endpoint.request)) return;
    const key = podKey(endpoint);
    const { podNamespace, podName, podUid } = endpoint.request;
    // A new sandbox of the same pod has taken the object over.
    if (this.parts.table.all().some((other) => podKey(other) === key)) return;
    const { retry, writer } = this.parts;
    retry.cancel(`ciliumendpoint ${key}`);
    retry.run(`removal of ciliumendpoint ${key}`, () => writer.remove(key, podNamespace, podName, podUid));
  }

  told(type: "Endpoint created" | "Endpoint deleted", endpoint: Endpoint): void {
    const { podName, podNamespace } = endpoint.request;
    const labels = formatLabels(endpoint.labels);
    const pod = podName === "" ? {} : { "pod-name": podName, namespace: podNamespace };
    this.parts.monitor.agentEvent({ type, message: { id: endpoint.id, labels, ...pod } });
  }
}

function policySync(
  options: AgentOptions,
  parts: Pick<Parts, "retry" | "monitor" | "reconciler" | "state" | "metrics">,
  ref: ResourceRef,
  kind: { readonly hasStatus?: boolean } = {},
) {
  return new PolicySync(
    {
      engine: options.engine,
      client: options.client,
      accepted: parts.state.policies,
      retry: parts.retry,
      now: () => `${new Date(options.now()).toISOString().slice(0, 19)}Z`,
      changed: () => parts.reconciler.regenerateAll(),
      event: (notification) => parts.monitor.agentEvent(notification),
      counted: (operation, outcome) => {
        const source = ref.group === "cilium.io" ? "custom-resource" : "k8s";
        parts.metrics.policyChanged(source, operation, outcome);
      },
      refused: (what, reason) => options.log(`${what} is refused, an earlier version stays: ${reason}`),
    },
    ref,
    kind,
  );
}

/** Tasks that `status` shows whether or not they failed: what has to hold as long as the agent or an endpoint lives. */
const STANDING = /^(ciliumnode|cilium-health-ep|ciliumendpoint .*)$/;

function fqdnNames({ now, log, nameLimits }: AgentOptions, state: StateDirectory, table: EndpointTable): FqdnNames {
  return new FqdnNames({
    files: state.names,
    endpointAt: (address) => table.atAddress(address)?.id,
    isEndpoint: (id) => table.get(id) !== undefined,
    now,
    log,
    limits: nameLimits,
  });
}

/** What has no circle: everything that the reconciler does not need to know. */
function basis(options: AgentOptions, metrics: AgentMetrics) {
  const state = openStateDirectory(options.stateDirectory, options.log);
  const inputs = openKubeInputs(options.openInformer, options.node.name);
  const identities = identityTable(options, metrics);
  const sources = ipcacheParts(options);
  const numbers = new CidrIdentities(options.datapath.listIpcache());
  const table = new EndpointTable();
  const cookies = new RuleCookies();
  const traceLevel = new TraceLevel(options.datapath);
  const secrets = new HeaderSecrets(options.openInformer, options.log);
  const hostEndpointId = chooseEndpointId(`host ${options.node.name}`, () => false);
  const names = fqdnNames(options, state, table);
  const pods = new PodKnowledge(inputs.pods, inputs.namespaces, options.node.clusterName);
  return {
    hostEndpointId,
    table,
    state,
    inputs,
    identities,
    sources,
    ipam: new Ipam(
      options.node.podCidr,
      state.allocations(),
      (allocations) => state.saveAllocations(allocations),
      options.node.ipv6?.podCidr,
    ),
    retry: new Retry({
      log: options.log,
      now: options.now,
      isStanding: (name) => STANDING.test(name),
      ran: (isOk, seconds) => metrics.taskRan(isOk, seconds),
    }),
    traceLevel,
    // Who monitors sees packet by packet; flows alone need no more than the first of a kind.
    monitor: new Monitor((isWatched) => traceLevel.watched(isWatched)),
    pods,
    cookies,
    names,
    host: new HostPolicy({
      id: hostEndpointId,
      engine: options.engine,
      datapath: options.datapath,
      identities,
      cookies,
      node: () => inputs.nodes.get(options.node.name),
    }),
    secrets,
    redirects: new Redirects(
      options.proxy,
      (identity) => identities.has(identity),
      secrets,
      (error) => options.log(`rules with a changed secret: ${(error as Error).message}`),
    ),
    audit: new AuditMode(options.datapath, table),
    rehearsals: new Rehearsals({
      ...{ datapath: options.datapath, log: options.log, now: options.now, clusterName: options.node.clusterName },
      ...{ table, pods, inputs },
    }),
    derived: new Derived({ options, inputs, sources, identities, numbers, state, names }),
    remote: new RemoteEndpoints(),
    allocator: new IdentityAllocator({
      client: options.client,
      cached: (name) => inputs.identities.get(name),
      candidates: identityCandidates,
    }),
    writer: new CiliumEndpointWriter(options.client, (name, namespace) => inputs.endpoints.get(name, namespace)),
  };
}

type Basis = ReturnType<typeof basis> & Pick<Parts, "metrics">;

function regenerationOf(options: AgentOptions, parts: Basis, announcer: Announcer): Regeneration {
  return new Regeneration({
    datapath: options.datapath,
    redirects: parts.redirects,
    cookies: parts.cookies,
    resolve: ({ id, identity, labels, request }) =>
      options.engine.resolve(id, { identity, labels, namedPorts: namedPortsOf(parts.pods.podOf(request)) }),
    release: ({ id }) => options.engine.release(id),
    revision: () => options.engine.revision,
    now: options.now,
    measured: (times) => parts.metrics.regenerated(times),
    changed: (endpoint) => announcer.changed(endpoint),
  });
}

function reconcilerOf(options: AgentOptions, parts: Basis, regeneration: Regeneration): Reconciler {
  const { monitor, retry, table, derived } = parts;
  const reconciler: Reconciler = new Reconciler({
    datapath: options.datapath,
    sources: parts.sources,
    identities: parts.identities,
    regeneration,
    endpoints: () => table.all(),
    prepare: () => derived.update(),
    writeDerived: () => derived.write(),
    updateHost: () => parts.host.update(),
    ipcacheChanged: (cidr, entry, old) => monitor.agentEvent(ipcacheNotification(cidr, { entry, old }, parts)),
    unfinished: () => retry.run("tables of the kernel", async () => reconciler.tryAgain()),
    passed: () => {
      parts.metrics.inForce();
      parts.rehearsals.refresh();
    },
    failed: (endpoint, error) =>
      retry.run(`policy of endpoint ${endpoint.id}`, async () => {
        if (!endpoint.attached) return;
        await regeneration.regenerate(endpoint);
        options.log(`endpoint ${endpoint.id}: regenerated after: ${error.message}`);
      }),
  });
  return reconciler;
}

function healthEndpoint(
  { openHealthLink: open, interfaces, node }: AgentOptions,
  { ipam, retry }: Basis,
  lifecycle: EndpointLifecycle,
): HealthEndpoint | undefined {
  return open && new HealthEndpoint({ ipam, retry, lifecycle, interfaces, mtu: podMtu(node.routingMode), open });
}

/** Makes and connects the parts. */
export function buildParts(options: AgentOptions): Parts {
  const metrics = new AgentMetrics(options.metrics);
  const parts = { ...basis(options, metrics), metrics };
  const announcer = new Announcer(options, parts);
  const regeneration = regenerationOf(options, parts, announcer);
  const reconciler = reconcilerOf(options, parts, regeneration);
  parts.names.onRelabeled((addresses) => {
    if (parts.derived.relabel(addresses)) reconciler.regenerateAll();
    reconciler.flush();
  });
  const lifecycle = new EndpointLifecycle({
    ...parts,
    regeneration,
    reconciler,
    datapath: options.datapath,
    nodeAddress: options.node.address,
    now: options.now,
    podLabels: (request) => parts.pods.labelsOf(request),
    podKnown: (request) => parts.pods.known(request),
    announce: (endpoint) => announcer.announce(endpoint),
    withdraw: (endpoint) => {
      announcer.withdraw(endpoint);
      parts.names.removeEndpoint(endpoint.id);
    },
    stands: (endpoint) => parts.audit.begin(endpoint.id),
    event: (type, endpoint) => announcer.told(type, endpoint),
  });
  const withReconciler = { ...parts, reconciler };
  return {
    ...withReconciler,
    regeneration,
    announcer,
    lifecycle,
    health: healthEndpoint(options, parts, lifecycle),
    policies: policySync(options, withReconciler, CiliumNetworkPolicies),
    clusterwidePolicies: policySync(options, withReconciler, CiliumClusterwideNetworkPolicies),
    networkPolicies: policySync(options, withReconciler, NetworkPolicies, { hasStatus: false }),
    clusterNetworkPolicies: policySync(options, withReconciler, ClusterNetworkPolicies),
  };
}
