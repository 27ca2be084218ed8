import type { Direction } from "../model/verdict.ts";
import type { EndpointPolicy } from "../policy/policy-map.ts";

/** What a node has in IPv6, as RFC 5952 writes it. */
export interface NodeConfig6 {
  readonly address: string;
  readonly router: string;
  readonly podCidr: string;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
}

/** Cilium's levels of monitor aggregation, by which its agent is told; `Lowest` and `Low` are one, `Medium` and `Max` too. */
export const Aggregation = { None: 0, Lowest: 1, Low: 2, Medium: 3, Max: 4 } as const;
export type AggregationLevel = (typeof Aggregation)[keyof typeof Aggregation];

export type RoutingMode = "tunnel" | "native";

/** Memory of the ring that events come through, for all CPUs, in pages. */
export const PAGE_BYTES = 4096;
export const EVENT_RING_PAGES = 512;

const FABRIC_MTU = 1500;
/** Outer Ethernet, IPv4, UDP and VXLAN headers. */
const VXLAN_OVERHEAD = 50;

/** What a pod's interface and the routes to pods must use, in bytes. */
export function podMtu(routingMode: RoutingMode = "tunnel"): number {
  return routingMode === "native" ? FABRIC_MTU : FABRIC_MTU - VXLAN_OVERHEAD;
}

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
  /** Present in a cluster of both families; without it IPv6 is dropped. */
  readonly ipv6?: NodeConfig6;
  /** How packets reach other nodes' pods: in VXLAN (as when absent), or by the routes of `setRoutes`. */
  readonly routingMode?: RoutingMode;
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
  readonly address6?: string;
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
  /** An address of the service's own, or a port of a node. */
  readonly type: "ClusterIP" | "NodePort";
  /** How long a client stays with its backend after its last connection; 0 = no affinity. */
  readonly affinitySeconds: number;
  readonly backends: readonly { readonly address: string; readonly port: number }[];
  /** Backends that are ending: they keep what they have and get nothing new. */
  readonly ending?: ServiceFrontend["backends"];
}

/** A policy in the form that the kernel takes: the redirects have ports and the origins have cookies. */
export interface RealizedPolicy {
  readonly policy: EndpointPolicy;
  /** Redirect key -> port that the proxy acknowledged. An entry whose redirect has no port is written as deny. */
  readonly proxyPorts: ReadonlyMap<string, number>;
  /** Index into `policy.origins` -> rule cookie (not 0). */
  readonly cookies: readonly number[];
}

/** One entry of an endpoint's policy map as the kernel has it. */
export interface PolicyRow {
  readonly deny: boolean;
  readonly direction: Direction;
  /** 0 = any. */
  readonly identity: number;
  /** IANA number, 0 = any. */
  readonly protocol: number;
  readonly port: number;
  /** Leading bits of `port` that count. */
  readonly portPrefix: number;
  /** 0 = none. */
  readonly proxyPort: number;
  readonly authType: number;
  readonly precedence: number;
  readonly cookie: number;
  /** What it has decided since the node's maps were made. */
  readonly packets: number;
  readonly bytes: number;
}

/** One entry of connection tracking. The ends are those of the first packet. */
export interface ConnectionRow {
  /** Who tracks it: the endpoint that opened it, the one that accepted it, a service, the proxy, a pod that reaches itself. */
  readonly scope: "egress" | "ingress" | "service" | "proxy" | "hairpin";
  readonly protocol: number;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  /** Second of CLOCK_MONOTONIC at which it is forgotten. */
  readonly expires: number;
  /** Seconds until then; negative = it counts no more. */
  readonly expiresIn: number;
  /** Cilium's bits (pkg/maps/ctmap) of what has been seen. */
  readonly flags: number;
  /** TCP flags seen from the opener, and from the other end. */
  readonly forwardFlags: number;
  readonly replyFlags: number;
  /** Seconds of CLOCK_MONOTONIC at which a packet from the opener, and one from the other end, last gave an event; 0 = none yet. */
  readonly forwardReported: number;
  readonly replyReported: number;
  /** Of the opener, when it was opened. */
  readonly sourceIdentity: number;
  /** The service's backend, or the frontend that replies get back; empty and 0 = none. */
  readonly translatedAddress: string;
  readonly translatedPort: number;
}

