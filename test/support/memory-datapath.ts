import { longestMatch } from "../../src/agent/longest-prefix.ts";
import type {
  Datapath,
  EndpointConfig,
  EventBatch,
  IpcacheEntry,
  NodeConfig,
  RealizedPolicy,
  ServiceFrontend,
} from "../../src/datapath/port.ts";
import { type LookupResult, lookup } from "../../src/policy/lookup.ts";

export type Judgement = "allow" | "redirect" | "deny";

/**
 * A kernel in memory: it keeps its state when an agent closes it, as pinned maps do, and judges like the programs.
 * `onChange` is called after every single change, so that a test sees each state that a packet could meet.
 */
export class MemoryDatapath implements Datapath {
  node: NodeConfig | undefined;
  services: readonly ServiceFrontend[] = [];
  onChange: (what: string) => void = () => undefined;
  /** Set to make the next calls of that method fail. */
  readonly failing = new Set<keyof Datapath>();
  private readonly endpoints = new Map<number, EndpointConfig>();
  private readonly policies = new Map<number, RealizedPolicy>();
  private readonly ipcache = new Map<string, IpcacheEntry>();
  private readonly receivers = new Set<EventBatch>();
  private lost = 0;

  async prepareNode(node: NodeConfig): Promise<void> {
    this.node = node;
  }

  async addEndpoint(endpoint: EndpointConfig): Promise<void> {
    this.check("addEndpoint");
    this.endpoints.set(endpoint.id, endpoint);
    this.onChange(`addEndpoint ${endpoint.id} ${endpoint.identity}`);
  }

  async removeEndpoint(id: number): Promise<void> {
    this.check("removeEndpoint");
    this.endpoints.delete(id);
    this.policies.delete(id);
    this.onChange(`removeEndpoint ${id}`);
  }

  listEndpoints(): readonly EndpointConfig[] {
    return [...this.endpoints.values()];
  }

  setPolicy(id: number, policy: RealizedPolicy): void {
    this.check("setPolicy");
    if (!this.endpoints.has(id)) throw new Error(`setPolicy: endpoint ${id} does not exist`);
    this.policies.set(id, policy);
    this.onChange(`setPolicy ${id}`);
  }

  policyOf(id: number): RealizedPolicy | undefined {
    return this.policies.get(id);
  }

  upsertIpcache(prefix: string, entry: IpcacheEntry): void {
    this.ipcache.set(prefix, entry);
    this.onChange(`upsertIpcache ${prefix} ${entry.identity}`);
  }

  deleteIpcache(prefix: string): void {
    this.ipcache.delete(prefix);
    this.onChange(`deleteIpcache ${prefix}`);
  }

  listIpcache(): ReadonlyMap<string, IpcacheEntry> {
    return new Map(this.ipcache);
  }

  setServices(services: readonly ServiceFrontend[]): void {
    this.services = services;
  }

  traceEveryPacket(): void {
    // no packets pass here: events are what a test emits
  }

  onEvents(receive: EventBatch): () => void {
    this.receivers.add(receive);
    return () => this.receivers.delete(receive);
  }

  /** An event as the ring buffer would give it. */
  emit(bytes: Uint8Array): void {
    for (const receive of this.receivers) receive(bytes);
  }

  lose(count: number): void {
    this.lost += count;
  }

  lostEvents(): number {
    return this.lost;
  }

  dumpPolicy(id: number): readonly string[] {
    return (this.policies.get(id)?.policy.entries ?? []).map((entry) => JSON.stringify(entry));
  }

  close(): void {
    this.receivers.clear();
  }

  /** What a new connection from `peer` to the endpoint at `address` meets there. */
  ingress(peer: string, address: string, protocol: number, port: number): Judgement {
    const endpoint = [...this.endpoints.values()].find((candidate) => candidate.address === address);
    const policy = endpoint === undefined ? undefined : this.policies.get(endpoint.id);
    if (policy === undefined) return "deny";
    const identity = this.identityOf(peer);
    return judged(policy, lookup(policy.policy, { direction: "ingress", identity, protocol, port }));
  }

  /** What a new connection from the endpoint at `address` to `peer` meets where it leaves. */
  egress(address: string, peer: string, protocol: number, port: number): Judgement {
    const endpoint = [...this.endpoints.values()].find((candidate) => candidate.address === address);
    const policy = endpoint === undefined ? undefined : this.policies.get(endpoint.id);
    if (policy === undefined) return "deny";
    const identity = longestMatch(this.ipcache, peer)?.identity ?? 0;
    return judged(policy, lookup(policy.policy, { direction: "egress", identity, protocol, port }));
  }

  /** A local endpoint is known by itself, everybody else by the ipcache. */
  private identityOf(address: string): number {
    const local = [...this.endpoints.values()].find((candidate) => candidate.address === address);
    return local?.identity ?? longestMatch(this.ipcache, address)?.identity ?? 0;
  }

  private check(method: keyof Datapath): void {
    if (this.failing.has(method)) throw new Error(`${method}: no space left on device`);
  }
}

function judged(policy: RealizedPolicy, { verdict, entry }: LookupResult): Judgement {
  if (verdict !== "redirect") return verdict;
  return policy.proxyPorts.has(entry?.redirect ?? "") ? "redirect" : "deny";
}
