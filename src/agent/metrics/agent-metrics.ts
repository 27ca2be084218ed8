import type { ConnectionCounts } from "../../datapath/port.ts";
import { type Counter, type Family, type Histogram, Registry } from "../../metrics/index.ts";
import type { AccessRecord } from "../../model/access-record.ts";
import { FIRST_IDENTITY } from "../../model/identity.ts";
import { scopeOfIdentity } from "../../model/identity-scope.ts";

/** 10 µs to 100 s, each ten times the one before. */
const DECADES = Array.from({ length: 8 }, (_, power) => 10 ** (power - 5));
/** What an API call may take, up to 2 minutes. */
const CALL_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 90, 120];

/** One regeneration of an endpoint; times in seconds. */
export interface RegenerationTimes {
  /** What failed, in Cilium's words; empty = nothing. */
  readonly error: "" | "PolicyRegenerationError" | "PolicyBPFError";
  readonly calculation: number;
  /** The call of the kernel that many endpoints may share. */
  readonly mapSync: number;
}

export type PolicySource = "k8s" | "custom-resource";

/** Counts what the agent does, under Cilium's names (pkg/metrics/metrics.go of 1.20). What it knows at any time is looked up by lookups.ts. */
export class AgentMetrics {
  readonly registry: Registry;
  private readonly regenerations: Family<Counter>;
  private readonly regenerationTimes: Family<Histogram>;
  private readonly policyChanges: Family<Counter>;
  private readonly policyDelay: Family<Histogram>;
  private readonly identityDelay: Family<Histogram>;
  private readonly received: Family<Counter>;
  private readonly processed: Family<Counter>;
  private readonly nodeEvents: Family<Counter>;
  private readonly serviceEvents: Family<Counter>;
  private readonly runs: Family<Counter>;
  private readonly runTimes: Family<Histogram>;
  private readonly judged: Family<Counter>;
  private readonly upstreamTimes: Family<Histogram>;
  private readonly apiTimes: Family<Histogram>;
  private readonly clientTimes: Family<Histogram>;
  private readonly clientCalls: Family<Counter>;
  private readonly rounds: ConnectionRoundMetrics;
  private readonly deletedNames;
  /** Changes that the kernel does not follow yet, with the time when they came. */
  private pending: { readonly delay: Histogram; readonly since: number }[] = [];

  constructor(registry = new Registry()) {
    this.registry = registry;
    const counter = (name: string, help: string, labels: readonly string[]) =>
      registry.counter({ name: `cilium_${name}`, help, labels });
    const histogram = (name: string, help: string, labels: readonly string[], buckets?: readonly number[]) =>
      registry.histogram({ name: `cilium_${name}`, help, labels, ...(buckets && { buckets }) });
    const by = ["reason", "outcome", "error"];
    this.regenerations = counter("endpoint_regenerations_total", "Regenerations of endpoints that ended", by);
    const steps = ["scope", "status"];
    const regeneration = "How long the steps of regenerations took, in seconds";
    this.regenerationTimes = histogram("endpoint_regeneration_time_stats_seconds", regeneration, steps, DECADES);
    const change = ["source", "operation", "outcome"];
    this.policyChanges = counter("policy_change_total", "Changes of policies", change);
    const delay = "From a change of policy until the kernel enforces it, in seconds";
    this.policyDelay = histogram("policy_implementation_delay", delay, ["source"], DECADES);
    const identity = "From a new identity until all policies have it, in seconds";
    this.identityDelay = histogram("policy_incremental_update_duration", identity, ["scope"], DECADES);
    const event = ["scope", "action"];
    const validity = [...event, "valid", "equal"];
    this.received = counter("kubernetes_events_received_total", "Changes that Kubernetes told of", validity);
    this.processed = counter("kubernetes_events_total", "Changes of Kubernetes that were followed", [
      ...event,
      "status",
    ]);
    this.nodeEvents = counter("nodes_all_events_received_total", "Changes of nodes", ["event_type", "source"]);
    this.serviceEvents = counter("services_events_total", "Changes of services", ["action"]);
    this.runs = counter("controllers_runs_total", "Runs of tasks that are tried until they succeed", ["status"]);
    this.runTimes = histogram("controllers_runs_duration_seconds", "How long those runs took, in seconds", ["status"]);
    this.judged = counter("policy_l7_total", "Requests and answers that the proxies saw", ["rule", "proxy_type"]);
    const reply = "How long the proxies waited for a server's answer, in seconds";
    this.upstreamTimes = histogram("proxy_upstream_reply_seconds", reply, ["error", "protocol_l7", "scope"]);
    const call = ["path", "method", "return_code"];
    const api = "How long calls of cilium.sock took, in seconds";
    this.apiTimes = histogram("agent_api_process_time_seconds", api, call, CALL_BUCKETS);
    const client = "How long calls of the Kubernetes API took, in seconds";
    this.clientTimes = histogram("k8s_client_api_latency_time_seconds", client, ["path", "method"]);
    const host = ["host", "method", "return_code"];
    this.clientCalls = counter("k8s_client_api_calls_total", "Calls of the Kubernetes API", host);
    this.rounds = new ConnectionRoundMetrics(registry);
    const names = "Names of DNS that were forgotten, because they ran out";
    this.deletedNames = registry.counter({ name: "cilium_fqdn_gc_deletions_total", help: names }).of();
  }