/** Connections of one kind that a round over the table left, and that it took out. */
export interface ConnectionCounts {
  readonly family: "ipv4" | "ipv6";
  readonly protocol: "TCP" | "non-TCP";
  readonly alive: number;
  readonly deleted: number;
}

/** Most entries that tables of the node have (bpf/lib/maps.h). */
export const MAP_CAPACITY = { ipcache: 512_000, service: 65_536 } as const;

/** Packets that ended alike at one place. */
export interface MetricsRow {
  /** 0 = forwarded, else Cilium's number of the drop reason. */
  readonly reason: number;
  /** As the node's endpoints see it; empty = neither. */
  readonly direction: Direction | "";
  /** Where in the datapath's source they were counted: the number of its file in `SG_SOURCES`, and the line. */
  readonly file: number;
  readonly line: number;
  readonly packets: number;
  readonly bytes: number;
}

/** Most ports that can be watched at a time (bpf/lib/maps.h). */
export const MOST_WATCHED = 16_384;

/** A port whose packets are shown: of the endpoint itself (ingress), or one that it speaks to (egress). */
export interface WatchedPort {
  readonly endpoint: number;
  readonly direction: Direction;
  /** IANA number. */
  readonly protocol: number;
  readonly port: number;
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
  /**
   * The same for many endpoints at once, each in a step of its own; in force when it returns. Those that failed keep the policy
   * that they had, and are returned with the reason.
   */
  setPolicies(policies: ReadonlyMap<number, RealizedPolicy>): ReadonlyMap<number, Error>;
  /** Native routing: the way to each range of other nodes' pods, a node's address. Replaces what was set before. */
  setRoutes(routes: ReadonlyMap<string, string>): void;
  upsertIpcache(prefix: string, entry: IpcacheEntry): void;
  deleteIpcache(prefix: string): void;
  listIpcache(): ReadonlyMap<string, IpcacheEntry>;
  /** Replaces all services; unchanged ones are not touched, and connections in being keep their backends. */
  setServices(services: readonly ServiceFrontend[]): void;
  /** The services that the kernel has; the backends by their slots. */
  listServices(): readonly ServiceFrontend[];
  /**
   * Which packets make trace events: with `None` each where it comes in and where it goes, up to `Low` where it goes, from
   * `Medium` (as at the start) on TCP flags that are new in their direction, FIN, RST, else one in 5 s of a connection.
   */
  setAggregation(level: AggregationLevel): void;
  /**
   * Replaces the ports of which each packet with a payload that policy lets through, and that needs no proxy, makes a capture
   * event (`decodeCapture`). It changes no verdict.
   */
  watchPorts(ports: readonly WatchedPort[]): void;
  /** Starts delivering events; returns a stop function. Lost events are counted by `lostEvents`. */
  onEvents(receive: EventBatch): () => void;
  lostEvents(): number;
  /** The same by processor, from 0 on. */
  lostByProcessor(): readonly number[];
  /** What has become of packets since the node's maps were made. */
  metrics(): readonly MetricsRow[];
  /**
   * The policy of the node itself, under the endpoint id that it has; in force when it returns. Undefined, or a policy that
   * enforces nothing = the node's packets are not judged. Stays over a restart.
   */
  setHostPolicy(id: number, policy: RealizedPolicy | undefined): void;
  /** Whether what policy denies passes, and is only reported. Stays with the endpoint until it is removed. */
  setAudit(id: number, audit: boolean): void;
  /** Ids of the endpoints in audit mode. */
  auditedEndpoints(): ReadonlySet<number>;
  /** What the kernel enforces for the endpoint; empty when it has no policy. */
  dumpPolicy(id: number): readonly PolicyRow[];
  connections(): readonly ConnectionRow[];
  /** Takes connections past their time out, whose room live ones could need; to be called now and then. Returns all four kinds. */
  collectConnections(): readonly ConnectionCounts[];
  /** Forgets every connection: established ones are judged as new ones. Returns how many there were. */
  flushConnections(): number;
  close(): void;
}

export type { ProxyOrigin, ProxyOrigins } from "../model/proxy-origin.ts";
