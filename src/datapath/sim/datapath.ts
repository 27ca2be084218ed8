/** A datapath in memory: what the kernel would decide about a connection, without root, packets or time. */
import type { PolicyMapEntry } from "../../policy/policy-map.ts";
import type {
  ConnectionCounts,
  ConnectionRow,
  Datapath,
  EndpointConfig,
  EventBatch,
  IpcacheEntry,
  MetricsRow,
  NodeConfig,
  PolicyRow,
  RealizedPolicy,
  ServiceFrontend,
  WatchedPort,
} from "../port.ts";
import { longestPrefix, normalPrefix } from "./ipcache.ts";
import { decide, matchType } from "./lookup.ts";

const WORLD = 2;
const HOST = 1;
const POLICY_DENIED = -133;
const POLICY_DENY = -181;
const AUTH_REQUIRED = -189;

/** Verdict on the first packet of a connection: 0 allow, > 0 proxy port, < 0 minus the drop reason. */
export interface SimVerdict {
  readonly verdict: number;
  readonly match: number;
  readonly cookie: number;
}

export interface SimDatapath extends Datapath {
  /** What endpoint `id` does with a connection from or to `peer`, an IPv4 address. */
  judge(id: number, direction: "ingress" | "egress", peer: string, protocol: number, port: number): SimVerdict;
  /** Plays an event to the listeners, as the ring buffer would. */
  emit(event: Uint8Array): void;
  readonly services: readonly ServiceFrontend[];
  readonly routes: ReadonlyMap<string, string>;
  readonly watched: readonly WatchedPort[];
}

class SimulatedDatapath implements SimDatapath {
  services: readonly ServiceFrontend[] = [];
  routes: ReadonlyMap<string, string> = new Map();
  watched: readonly WatchedPort[] = [];
  #prepared = false;
  readonly #endpoints = new Map<number, EndpointConfig>();
  readonly #policies = new Map<number, RealizedPolicy>();
  readonly #ipcache = new Map<string, IpcacheEntry>();
  readonly #audited = new Set<number>();
  readonly #listeners = new Set<EventBatch>();

  async prepareNode(_: NodeConfig): Promise<void> {
    this.#prepared = true;
  }

