import type { EndpointPolicy } from "../policy/policy-map.ts";

/** Where a node stands; addresses are dotted IPv4 text. */
export interface NodeConfig {
  readonly name: string;
  /** InternalIP, on `networkInterface`. */
  readonly address: string;
  /** Address of `cilium_host`, the pods' gateway (first address of `podCidr`). */
  readonly router: string;
  readonly podCidr: string;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  /** Interface on the fabric, normally `eth0`. */
  readonly networkInterface: string;
  /** True on the node that runs the API server. */
  readonly apiServer: boolean;
}

/** A pod's end as the datapath knows it. `ifindex` is the veth's host side in the node's namespace. */
export interface EndpointConfig {
  readonly id: number;
  readonly identity: number;
  readonly address: string;
  readonly interfaceName: string;
  readonly ifindex: number;
  /** `aa:bb:cc:dd:ee:ff` */
  readonly mac: string;
  readonly hostMac: string;
}

/** ipcache entry. `tunnel` is the IPv4 of the node behind which the prefix is, absent = here or outside. */
export interface IpcacheEntry {
  readonly identity: number;
  readonly tunnel?: string;
}

export interface ServiceFrontend {
  readonly id: number;
  readonly address: string;
  readonly port: number;
  /** IANA protocol number. */
  readonly protocol: number;
  readonly backends: readonly { readonly address: string; readonly port: number }[];
}

/** A policy in the form that the kernel takes: the redirects have ports and the origins have cookies. */
export interface RealizedPolicy {
  readonly policy: EndpointPolicy;
  /** Redirect key -> port that the proxy acknowledged. An entry whose redirect has no port is written as deny. */
  readonly proxyPorts: ReadonlyMap<string, number>;
  /** Index into `policy.origins` -> rule cookie (not 0). */
  readonly cookies: readonly number[];
}

/** Event header and packet bytes, see bpf/abi.h; valid only during the call. */
export type EventBatch = (event: Uint8Array) => void;

/**
 * What the agent asks of a datapath. All of it is idempotent. State lives in the kernel and outlives the caller.
 * Every method throws an Error that names the object and the failing call.
 */
export interface Datapath {
  /** Devices, routes, rules, maps and programs of the node. Adopts what a predecessor left. */
  prepareNode(node: NodeConfig): Promise<void>;
  /** Attaches an endpoint with no policy: everything is dropped until `setPolicy`. */
  addEndpoint(endpoint: EndpointConfig): Promise<void>;
  removeEndpoint(id: number): Promise<void>;
  /** Endpoints that the kernel has now (after a restart of the agent). */
  listEndpoints(): readonly EndpointConfig[];
  /** Replaces the endpoint's policy in one atomic step. */
  setPolicy(id: number, policy: RealizedPolicy): void;
  upsertIpcache(prefix: string, entry: IpcacheEntry): void;
  deleteIpcache(prefix: string): void;
  listIpcache(): ReadonlyMap<string, IpcacheEntry>;
  /** Replaces all services; unchanged ones are not touched. */
  setServices(services: readonly ServiceFrontend[]): void;
  /**
   * Which packets of an established connection make trace events: every one, or (false, as at the start) those that
   * Cilium's monitor aggregation "medium" keeps: TCP flags that are new in their direction, FIN, RST, else one in 5 s.
   */
  traceEveryPacket(every: boolean): void;
  /** Starts delivering events; returns a stop function. Lost events are counted by `lostEvents`. */
  onEvents(receive: EventBatch): () => void;
  lostEvents(): number;
  /** Text rows for `cilium bpf policy get` and tests. */
  dumpPolicy(id: number): readonly string[];
  close(): void;
}

export type { ProxyOrigin, ProxyOrigins } from "../model/proxy-origin.ts";
