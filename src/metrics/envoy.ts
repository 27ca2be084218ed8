import type { AccessRecord } from "../model/access-record.ts";
import type { Registry } from "./registry.ts";

/** What a proxy is doing now. */
export interface ProxyStatus {
  /** The agent has answered at least once. */
  readonly initialized: boolean;
  /** The agent's channel is open. */
  readonly connected: boolean;
  readonly uptimeSeconds: number;
  readonly listeners: readonly { readonly port: number; readonly connections: number }[];
  /** Records that did not reach the agent. */
  readonly lostRecords: number;
}

/** Of Envoy's connection manager, as Cilium names it. */
const PREFIX = "proxy";
const CLUSTERS = { ingress: "ingress-cluster", egress: "egress-cluster" } as const;
/** Milliseconds: Envoy's own. */
const TIME_BUCKETS = [
  ...[0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000],
  ...[60_000, 300_000, 600_000, 1_800_000, 3_600_000],
];
/** Envoy's numbers of a server's states. */
const LIVE = 0;
const PRE_INITIALIZING = 2;

function addServerMetrics(registry: Registry, status: () => ProxyStatus): void {
  const gauge = (name: string, help: string) => registry.gauge({ name: `envoy_server_${name}`, help }).of();
  const live = gauge("live", "1 while the proxy serves");
  const state = gauge("state", "0 = live, 2 = the agent has not answered yet");
  const uptime = gauge("uptime", "Seconds since the proxy began");
  gauge("concurrency", "Threads that serve").set(1);
  const connections = gauge("total_connections", "Connections that clients have open");
  const allocated = gauge("memory_allocated", "Memory that is in use, in bytes");
  const heap = gauge("memory_heap_size", "Memory that is reserved for the heap, in bytes");
  const physical = gauge("memory_physical_size", "Memory that is resident, in bytes");
  registry.collect(() => {
    const { initialized, uptimeSeconds, listeners } = status();
    const memory = process.memoryUsage();
    live.set(initialized ? 1 : 0);
    state.set(initialized ? LIVE : PRE_INITIALIZING);
    uptime.set(Math.floor(uptimeSeconds));
    connections.set(listeners.reduce((sum, one) => sum + one.connections, 0));
    allocated.set(memory.heapUsed + memory.external);
    heap.set(memory.heapTotal);
    physical.set(memory.rss);
  });
}

function addListenerMetrics(registry: Registry, status: () => ProxyStatus): void {
  const active = registry.gauge({
    name: "envoy_listener_downstream_cx_active",
    help: "Connections that clients of a listener have open",
    labels: ["envoy_listener_address"],
  });
  const listening = registry.gauge({
    name: "envoy_listener_manager_total_listeners_active",
    help: "Listeners of redirects that accept connections",
  });
  const control = registry.gauge({
    name: "envoy_control_plane_connected_state",
    help: "1 while the agent is connected",
  });
  const lost = registry.counter({
    name: "shieldgate_proxy_access_records_lost_total",
    help: "Records of requests that did not reach the agent",
  });
  registry.collect(() => {
    const { connected, listeners, lostRecords } = status();
    active.clear();
    for (const { port, connections } of listeners) active.of(`0.0.0.0_${port}`).set(connections);
    listening.of().set(listeners.length);
    control.of().set(connected ? 1 : 0);
    lost.of().value = lostRecords;
  });
}

/**
 * Puts what Cilium's Envoy shows on port 9964, as far as this proxy counts it, into the registry, and gives what is to be told each
 * record. Names, labels and buckets are Envoy's.
 */
export function addEnvoyMetrics(registry: Registry, status: () => ProxyStatus): (record: AccessRecord) => void {
  addServerMetrics(registry, status);
  addListenerMetrics(registry, status);
  const manager = ["envoy_http_conn_manager_prefix"] as const;
  const requests = registry.counter({
    name: "envoy_http_downstream_rq_total",
    help: "HTTP requests of clients, those that were refused among them",
    labels: manager,
  });
  const responses = registry.untypedCounter({
    name: "envoy_http_downstream_rq_xx",
    help: "Answers to clients by the class of their status, the proxy's own among them",
    labels: ["envoy_response_code_class", ...manager],
  });
  const times = registry.histogram({
    name: "envoy_http_downstream_rq_time",
    help: "Milliseconds from a request to its answer",
    labels: manager,
    buckets: TIME_BUCKETS,
  });
  const forwarded = registry.counter({
    name: "envoy_cluster_upstream_rq_total",
    help: "HTTP requests that were passed on, by the side whose policy judged them",
    labels: ["envoy_cluster_name"],
  });
  const questions = registry.counter({
    name: "shieldgate_proxy_dns_questions_total",
    help: "DNS questions of clients, by what became of them",
    labels: ["verdict"],
  });
  for (const cluster of Object.values(CLUSTERS)) forwarded.of(cluster);
  for (const code of ["1", "2", "3", "4", "5"]) responses.of(code, PREFIX);
  for (const verdict of ["forwarded", "denied", "error"]) questions.of(verdict);
  const [allRequests, allTimes] = [requests.of(PREFIX), times.of(PREFIX)];
  return ({ type, verdict, direction, method, status: code, latencyMs, dns, tls }) => {
    if (tls !== undefined) return;
    if (dns !== undefined) {
      if (type === "request") questions.of(verdict).inc();
      return;
    }
    if (type === "request") {
      // what was no request is counted with its answer; a connection without one is none
      if (method !== "") allRequests.inc();
      if (verdict === "forwarded") forwarded.of(CLUSTERS[direction]).inc();
      return;
    }
    if (method === "") allRequests.inc();
    // a client that went away got none
    if (code > 0) responses.of(String(Math.floor(code / 100)), PREFIX).inc();
    allTimes.observe(latencyMs);
  };
}
