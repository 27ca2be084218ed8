/**
 * The agent's API on `cilium.sock`: HTTP/1.1 with JSON bodies over the unix socket. Paths and models are those of Cilium 1.20
 * (api-models.ts, status-model.ts), so that its own command works; an error is a text. Beside them stand the calls that a CNI
 * plugin makes here and what only this agent has:
 *
 *   POST   /v1/ipam            {owner}            -> 201 IpamResponse
 *   DELETE /v1/ipam/{ip}                          -> 200
 *   PUT    /v1/endpoint/{container-id}  EndpointChangeRequest -> 201 EndpointModel, only when its policy is in force
 *   DELETE /v1/endpoint/{container-id}            -> 200
 *   GET    /v1/endpoint/{id}/policy               -> PolicyRow[] of its policy map
 *   GET    /v1/bpf/ct                             -> ConnectionRow[]
 *   DELETE /v1/bpf/ct                             -> {flushed}
 *   GET    /v1/bpf/endpoint                       -> EndpointConfig[] in the kernel
 *   GET    /v1/bpf/ipcache                        -> {cidr, identity, tunnel}[] in the kernel
 *   GET    /v1/bpf/metrics                        -> MetricsRow[]
 *   GET    /v1/bpf/lb                             -> ServiceFrontend[] in the kernel
 *   POST   /v1/rehearsal  {policies}              -> stream of RehearsalNews, a line of JSON each; over when the client goes
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

/**
 * One frame of the monitor stream: first byte 1 = a datapath event (bytes of struct sg_event and packet follow),
 * 2 = an L7 record (JSON of L7Notification follows), 3 = lost events (JSON {"lost": n, "cpu": of which processor, if of one}),
 * 4 = an agent event (JSON {"type", "message"...}).
 */
export const MonitorFrame = { Event: 1, L7: 2, Lost: 3, Agent: 4 } as const;
