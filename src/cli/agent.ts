/**
 * Main of a node's agent: `agent --node NAME --address IP --pod-cidr CIDR --kubeconfig FILE --run DIRECTORY
 * --pins DIRECTORY --bpf-object FILE [--flow-history DIRECTORY] [--hubble-event-buffer-capacity N] [--address6 IP --pod-cidr6 CIDR]
 * [--routing-mode native] [--api-server-node] [--hubble-tls-cert-file FILE --hubble-tls-key-file FILE
 * --hubble-tls-client-ca-files FILE]`. Runs in the node's network namespace; SIGTERM ends it and
 * leaves the datapath in force.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import packageJson from "../../package.json" with { type: "json" };
import { DEFAULT_SETTINGS, followHubbleSettings, type MetricsTls } from "../agent/hubble-settings.ts";
import { createPolicyEngine, type ProxyChannel, startAgent } from "../agent/index.ts";
import { routerOf } from "../agent/ipam.ts";
import type { OpenInformer } from "../agent/kube-inputs.ts";
import { serveShell } from "../agent/shell/server.ts";
import { Shell } from "../agent/shell/shell.ts";
import { createEbpfDatapath } from "../datapath/ebpf/datapath.ts";
import { libcCalls } from "../datapath/ebpf/libbpf.ts";
import type { NodeConfig6, RoutingMode } from "../datapath/port.ts";
import { createFlowPipeline, createFlowRing } from "../flow/index.ts";
import { answerOnNode, openHealthEndpoint, startNodeHealth } from "../health/index.ts";
import { type FlowHistory, openFlowHistory } from "../history/index.ts";
import {
  checkMetricsList,
  createObserver,
  FlowExporter,
  FlowMetricsServer,
  observerServerName,
  parseExportSettings,
} from "../hubble/index.ts";
import { connect, createInformer } from "../kube/client/index.ts";
import {
  addBpfMetrics,
  addProcessMetrics,
  type CertificateSource,
  countedLogs,
  MetricsServer,
  mapCallMetrics,
  Registry,
} from "../metrics/index.ts";
import type { AccessRecord } from "../model/access-record.ts";
import {
  CLUSTER_CIDR,
  CLUSTER_CIDR6,
  CLUSTER_NAME,
  HUBBLE_PORT,
  SERVICE_CIDR,
  SERVICE_CIDR6,
} from "../model/addresses.ts";
import type { DnsSettings } from "../model/dns-settings.ts";
import { nodeFullName } from "../model/node-name.ts";
import { warmUpSteps } from "../policy/warm-up.ts";
import { createPolicyDiscovery } from "../proxy/xds-server.ts";
import { serverCertificate, tlsFromFiles } from "./tls-files.ts";

process.title = "cilium-agent";

/** How long the name of an interface is believed, in ms. */
const NAME_AGE = 1000;
/** How long after its start an agent takes the time to warm up, and how long it rests between steps, in ms. */
const WARM_UP_AFTER = 1000;
const WARM_UP_REST = 5;
/** A watch that fails is tried again at least this often, in ms: without a failure since then the API answers. */
const RETRY_TIME = 3000;

const { values } = parseArgs({
  options: {
    node: { type: "string" },
    address: { type: "string" },
    "pod-cidr": { type: "string" },
    kubeconfig: { type: "string" },
    run: { type: "string" },
    pins: { type: "string" },
    "bpf-object": { type: "string" },
    interface: { type: "string", default: "eth0" },
    "cluster-cidr": { type: "string", default: CLUSTER_CIDR },
    "service-cidr": { type: "string", default: SERVICE_CIDR },
    address6: { type: "string" },
    "pod-cidr6": { type: "string" },
    "cluster-cidr6": { type: "string", default: CLUSTER_CIDR6 },
    "service-cidr6": { type: "string", default: SERVICE_CIDR6 },
    "routing-mode": { type: "string", default: "tunnel" },
    "cluster-name": { type: "string", default: CLUSTER_NAME },
    "hubble-tls-cert-file": { type: "string" },
    "hubble-tls-key-file": { type: "string" },
    "hubble-tls-client-ca-files": { type: "string" },
    "api-server-node": { type: "boolean", default: false },
    // where flows are kept that the ring has no more; absent = nowhere
    "flow-history": { type: "string" },
    "hubble-event-buffer-capacity": { type: "string", default: "4095" },
  },
});