  regenerated({ error, calculation, mapSync }: RegenerationTimes): void {
    const outcome = error === "" ? "success" : "fail";
    this.regenerations.of("PolicyUpdate", outcome, error).inc();
    if (error !== "") return;
    this.regenerationTimes.of("endpointPolicyCalculation", "success").observe(calculation);
    this.regenerationTimes.of("mapSync", "success").observe(mapSync);
    this.regenerationTimes.of("total", "success").observe(calculation + mapSync);
  }

  policyChanged(source: PolicySource, operation: "update" | "delete", outcome: "success" | "fail"): void {
    this.policyChanges.of(source, operation, outcome).inc();
    if (outcome === "success") this.pend(this.policyDelay.of(source));
  }

  identityLearned(id: number): void {
    const scope = scopeOfIdentity(id) === "global" ? "global" : "local";
    if (id >= FIRST_IDENTITY) this.pend(this.identityDelay.of(scope));
  }

  /** The kernel follows every change that came before. */
  inForce(): void {
    if (this.pending.length === 0) return;
    const now = performance.now();
    for (const { delay, since } of this.pending) delay.observe((now - since) / 1000);
    this.pending = [];
  }

  /** `scope` is the kind of the object; `isEqual`: it was told again as it was. */
  kubernetesEvent(scope: string, action: "create" | "update" | "delete", isEqual: boolean): void {
    this.received.of(scope, action, "true", String(isEqual)).inc();
    this.processed.of(scope, action, "success").inc();
    const short = action === "create" ? "add" : action;
    if (scope === "CiliumNode") this.nodeEvents.of(short, "custom-resource").inc();
    if (scope === "Service") this.serviceEvents.of(short).inc();
  }

  taskRan(isOk: boolean, seconds: number): void {
    const status = isOk ? "success" : "failure";
    this.runs.of(status).inc();
    this.runTimes.of(status).observe(seconds);
  }

  accessRecord({ dns, verdict, type, latencyMs }: AccessRecord): void {
    const proxy = dns === undefined ? "envoy" : "fqdn";
    this.judged.of("received", proxy).inc();
    this.judged.of(verdict === "error" ? "parse_errors" : verdict, proxy).inc();
    if (dns === undefined || type !== "response") return;
    const error = { forwarded: "allow", denied: "denied", error: "proxyErr" }[verdict];
    this.upstreamTimes.of(error, "dns", "upstreamTime").observe(latencyMs / 1000);
  }

  /** A call of `cilium.sock`; `path` without what names one object. */
  apiCall(path: string, method: string, status: number, seconds: number): void {
    this.apiTimes.of(path, method, String(status)).observe(seconds);
  }

  /** A call of the Kubernetes API; `status` is `<error>` when there was no answer. */
  clientCall(call: { host: string; path: string; method: string; status: string; seconds: number }): void {
    this.clientTimes.of(call.path, call.method).observe(call.seconds);
    this.clientCalls.of(call.host, call.method, call.status).inc();
  }

  /** Undefined: the round was not completed. */
  connectionsCollected(counts: readonly ConnectionCounts[] | undefined, seconds: number): void {
    this.rounds.done(counts, seconds);
  }

  namesDeleted(count: number): void {
    this.deletedNames.inc(count);
  }

  private pend(delay: Histogram): void {
    this.pending.push({ delay, since: performance.now() });
  }
}

const KINDS = (["ipv4", "ipv6"] as const).flatMap((family) =>
  (["TCP", "non-TCP"] as const).map((protocol) => [family, protocol] as const),
);

/** Cilium has a table for each of these kinds and collects them one after the other; here one round does all. */
class ConnectionRoundMetrics {
  private readonly entries;
  private readonly runs;
  private readonly times;
  private readonly resets;

  constructor(registry: Registry) {
    const labels = ["family", "protocol", "status"];
    const name = (rest: string) => `cilium_datapath_conntrack_gc_${rest}`;
    const entries = "Connections that were there after a round over them, and that it took out";
    this.entries = registry.gauge({ name: name("entries"), help: entries, labels });
    this.runs = registry.counter({ name: name("runs_total"), help: "Rounds over the connections", labels });
    const times = "How long rounds over the connections took, in seconds";
    this.times = registry.histogram({ name: name("duration_seconds"), help: times, labels });
    const resets = "Rounds over the connections that were broken off and begun anew";
    const where = ["area", "name", "family"];
    this.resets = registry.counter({
      name: "cilium_datapath_conntrack_dump_resets_total",
      help: resets,
      labels: where,
    });
  }

  done(counts: readonly ConnectionCounts[] | undefined, seconds: number): void {
    const status = counts === undefined ? "uncompleted" : "completed";
    // An entry that goes meanwhile breaks nothing off here: the kernel reads whole buckets, a batch of them a call.
    for (const family of ["ipv4", "ipv6"])
      this.resets.of("conntrack", "dump_interrupts", family).inc(counts === undefined ? 1 : 0);
    for (const [family, protocol] of KINDS) {
      this.runs.of(family, protocol, status).inc();
      this.times.of(family, protocol, status).observe(seconds);
    }
    for (const { family, protocol, alive, deleted } of counts ?? []) {
      this.entries.of(family, protocol, "alive").set(alive);
      this.entries.of(family, protocol, "deleted").set(deleted);
    }
  }
}
