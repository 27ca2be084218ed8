/** The lab's fixed numbers; everything else is found out at run time. */
export const CLUSTER_NAME = "default";
export const CLUSTER_DOMAIN = "cluster.local";
export const CLUSTER_CIDR = "172.20.0.0/16";
export const SERVICE_CIDR = "10.96.0.0/16";
/** The same in a lab of both families. */
export const CLUSTER_CIDR6 = "fd00:172:20::/56";
export const SERVICE_CIDR6 = "fd00:10:96::/112";
export const DNS_SERVICE_IP = "10.96.0.10";
export const KUBERNETES_SERVICE_IP = "10.96.0.1";
/** The fabric's own address: what is outside the cluster (identity world). */
export const FABRIC_GATEWAY = "192.168.10.1";
export const FABRIC_GATEWAY6 = "fd00:192:168:10::1";
export const API_SERVER_PORT = 6443;
export const RELAY_PORT = 4245;
export const HUBBLE_PORT = 4244;
export const AGENT_METRICS_PORT = 9962;
export const PROXY_METRICS_PORT = 9964;
export const FLOW_METRICS_PORT = 9965;
export const RELAY_METRICS_PORT = 9966;
export const KUBELET_PORT = 10250;
export const VXLAN_PORT = 8472;
/** Ports of the nodes that may stand for services, as Kubernetes has them; nothing of the lab itself listens there. */
export const NODE_PORT_RANGE = { first: 30000, last: 32767 } as const;

export interface LabNode {
  readonly name: string;
  /** From 0; no two nodes of a lab have the same. */
  readonly place: number;
  readonly address: string;
  readonly podCidr: string;
  /** Used in a lab of both families only. */
  readonly address6: string;
  readonly podCidr6: string;
  readonly controlPlane: boolean;
}

/** The node at a place of the lab, from 0: its addresses and ranges follow from it. The first is the control plane's. */
export const labNode = (name: string, place: number): LabNode => ({
  name,
  place,
  address: `192.168.10.${100 + place}`,
  podCidr: `172.20.${place}.0/24`,
  address6: `fd00:192:168:10::${100 + place}`,
  podCidr6: place === 0 ? "fd00:172:20::/64" : `fd00:172:20:${place.toString(16)}::/64`,
  controlPlane: place === 0,
});

/** The nodes of a new lab. */
export const NODE_NAMES: readonly string[] = ["k8s-ctr", "k8s-w1", "k8s-w2"];
/** Where the API server runs. */
export const CONTROL_PLANE: LabNode = labNode("k8s-ctr", 0);

/** Numeric identities that Cilium reserves. */
export const ReservedIdentity = {
  Unknown: 0,
  Host: 1,
  World: 2,
  Unmanaged: 3,
  Health: 4,
  Init: 5,
  RemoteNode: 6,
  KubeApiServer: 7,
  Ingress: 8,
  /** World, in a cluster of both families. */
  WorldIpv4: 9,
  WorldIpv6: 10,
} as const;
