/**
 * What `GET /v1/healthz` answers: Cilium's StatusResponse (api/v1/openapi.yaml of 1.20), as far as there is something to say
 * here. A field that is missing is not known or does not exist.
 */
export type State = "Ok" | "Warning" | "Failure" | "Disabled";

export interface Status {
  readonly state: State;
  readonly msg?: string;
}

export interface ControllerStatus {
  readonly name: string;
  readonly status: {
    readonly "success-count": number;
    readonly "failure-count": number;
    readonly "consecutive-failure-count": number;
    readonly "last-failure-msg"?: string;
    /** RFC 3339. */
    readonly "last-failure-timestamp"?: string;
    readonly "last-success-timestamp"?: string;
  };
}

export interface IpamStatus {
  readonly status: string;
  /** Address -> who holds it. */
  readonly allocations: Readonly<Record<string, string>>;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

export interface ProxyRedirect {
  readonly name: string;
  readonly proxy: string;
  readonly "proxy-port": number;
}

interface Switch {
  readonly enabled: boolean;
}

export interface KubeProxyReplacement {
  readonly mode: "True";
  readonly devices: readonly string[];
  readonly deviceList: readonly { readonly name: string; readonly ip: readonly string[] }[];
  readonly directRoutingDevice: string;
  readonly features: {
    readonly nodePort: Switch & { readonly algorithm: string; readonly portMin: number; readonly portMax: number };
    readonly sessionAffinity: Switch;
    readonly hostPort: Switch;
    readonly externalIPs: Switch;
    readonly socketLB: Switch;
    readonly socketLBTracing: Switch;
    /** Of a socket load balancer; Cilium leaves it out, and its command says "Full", where there is none. */
    readonly bpfSocketLBHostnsOnly?: boolean;
    readonly nat46X64: Switch;
    readonly annotations: readonly string[];
  };
}

export interface StatusResponse {
  readonly kvstore: Status;
  readonly kubernetes: Status & { readonly "k8s-api-versions": readonly string[] };
  readonly "kube-proxy-replacement": KubeProxyReplacement;
  readonly "host-firewall": { readonly mode: "Enabled"; readonly devices: readonly string[] };
  readonly srv6: Switch;
  readonly "cni-chaining": { readonly mode: "none" };
  readonly cilium: Status;
  readonly nodeMonitor: {
    readonly cpus: number;
    readonly npages: number;
    readonly pagesize: number;
    readonly lost: number;
  };
  readonly cluster: { readonly ciliumHealth: Status; readonly self: string };
  readonly ipam: IpamStatus;
  readonly "ipv4-big-tcp": Switch;
  readonly "ipv6-big-tcp": Switch;
  readonly "bandwidth-manager": Switch;
  readonly routing: {
    readonly "inter-host-routing-mode": "Tunnel" | "Native";
    readonly "intra-host-routing-mode": "BPF";
    readonly "tunnel-protocol": "vxlan";
  };
  readonly "attach-mode": "tc";
  readonly "datapath-mode": "veth";
  readonly masquerading: Switch & { readonly enabledProtocols: { readonly ipv4: boolean; readonly ipv6: boolean } };
  readonly "clock-source": { readonly mode: "ktime" };
  readonly controllers: readonly ControllerStatus[];
  /** Absent while no proxy is connected. */
  readonly proxy?: {
    readonly ip: string;
    readonly "port-range": string;
    readonly "total-redirects": number;
    readonly redirects: readonly ProxyRedirect[];
    readonly "envoy-deployment-mode": "external";
  };
  readonly "identity-range": { readonly "min-identity": number; readonly "max-identity": number };
  readonly hubble: Status & { readonly observer?: HubbleObserver };
  readonly encryption: { readonly mode: "Disabled" };
}

export interface HubbleObserver {
  readonly "current-flows": number;
  readonly "max-flows": number;
  readonly "seen-flows": number;
  /** Seconds as Go reads durations: `6.5s`. */
  readonly uptime: string;
}