function needed(name: "node" | "address" | "pod-cidr" | "kubeconfig" | "run" | "pins" | "bpf-object"): string {
  const value = values[name];
  if (value !== undefined) return value;
  process.stderr.write(`agent: --${name} is missing\n`);
  process.exit(2);
}

const registry = new Registry();
const logOf = countedLogs(registry, (message) => {
  process.stderr.write(`${new Date().toISOString()} agent: ${message}\n`);
});
const log = logOf("agent");
const hubbleLog = logOf("hubble");

/** Interfaces of this process's network namespace, as the kernel lists them. */
function interfaces(): ReadonlySet<string> {
  const lines = readFileSync("/proc/self/net/dev", "utf8").split("\n").slice(2);
  return new Set(lines.map((line) => line.split(":")[0]?.trim() ?? "").filter((name) => name !== ""));
}

/** Names of interfaces, asked of the kernel once a second: every event wants one. */
function interfaceNames(): (ifindex: number) => string {
  const names = new Map<number, string>();
  let readAt = 0;
  return (ifindex) => {
    if (Date.now() - readAt > NAME_AGE) {
      names.clear();
      readAt = Date.now();
    }
    const known = names.get(ifindex);
    if (known !== undefined) return known;
    const name = ifindex === 0 ? "" : (libcCalls.ifIndexToName(ifindex, Buffer.alloc(16)) ?? "");
    names.set(ifindex, name);
    return name;
  };
}

/** Until it is known a proxy goes on as it did. */
let dnsSettings: DnsSettings | undefined;
let dnsChanged: (dns: DnsSettings) => void = () => undefined;

async function openProxyChannel(socketPath: string): Promise<ProxyChannel> {
  const proxyLog = logOf("proxy");
  let access: (record: AccessRecord) => void = () => undefined;
  let observe: Parameters<ProxyChannel["onObservations"]>[0] = () => undefined;
  let ports: Parameters<ProxyChannel["onPortsChanged"]>[0] = () => undefined;
  const discovery = await createPolicyDiscovery({
    socketPath,
    onAccessRecord: (record) => access(record),
    onObservations: (observations) => observe(observations),
    onLostRecords: (count) => proxyLog(`the proxy gave up ${count} access records`),
    onPortsChanged: (endpointId, changed) => ports(endpointId, changed),
    onConnected: (connected) =>
      proxyLog(`the proxy ${connected ? "connected" : "went away"}`, connected ? "info" : "warn"),
  });
  dnsChanged = (dns) => discovery.setDnsSettings(dns);
  if (dnsSettings) dnsChanged(dnsSettings);
  return {
    publish: (policy) => discovery.publish(policy),
    remove: (endpointId) => discovery.remove(endpointId),
    removeUnpublished: () => discovery.removeUnpublished(),
    namesForgotten: () => discovery.namesForgotten(),
    get connected() {
      return discovery.connected;
    },
    onAccess: (listener) => {
      access = listener;
    },
    onObservations: (listener) => {
      observe = listener;
    },
    onPortsChanged: (listener) => {
      ports = listener;
    },
    close: () => discovery.close(),
  };
}

/** What has to be closed when the agent is told to end; as pid 1 it must handle the signals itself. */
const closing: (() => Promise<void>)[] = [];
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => void Promise.allSettled(closing.map((close) => close())).then(() => process.exit(0)));
}

/** Failures of watches, each kind once: they are tried again for ever. */
const told = new Set<string>();
const kubernetesLog = logOf("k8s");
let failedAt = 0;
function onError(error: unknown): void {
  failedAt = Date.now();
  const message = String((error as Error).message);
  if (!told.has(message)) kubernetesLog(`Kubernetes API: ${message}`);
  told.add(message);
}

