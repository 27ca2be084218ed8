import {
  Aggregation,
  type AggregationLevel,
  type ConnectionRow,
  type Datapath,
  type EndpointConfig,
  type EventBatch,
  type IpcacheEntry,
  type MetricsRow,
  type NodeConfig,
  type PolicyRow,
  type RealizedPolicy,
  type ServiceFrontend,
  type WatchedPort,
} from "../../src/datapath/port.ts";
import { createSimDatapath } from "../../src/datapath/sim/datapath.ts";
import type { Direction } from "../../src/model/verdict.ts";

export type Judgement = "allow" | "redirect" | "deny";

/**
 * The datapath in memory, watched: it keeps its state when an agent closes it, as pinned maps do, calls `onChange` after
 * every single change, so that a test sees each state that a packet could meet, and fails when it is told to.
 */
export class MemoryDatapath implements Datapath {
  node: NodeConfig | undefined;
  onChange: (what: string) => void = () => undefined;
  /** Set to make the next calls of that method fail. */
  readonly failing = new Set<keyof Datapath>();
  private readonly sim = createSimDatapath();
  private readonly policies = new Map<number, RealizedPolicy>();
  private lost = 0;

  get services(): readonly ServiceFrontend[] {
    return this.sim.services;
  }

  async prepareNode(node: NodeConfig): Promise<void> {
    await this.sim.prepareNode(node);
    this.node = node;
  }

  async addEndpoint(endpoint: EndpointConfig): Promise<void> {
    this.check("addEndpoint");
    await this.sim.addEndpoint(endpoint);
    this.onChange(`addEndpoint ${endpoint.id} ${endpoint.identity}`);
  }

  async removeEndpoint(id: number): Promise<void> {
    this.check("removeEndpoint");
    await this.sim.removeEndpoint(id);
    this.policies.delete(id);
    this.onChange(`removeEndpoint ${id}`);
  }

  listEndpoints(): readonly EndpointConfig[] {
    return this.sim.listEndpoints();
  }

  setPolicy(id: number, policy: RealizedPolicy): void {
    this.check("setPolicy");
    this.sim.setPolicy(id, policy);
    this.policies.set(id, policy);
    this.onChange(`setPolicy ${id}`);
  }

  setPolicies(policies: ReadonlyMap<number, RealizedPolicy>): ReadonlyMap<number, Error> {
    const failures = new Map<number, Error>();
    for (const [id, policy] of policies) {
      try {
        this.setPolicy(id, policy);
      } catch (error) {
        failures.set(id, error as Error);
      }
    }
    return failures;
  }

  policyOf(id: number): RealizedPolicy | undefined {
    return this.policies.get(id);
  }

  get routes(): ReadonlyMap<string, string> {
    return this.sim.routes;
  }

  setRoutes(routes: ReadonlyMap<string, string>): void {
    this.check("setRoutes");
    this.sim.setRoutes(routes);
  }

  upsertIpcache(prefix: string, entry: IpcacheEntry): void {
    this.check("upsertIpcache");
    this.sim.upsertIpcache(prefix, entry);
    this.onChange(`upsertIpcache ${prefix} ${entry.identity}`);
  }

  deleteIpcache(prefix: string): void {
    this.check("deleteIpcache");
    this.sim.deleteIpcache(prefix);
    this.onChange(`deleteIpcache ${prefix}`);
  }

  listIpcache(): ReadonlyMap<string, IpcacheEntry> {
    return this.sim.listIpcache();
  }

  setServices(services: readonly ServiceFrontend[]): void {
    this.check("setServices");
    this.sim.setServices(services);
  }

  listServices(): readonly ServiceFrontend[] {
    return this.sim.listServices();
  }

  aggregation: AggregationLevel = Aggregation.Medium;
  setAggregation(level: AggregationLevel): void {
    this.aggregation = level;
  }

  onEvents(receive: EventBatch): () => void {
    return this.sim.onEvents(receive);
  }

  /** An event as the ring buffer would give it. */
  emit(bytes: Uint8Array): void {
    this.sim.emit(bytes);
  }

  lose(count: number): void {
    this.lost += count;
  }

  lostEvents(): number {
    return this.lost;
  }

  lostByProcessor(): readonly number[] {
    return [0, this.lost];
  }

  setHostPolicy(id: number, policy: RealizedPolicy | undefined): void {
    this.check("setHostPolicy");
    this.sim.setHostPolicy(id, policy);
    this.onChange(`setHostPolicy ${id}`);
  }

  watchPorts(ports: readonly WatchedPort[]): void {
    this.sim.watchPorts(ports);
  }

  get watched(): readonly WatchedPort[] {
    return this.sim.watched;
  }

  setAudit(id: number, audit: boolean): void {
    this.check("setAudit");
    this.sim.setAudit(id, audit);
    this.onChange(`setAudit ${id} ${audit}`);
  }

  auditedEndpoints(): ReadonlySet<number> {
    return this.sim.auditedEndpoints();
  }

  collectConnections() {
    return this.sim.collectConnections();
  }

  metrics(): readonly MetricsRow[] {
    return this.sim.metrics();
  }

  /** What connection tracking is to have. */
  standing: readonly ConnectionRow[] = [];

  connections(): readonly ConnectionRow[] {
    return this.standing;
  }

  flushConnections(): number {
    return this.sim.flushConnections();
  }

  dumpPolicy(id: number): readonly PolicyRow[] {
    return this.sim.dumpPolicy(id);
  }

  close(): void {
    this.sim.close();
  }

  /** What a new connection from `peer` to the endpoint at `address` meets there. */
  ingress(peer: string, address: string, protocol: number, port: number): Judgement {
    return this.judge("ingress", address, peer, protocol, port);
  }

  /** What a new connection from the endpoint at `address` to `peer` meets where it leaves. */
  egress(address: string, peer: string, protocol: number, port: number): Judgement {
    return this.judge("egress", address, peer, protocol, port);
  }

  private judge(direction: Direction, address: string, peer: string, protocol: number, port: number): Judgement {
    const endpoint = this.listEndpoints().find((candidate) => candidate.address === address);
    if (endpoint === undefined) return "deny";
    const { verdict } = this.sim.judge(endpoint.id, direction, peer, protocol, port);
    if (verdict === 0) return "allow";
    return verdict > 0 ? "redirect" : "deny";
  }

  private check(method: keyof Datapath): void {
    if (this.failing.has(method)) throw new Error(`${method}: no space left on device`);
  }
}
