/** The lab's fixed numbers; everything else is found out at run time. */
export const CLUSTER_NAME = "default";
export const CLUSTER_DOMAIN = "cluster.local";
export const CLUSTER_CIDR = "172.20.0.0/16";
export const SERVICE_CIDR = "10.96.0.0/16";
export const DNS_SERVICE_IP = "10.96.0.10";
export const KUBERNETES_SERVICE_IP = "10.96.0.1";
/** The fabric's own address: what is outside the cluster (identity world). */
export const FABRIC_GATEWAY = "192.168.10.1";
export const API_SERVER_PORT = 6443;
export const RELAY_PORT = 4245;
export const HUBBLE_PORT = 4244;
export const KUBELET_PORT = 10250;
export const VXLAN_PORT = 8472;
/** Ports of the nodes that may stand for services, as Kubernetes has them; nothing of the lab itself listens there. */
export const NODE_PORT_RANGE = { first: 30000, last: 32767 } as const;

export interface LabNode {
  readonly name: string;
  readonly address: string;
  readonly podCidr: string;
  readonly controlPlane: boolean;
}

export const NODES: readonly LabNode[] = [
  { name: "k8s-ctr", address: "192.168.10.100", podCidr: "172.20.0.0/24", controlPlane: true },
  { name: "k8s-w1", address: "192.168.10.101", podCidr: "172.20.1.0/24", controlPlane: false },
  { name: "k8s-w2", address: "192.168.10.102", podCidr: "172.20.2.0/24", controlPlane: false },
];

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
} as const;