const run = needed("run");
const sockets = join(run, "envoy", "sockets");
mkdirSync(sockets, { recursive: true });
const client = connect({ kubeconfig: needed("kubeconfig") });
const RING_CAPACITY = Number(values["hubble-event-buffer-capacity"]);
const ring = createFlowRing(RING_CAPACITY);
const node = needed("node");
const clusterName = values["cluster-name"];

/** In a cluster of both families. */
function ipv6(): NodeConfig6 | undefined {
  const { address6, "pod-cidr6": podCidr } = values;
  if (address6 === undefined && podCidr === undefined) return undefined;
  if (address6 === undefined || podCidr === undefined) {
    process.stderr.write("agent: --address6 and --pod-cidr6 go together: one is missing\n");
    process.exit(2);
  }
  const ranges = { clusterCidr: values["cluster-cidr6"], serviceCidr: values["service-cidr6"] };
  return { address: address6, router: routerOf(podCidr), podCidr, ...ranges };
}

function routingMode(): RoutingMode {
  const mode = values["routing-mode"];
  if (mode === "tunnel" || mode === "native") return mode;
  process.stderr.write(`agent: --routing-mode ${mode}: write tunnel or native\n`);
  process.exit(2);
}

function openHistory(directory: string): FlowHistory {
  const run = randomBytes(8).readBigUInt64LE();
  return openFlowHistory({ directory, ring, limits: DEFAULT_SETTINGS.history, run, now: Date.now, log: hubbleLog });
}

const openInformer: OpenInformer = (ref, selection) => createInformer(client, ref, { ...selection, onError });
const history = values["flow-history"] === undefined ? undefined : openHistory(values["flow-history"]);
addProcessMetrics(registry, "cilium_");
addBpfMetrics(registry);
const onMapCall = mapCallMetrics(registry);
const metricsServer = new MetricsServer({ registry, log });
const flowMetrics = new FlowMetricsServer({ ring, now: Date.now, log: hubbleLog });
const exporter = new FlowExporter({
  ...{ ring, nodeName: node, directory: join(run, "hubble"), metrics: registry },
  ...{ now: Date.now, log: hubbleLog },
});
/** Certificates by the files that they were read from: a path that comes back is not watched twice. */
const certificates = new Map<string, CertificateSource>();
function certificateOf(files: MetricsTls | undefined): CertificateSource | undefined {
  if (files === undefined) return undefined;
  const key = JSON.stringify(files);
  const known =
    certificates.get(key) ??
    serverCertificate(files, (error) => log(`the new certificate for metrics is not used: ${error.message}`));
  certificates.set(key, known);
  return known;
}
const settings = followHubbleSettings(
  openInformer,
  {
    check: ({ metrics, exported }) => {
      checkMetricsList(metrics.list);
      certificateOf(metrics.tls);
      parseExportSettings(exported);
    },
    changed: ({ eventBufferCapacity = RING_CAPACITY, history: limits, metrics, exported, dns }) => {
      if (eventBufferCapacity !== ring.capacity) ring.resize(eventBufferCapacity);
      history?.setLimits(limits);
      void flowMetrics.configure({ ...metrics, certificate: certificateOf(metrics.tls) });
      exporter.configure(parseExportSettings(exported));
      void metricsServer.listen(metrics.agentAddress);
      dnsSettings = dns;
      dnsChanged(dns);
    },
  },
  log,
);
const node6 = ipv6();
const isAddress = (address: string | undefined) => address !== undefined;
// Somebody else may have the port: then this node is seen to be ill, and its policies are still enforced.
const responder = await answerOnNode([needed("address"), node6?.address].filter(isAddress)).catch((error: Error) => {
  log(`no answers to other nodes' health checks: ${error.message}`);
});
const agent = await startAgent({
  node: {
    name: node,
    address: needed("address"),
    router: routerOf(needed("pod-cidr")),
    podCidr: needed("pod-cidr"),
    clusterCidr: values["cluster-cidr"],
    serviceCidr: values["service-cidr"],
    networkInterface: values.interface,
    apiServer: values["api-server-node"],
    ...(node6 === undefined ? {} : { ipv6: node6 }),
    routingMode: routingMode(),
    clusterName,
  },
  version: packageJson.version,
  client,
  openInformer,
  datapath: createEbpfDatapath({ pinDirectory: needed("pins"), objectPath: needed("bpf-object"), onMapCall }),
  engine: createPolicyEngine({ clusterName, isDualStack: node6 !== undefined }),
  proxy: await openProxyChannel(join(sockets, "xds.sock")),
  openFlows: (context) => createFlowPipeline({ context, ring }),
  redaction: () => settings.current.redaction,
  nameLimits: () => settings.current.names,
  historyFailure: () => {
    const { failure, lost = 0 } = history?.status() ?? {};
    return failure === undefined ? undefined : `${failure}; ${lost} flows were not kept`;
  },
  openHealthLink: openHealthEndpoint,
  kubernetesVersion: () => {
    if (Date.now() - failedAt < RETRY_TIME) return Promise.reject(new Error("the API server does not answer"));
    return client.raw("GET", "/version");
  },
  metrics: registry,
  observer: () => ({
    "current-flows": ring.next - ring.oldest,
    "max-flows": ring.capacity,
    "seen-flows": ring.next,
    uptime: `${process.uptime().toFixed(3)}s`,
  }),
  stateDirectory: join(run, "state"),
  socketPath: join(run, "cilium.sock"),
  monitorSocketPath: join(run, "monitor1_2.sock"),
  adminSocketPath: join(sockets, "admin.sock"),
  interfaces,
  interfaceName: interfaceNames(),
  now: Date.now,
  log,
});

