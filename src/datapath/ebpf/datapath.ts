/** The datapath in the kernel, for the network namespace that the caller runs in. */
import type { PolicyMapEntry } from "../../policy/policy-map.ts";
import {
  Aggregation,
  type AggregationLevel,
  type ConnectionCounts,
  type Datapath,
  type EndpointConfig,
  EVENT_RING_PAGES,
  type EventBatch,
  type NodeConfig,
  PAGE_BYTES,
  type RealizedPolicy,
  type WatchedPort,
} from "../port.ts";
import { prefixOf } from "./address.ts";
import { removeHooks } from "./attach.ts";
import { collectConnections, flushConnections, listConnections, purgeAddress } from "./connections.ts";
import { forgetCounters, lostByProcessor, metricsRows } from "./counters.ts";
import { type Devices, interfaceIndex, prepareDevices, replaceNodeRoutes } from "./devices.ts";
import {
  addressesOf,
  decodeEndpoint,
  encodeEndpoint,
  encodeHost,
  endpointIfindex,
  entriesById,
  entriesOf,
  ifindexKey,
  isAudited,
  keepPolicyFacts,
  writeAudit,
  writePolicyFacts,
} from "./endpoints.ts";
import { deletePrefix, listPrefixes, setPrefix } from "./ipcache.ts";
import { libcCalls } from "./libbpf.ts";
import type { OnMapCall } from "./map.ts";
import { attachEndpoint, attachNode, encodeNode } from "./node.ts";
import { type LoadedObject, loadObject, type MapName } from "./object.ts";
import { deletePolicy, swapPolicies } from "./policy.ts";
import { policyRows } from "./policy-rows.ts";
import { readRing } from "./ring.ts";
import { listServices, replaceServices, type ServiceMaps } from "./services.ts";
import { replaceWatched } from "./watched.ts";

export interface EbpfOptions {
  /** A directory on a bpffs; maps are pinned below it, in a folder named after the layout's version. */
  readonly pinDirectory: string;
  /** bpf/build/shieldgate.o */
  readonly objectPath: string;
  readonly onMapCall?: OnMapCall;
}

function interfaceName(ifindex: number): string {
  const name = Buffer.alloc(16);
  return libcCalls.ifIndexToName(ifindex, name) ?? "";
}

class EbpfDatapath implements Datapath {
  readonly #options: EbpfOptions;
  #object: LoadedObject | undefined;
  #node: { readonly node: NodeConfig; readonly devices: Devices } | undefined;
  #stops: (() => void)[] = [];
  /** The policies that this process has set: what they counted goes with their entries. */
  readonly #entries = new Map<number, readonly PolicyMapEntry[]>();

  constructor(options: EbpfOptions) {
    this.#options = options;
  }

  get #loaded(): LoadedObject {
    if (!this.#object) throw new Error("datapath: prepareNode comes first");
    return this.#object;
  }