  async addEndpoint(endpoint: EndpointConfig): Promise<void> {
    if (!this.#prepared) throw new Error("datapath: prepareNode comes first");
    this.#endpoints.set(endpoint.id, endpoint);
  }

  async removeEndpoint(id: number): Promise<void> {
    this.#endpoints.delete(id);
    this.#policies.delete(id);
    this.#audited.delete(id);
  }

  listEndpoints(): readonly EndpointConfig[] {
    return [...this.#endpoints.values()];
  }

  setPolicy(id: number, policy: RealizedPolicy): void {
    if (!this.#endpoints.has(id)) throw new Error(`datapath: set policy: there is no endpoint ${id}`);
    this.#policies.set(id, policy);
  }

  setPolicies(policies: ReadonlyMap<number, RealizedPolicy>): ReadonlyMap<number, Error> {
    const missing = [...policies.keys()].filter((id) => !this.#endpoints.has(id));
    for (const [id, policy] of policies) if (this.#endpoints.has(id)) this.#policies.set(id, policy);
    return new Map(missing.map((id) => [id, new Error(`datapath: set policy: there is no endpoint ${id}`)]));
  }

  setRoutes(routes: ReadonlyMap<string, string>): void {
    this.routes = routes;
  }

  upsertIpcache(prefix: string, entry: IpcacheEntry): void {
    this.#ipcache.set(normalPrefix(prefix), entry);
  }

  deleteIpcache(prefix: string): void {
    this.#ipcache.delete(normalPrefix(prefix));
  }

  listIpcache(): ReadonlyMap<string, IpcacheEntry> {
    return new Map(this.#ipcache);
  }

  setServices(services: readonly ServiceFrontend[]): void {
    this.services = services;
  }

  listServices(): readonly ServiceFrontend[] {
    return this.services;
  }

  setAggregation(): void {
    // no packets pass here: events are what a test emits
  }

  watchPorts(ports: readonly WatchedPort[]): void {
    this.watched = ports;
  }

  onEvents(receive: EventBatch): () => void {
    this.#listeners.add(receive);
    return () => void this.#listeners.delete(receive);
  }

  emit(event: Uint8Array): void {
    for (const receive of this.#listeners) receive(event);
  }

  lostEvents(): number {
    return 0;
  }

  lostByProcessor(): readonly number[] {
    return [];
  }

  metrics(): readonly MetricsRow[] {
    return [];
  }

  setHostPolicy(id: number, policy: RealizedPolicy | undefined): void {
    if (policy === undefined) this.#policies.delete(id);
    else this.#policies.set(id, policy);
  }

  setAudit(id: number, audit: boolean): void {
    if (!this.#endpoints.has(id)) throw new Error(`datapath: set audit mode: there is no endpoint ${id}`);
    if (audit) this.#audited.add(id);
    else this.#audited.delete(id);
  }

  auditedEndpoints(): ReadonlySet<number> {
    return new Set(this.#audited);
  }

  collectConnections(): readonly ConnectionCounts[] {
    return [];
  }

  connections(): readonly ConnectionRow[] {
    return [];
  }

  flushConnections(): number {
    return 0;
  }

  dumpPolicy(id: number): readonly PolicyRow[] {
    const realized = this.#policies.get(id);
    return (realized?.policy.entries ?? []).map((entry) => this.#row(entry, realized!));
  }

  #row(entry: PolicyMapEntry, realized: RealizedPolicy): PolicyRow {
    const { direction, identity, protocol, port, portPrefix, authType, precedence } = entry;
    const proxyPort = this.#proxyPort(entry, realized);
    return {
      deny: entry.deny || proxyPort === undefined,
      direction,
      identity,
      protocol,
      port: port & (0xffff << (16 - portPrefix)) & 0xffff,
      portPrefix,
      proxyPort: entry.deny ? 0 : (proxyPort ?? 0),
      authType,
      precedence,
      cookie: realized.cookies[entry.origin] ?? 0,
      packets: 0,
      bytes: 0,
    };
  }

  /** 0 = none, undefined = a redirect whose port the proxy has not acknowledged. */
  #proxyPort(entry: PolicyMapEntry, realized: RealizedPolicy): number | undefined {
    return entry.redirect === undefined ? 0 : realized.proxyPorts.get(entry.redirect);
  }

  #identityOf(peer: string): number {
    const local = this.listEndpoints().find((endpoint) => endpoint.address === peer);
    return local?.identity ?? longestPrefix(this.#ipcache, peer)?.identity ?? WORLD;
  }

  judge(id: number, direction: "ingress" | "egress", peer: string, protocol: number, port: number): SimVerdict {
    const realized = this.#policies.get(id);
    if (!realized) return { verdict: POLICY_DENIED, match: 0, cookie: 0 };
    const identity = this.#identityOf(peer);
    const entry = decide(realized.policy.entries, { direction, identity, protocol, port });
    return {
      verdict: this.#verdict(entry, realized, direction, identity),
      match: matchType(entry),
      cookie: this.#cookie(entry, realized, direction),
    };
  }

  #cookie(entry: PolicyMapEntry | undefined, realized: RealizedPolicy, direction: "ingress" | "egress"): number {
    const { ingressDefaultOrigin, egressDefaultOrigin } = realized.policy;
    const origin = entry?.origin ?? (direction === "ingress" ? ingressDefaultOrigin : egressDefaultOrigin);
    return realized.cookies[origin] ?? 0;
  }

  #verdict(entry: PolicyMapEntry | undefined, realized: RealizedPolicy, direction: string, identity: number): number {
    if (!entry) return POLICY_DENIED;
    const port = this.#proxyPort(entry, realized);
    if (entry.deny || port === undefined) return POLICY_DENY;
    if (entry.authType !== 0) return AUTH_REQUIRED;
    return direction === "ingress" && identity === HOST ? 0 : port;
  }

  close(): void {
    this.#listeners.clear();
  }
}

/** A datapath that only remembers and judges; for tests of what stands above it. */
export function createSimDatapath(): SimDatapath {
  return new SimulatedDatapath();
}
