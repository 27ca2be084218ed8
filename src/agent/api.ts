import type { AggregationName } from "./trace-level.ts";

/**
 * The agent's API on `cilium.sock`: HTTP/1.1 with JSON bodies over the unix socket, the calls that a CNI plugin and the
 * `cilium` command make. Errors are `{"error": "..."}` with a 4xx or 5xx status.
 *
 *   GET    /v1/healthz                            -> StatusResponse, see status-model.ts
 *   POST   /v1/ipam            {owner}            -> 201 IpamResponse
 *   DELETE /v1/ipam/{ip}                          -> 200
 *   PUT    /v1/endpoint/{container-id}  EndpointChangeRequest -> 201 EndpointModel, only when its policy is in force
 *   DELETE /v1/endpoint/{container-id}            -> 200
 *   GET    /v1/endpoint                           -> EndpointModel[]
 *   GET    /v1/policy                             -> PolicyModel
 *   GET    /v1/policy/selectors                   -> SelectorReport[] of peers
 *   GET    /v1/policy/subject-selectors           -> SelectorReport[] of whom policies are about
 *   GET    /v1/identity                           -> IdentityModel[]
 *   GET    /v1/ip                                 -> {cidr, identity, tunnel}[]
 *   GET    /v1/service                            -> ServiceFrontend[]
 *   GET    /v1/endpoint/{id}/policy               -> PolicyRow[] of its policy map
 *   GET    /v1/endpoint/{id}/config               -> EndpointOptions
 *   PATCH  /v1/endpoint/{id}/config  EndpointOptions -> EndpointOptions
 *   GET    /v1/config                             -> AgentConfig; its endpoint options are what new endpoints get
 *   PATCH  /v1/config          some of AgentConfig -> AgentConfig; endpoint options for present endpoints as well
 *   GET    /v1/bpf/ct                             -> ConnectionRow[]
 *   DELETE /v1/bpf/ct                             -> {flushed}
 *   GET    /v1/bpf/endpoint                       -> EndpointConfig[] in the kernel
 *   GET    /v1/bpf/metrics                        -> MetricsRow[]
 *   GET    /v1/bpf/lb                             -> ServiceFrontend[] in the kernel
 *   GET    /v1/monitor                            -> stream of MonitorFrame, each u32 little-endian length + bytes
 */
export interface IpamResponse {
  readonly address: string;
  readonly gateway: string;
  readonly podCidr: string;
  /** Of the pod's interface, in bytes. */
  readonly mtu: number;
  /** The same in IPv6, in a cluster of both families. */
  readonly ipv6?: { readonly address: string; readonly gateway: string; readonly podCidr: string };
}

export interface EndpointChangeRequest {
  readonly containerId: string;
  readonly podNamespace: string;
  readonly podName: string;
  readonly podUid: string;
  readonly address: string;
  readonly address6?: string;
  /** Host side of the veth, in the node's network namespace. */
  readonly interfaceName: string;
  readonly ifindex: number;
  readonly mac: string;
  readonly hostMac: string;
}

export interface EndpointModel {
  readonly id: number;
  readonly containerId: string;
  readonly podNamespace: string;
  readonly podName: string;
  readonly address: string;
  readonly address6?: string;
  readonly interfaceName: string;
  readonly identity: number;
  /** Security-relevant labels, `source:key=value`, sorted. */
  readonly labels: readonly string[];
  readonly state: string;
  readonly ingressEnforced: boolean;
  readonly egressEnforced: boolean;
  readonly audited: boolean;
  readonly revision: number;
}

/** What can be changed while an endpoint lives. */
export interface EndpointOptions {
  /** What policy denies passes, and its verdict says so. */
  readonly PolicyAuditMode: boolean;
}

/** What can be changed of the agent as a whole. */
export interface AgentConfig extends EndpointOptions {
  /** Cilium's names, from every packet at both of its ends to the fewest: None, Lowest, Low, Medium, Max. */
  readonly MonitorAggregationLevel: AggregationName;
}

export interface PolicyModel {
  readonly revision: number;
  /** The rules in Cilium's API form (`endpointSelector.matchLabels` with source prefixes, labels with derived-from). */
  readonly rules: readonly unknown[];
}

export interface IdentityModel {
  readonly id: number;
  readonly labels: readonly string[];
}

/**
 * One frame of the monitor stream: first byte 1 = a datapath event (bytes of struct sg_event and packet follow),
 * 2 = an L7 record (JSON of L7Notification follows), 3 = lost events (JSON {"lost": n}),
 * 4 = an agent event (JSON {"type", "message"...}).
 */
export const MonitorFrame = { Event: 1, L7: 2, Lost: 3, Agent: 4 } as const;