const shell = await serveShell(join(run, "shell.sock"), new Shell(registry));
closing.push(async () => {
  settings.stop();
  shell.close();
  flowMetrics.close();
  metricsServer.close();
  await agent.close();
  await exporter.close();
  await history?.close();
});
agent.onPodGone((namespace, name) => flowMetrics.forgetPod(namespace, name));
const tls = tlsFromFiles(
  {
    cert: values["hubble-tls-cert-file"],
    key: values["hubble-tls-key-file"],
    ca: values["hubble-tls-client-ca-files"],
  },
  (error) => hubbleLog(`the new certificate for flows is not used: ${error.message}`),
);
const observer = createObserver({
  ring,
  nodeName: nodeFullName(node, clusterName),
  version: packageJson.version,
  now: Date.now,
  ...(history && { history }),
  peers: {
    list: () =>
      agent.nodes.list().map(({ name, internal }) => ({
        name: nodeFullName(name, clusterName),
        address: `${internal}:${HUBBLE_PORT}`,
        ...(tls && { serverName: observerServerName(name, clusterName) }),
      })),
    onChange: (listener) => agent.nodes.onChange(listener),
  },
});
await observer.serve([{ path: join(run, "hubble.sock") }]);
if (tls) await observer.serve([{ host: needed("address"), port: HUBBLE_PORT, tls }]);
else
  hubbleLog(`without --hubble-tls-cert-file, -key-file and -client-ca-files nobody is answered on port ${HUBBLE_PORT}`);
closing.push(() => observer.close());

await agent.synced;
// Without a ConfigMap the proxy hears of the defaults now.
dnsChanged(settings.current.dns);
const nodeHealth = await startNodeHealth({
  name: node,
  nodes: {
    list: () =>
      agent.nodes.list().map(({ name, internal, health, ipv6 }) => ({
        name,
        addresses: [internal, ipv6?.internal].filter(isAddress),
        healthAddresses: [health, ipv6?.health].filter(isAddress),
      })),
    onChange: (listener) => agent.nodes.onChange(listener),
  },
  socketPath: join(run, "health.sock"),
  metrics: registry,
  greetings: responder ?? undefined,
});
closing.push(async () => {
  nodeHealth.close();
  responder?.close();
});

// What the node does first must not be done while other processes of a lab that starts want the processors too.
await sleep(WARM_UP_AFTER, undefined, { ref: false });
for (const _ of warmUpSteps()) await sleep(WARM_UP_REST, undefined, { ref: false });