  #map(name: MapName) {
    return this.#loaded.map(name);
  }

  /** Programs of pods that a predecessor left are replaced last: until then the old ones judge. */
  async prepareNode(node: NodeConfig): Promise<void> {
    const { objectPath, pinDirectory, onMapCall } = this.#options;
    this.#object ??= loadObject(objectPath, pinDirectory, onMapCall);
    const devices = prepareDevices(node);
    this.#map("sg_node").set(ifindexKey(0), encodeNode(node, devices, Aggregation.Medium));
    this.#node = { node, devices };
    attachNode(this.#object, devices);
    for (const endpoint of this.listEndpoints()) {
      if (endpoint.interfaceName) attachEndpoint(this.#object, endpoint.ifindex);
    }
  }

  /** The address is written last: nothing is delivered to a pod before its own programs stand. */
  async addEndpoint(endpoint: EndpointConfig): Promise<void> {
    if (interfaceIndex(endpoint.interfaceName) !== endpoint.ifindex) {
      throw new Error(
        `datapath: endpoint ${endpoint.id}: ${endpoint.interfaceName} is not interface ${endpoint.ifindex}`,
      );
    }
    const value = encodeEndpoint(endpoint);
    for (const old of entriesOf(this.#map("sg_endpoint_by_ifindex"), endpoint.id)) {
      keepPolicyFacts(value, old);
      if (!this.#sameEnd(old, value)) this.#forget(old);
    }
    this.#map("sg_endpoint_by_ifindex").set(ifindexKey(endpoint.ifindex), value);
    attachEndpoint(this.#loaded, endpoint.ifindex);
    for (const address of addressesOf(value)) this.#map("sg_endpoint_by_addr").set(address, value);
  }

  #sameEnd(a: Buffer, b: Buffer): boolean {
    return (
      endpointIfindex(a) === endpointIfindex(b) && Buffer.concat(addressesOf(a)).equals(Buffer.concat(addressesOf(b)))
    );
  }

  #forget(value: Buffer): void {
    const addresses = addressesOf(value);
    const ifindex = endpointIfindex(value);
    for (const address of addresses) this.#map("sg_endpoint_by_addr").delete(address);
    this.#map("sg_endpoint_by_ifindex").delete(ifindexKey(ifindex));
    if (interfaceName(ifindex)) removeHooks(ifindex);
    for (const address of addresses) purgeAddress(this.#map("sg_conntrack"), address);
  }

  /** The interface may be gone already. While it is there its packets are dropped first, then its hooks removed, so the
   * caller must delete the interface before it lets the pod's processes run on. */
  async removeEndpoint(id: number): Promise<void> {
    for (const value of entriesOf(this.#map("sg_endpoint_by_ifindex"), id)) this.#forget(value);
    await deletePolicy(this.#map("sg_policy"), ifindexKey(id));
    this.#forgetCounters([[id, []]]);
  }

  setAggregation(level: AggregationLevel): void {
    if (!this.#node) throw new Error("datapath: prepareNode comes first");
    const { node, devices } = this.#node;
    this.#map("sg_node").set(ifindexKey(0), encodeNode(node, devices, level));
  }

  listEndpoints(): readonly EndpointConfig[] {
    const map = this.#map("sg_endpoint_by_ifindex");
    const values = [...map.keys()].map((key) => map.get(key)).filter((value) => value !== undefined);
    return values.map((value) => decodeEndpoint(value, interfaceName(endpointIfindex(value))));
  }

  setPolicy(id: number, policy: RealizedPolicy): void {
    for (const error of this.setPolicies(new Map([[id, policy]])).values()) throw error;
  }

  setPolicies(policies: ReadonlyMap<number, RealizedPolicy>): ReadonlyMap<number, Error> {
    const missing = new Map<number, Error>();
    const there = new Map<number, { readonly policy: RealizedPolicy; readonly entries: readonly Buffer[] }>();
    const entries = entriesById(this.#map("sg_endpoint_by_ifindex"));
    for (const [id, policy] of policies) {
      const own = entries.get(id);
      if (own === undefined) missing.set(id, new Error(`datapath: set policy: there is no endpoint ${id}`));
      else there.set(id, { policy, entries: own });
    }
    const failures = swapPolicies(this.#map("sg_policy"), new Map([...there].map(([id, { policy }]) => [id, policy])));
    const done = [...there].filter(([id]) => !failures.has(id));
    this.#forgetCounters(done.map(([id, { policy }]) => [id, policy.policy.entries]));
    for (const [, { policy, entries: own }] of done) for (const value of own) writePolicyFacts(value, policy);
    this.#write(done.flatMap(([, each]) => each.entries));
    return new Map([...missing, ...failures]);
  }

  #forgetCounters(policies: readonly (readonly [id: number, entries: readonly PolicyMapEntry[]])[]): void {
    const changes = policies.map(([id, after]) => ({ id, before: this.#entries.get(id) ?? [], after }));
    forgetCounters(this.#map("sg_policy_stats"), changes);
    for (const [id, entries] of policies) {
      if (entries.length > 0) this.#entries.set(id, entries);
      else this.#entries.delete(id);
    }
  }

  /** The entries stand before the node is told to go by them, and go after it was told not to. */
  setHostPolicy(id: number, policy: RealizedPolicy | undefined): void {
    if (!this.#node) throw new Error("datapath: prepareNode comes first");
    const isEnforced = policy !== undefined && (policy.policy.ingressEnforced || policy.policy.egressEnforced);
    const wanted = isEnforced ? policy : undefined;
    if (wanted !== undefined)
      for (const error of swapPolicies(this.#map("sg_policy"), new Map([[id, wanted]])).values()) throw error;
    this.#map("sg_host").set(ifindexKey(0), encodeHost(id, this.#node.node.address, wanted));
    if (wanted === undefined) void deletePolicy(this.#map("sg_policy"), ifindexKey(id)).catch(() => undefined);
  }

  setAudit(id: number, audit: boolean): void {
    const entries = this.#entriesOf(id, "set audit mode");
    for (const value of entries) writeAudit(value, audit);
    this.#write(entries);
  }

  auditedEndpoints(): ReadonlySet<number> {
    const entries = entriesById(this.#map("sg_endpoint_by_ifindex"));
    return new Set([...entries].flatMap(([id, values]) => (values.some(isAudited) ? [id] : [])));
  }

  #entriesOf(id: number, action: string): readonly Buffer[] {
    const entries = entriesOf(this.#map("sg_endpoint_by_ifindex"), id);
    if (entries.length === 0) throw new Error(`datapath: ${action}: there is no endpoint ${id}`);
    return entries;
  }

  #write(entries: readonly Buffer[]): void {
    this.#map("sg_endpoint_by_ifindex").setAll(entries.map((value) => [ifindexKey(endpointIfindex(value)), value]));
    const byAddress = entries.flatMap((value) => addressesOf(value).map((address) => [address, value] as const));
    this.#map("sg_endpoint_by_addr").setAll(byAddress);
  }

  setRoutes(routes: ReadonlyMap<string, string>): void {
    replaceNodeRoutes(routes);
  }

  upsertIpcache(prefix: string, entry: { identity: number; tunnel?: string }): void {
    setPrefix(this.#map("sg_ipcache"), prefix, entry);
  }

  /** The next owner of an address must not inherit its connections. */
  deleteIpcache(prefix: string): void {
    deletePrefix(this.#map("sg_ipcache"), prefix);
    const { bytes, length, family } = prefixOf(prefix);
    if (length === (family === 4 ? 32 : 128)) purgeAddress(this.#map("sg_conntrack"), Buffer.from(bytes));
  }

  listIpcache() {
    return listPrefixes(this.#map("sg_ipcache"));
  }

  setServices(services: Parameters<Datapath["setServices"]>[0]): void {
    replaceServices(this.#serviceMaps, services);
  }

  listServices() {
    return listServices(this.#serviceMaps);
  }

  get #serviceMaps(): ServiceMaps {
    return {
      services: this.#map("sg_service"),
      backends: this.#map("sg_backend"),
      live: this.#map("sg_backend_live"),
    };
  }

  watchPorts(ports: readonly WatchedPort[]): void {
    replaceWatched(this.#map("sg_watched"), this.#map("sg_watching"), ports);
  }

  onEvents(receive: EventBatch): () => void {
    const stop = readRing(this.#map("sg_events").fd, EVENT_RING_PAGES * PAGE_BYTES, receive);
    this.#stops.push(stop);
    return stop;
  }

  lostEvents(): number {
    return this.lostByProcessor().reduce((sum, count) => sum + count, 0);
  }

  lostByProcessor(): readonly number[] {
    return lostByProcessor(this.#map("sg_metrics"));
  }

  metrics() {
    return metricsRows(this.#map("sg_metrics"));
  }

  dumpPolicy(id: number) {
    return policyRows(this.#map("sg_policy"), this.#map("sg_policy_stats"), id);
  }

  connections() {
    return listConnections(this.#map("sg_conntrack"), process.hrtime.bigint());
  }

  collectConnections(): readonly ConnectionCounts[] {
    return collectConnections(this.#map("sg_conntrack"), process.hrtime.bigint());
  }

  flushConnections(): number {
    return flushConnections(this.#map("sg_conntrack"));
  }

  /** Lets go of this process's handles only; the kernel keeps judging. */
  close(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#object?.close();
    this.#object = undefined;
  }
}

/** The datapath of the caller's network namespace. Load errors carry the verifier's words. */
export function createEbpfDatapath(options: EbpfOptions): Datapath {
  return new EbpfDatapath(options);
}
