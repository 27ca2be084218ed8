/** The models of Cilium's status, in the form of models.ts. */
export const STATUS_MODELS = `
StatusResponse: attach-mode string, auth-certificate-provider *Status, bandwidth-manager *BandwidthManager,
   bpf-maps *BPFMapStatus, cilium *Status, client-id int, clock-source *ClockSource, cluster *ClusterStatus,
   cluster-mesh *ClusterMeshStatus, cni-chaining *CNIChainingStatus, cni-file *Status,
   configured-datapath-mode string, controllers []*ControllerStatus, datapath-mode string,
   encryption *EncryptionStatus, host-firewall *HostFirewall, hubble *HubbleStatus,
   hubble-metrics *HubbleMetricsStatus, identity-range *IdentityRange, ipam *IPAMStatus, ipv4-big-tcp *IPV4BigTCP,
   ipv6-big-tcp *IPV6BigTCP, kube-proxy-replacement *KubeProxyReplacement, kubernetes *K8sStatus, kvstore *Status,
   masquerading *Masquerading, nodeMonitor *MonitorStatus, proxy *ProxyStatus, routing *Routing, srv6 *Srv6,
   stale map:time
Status: msg string, state string
BandwidthManager: congestionControl string, devices! []string, enabled bool
BPFMapStatus: dynamic-size-ratio float, maps! []*BPFMapProperties
ClockSource: hertz int, mode string
ClusterStatus: ciliumHealth *Status, nodes! []*NodeElement, self string
ClusterMeshStatus: clusters! []*RemoteCluster
CNIChainingStatus: mode string
EncryptionStatus: ipsec *IPsecStatus, mode string, msg string, wireguard *WireguardStatus
HostFirewall: devices! []string, mode string
HubbleStatus: msg string, observer *HubbleStatusObserver, state string
HubbleMetricsStatus: msg string, state string
IdentityRange: max-identity int, min-identity int
IPAMStatus: allocations map:string, ipv4! []string, ipv6! []string, status string
IPV4BigTCP: enabled bool, maxGRO int, maxGSO int
IPV6BigTCP: enabled bool, maxGRO int, maxGSO int
KubeProxyReplacement: deviceList! []*KubeProxyReplacementDeviceListItems0, devices! []string,
   directRoutingDevice string, features *KubeProxyReplacementFeatures, mode string
K8sStatus: k8s-api-versions! []string, msg string, state string
Masquerading: enabled bool, enabledProtocols *MasqueradingEnabledProtocols, ip-masq-agent bool, mode string,
   snat-exclusion-cidr string, snat-exclusion-cidr-v4 string, snat-exclusion-cidr-v6 string
MonitorStatus: cpus int, lost int, npages int, pagesize int, unknown int
ProxyStatus: envoy-deployment-mode string, ip string, port-range string, redirects! []*ProxyRedirect, total-ports int,
   total-redirects int
Routing: inter-host-routing-mode string, intra-host-routing-mode string, tunnel-protocol string
Srv6: enabled bool, srv6EncapMode string
BPFMapProperties: name string, size int
RemoteCluster: config *RemoteClusterConfig, connected bool, last-failure time, name string, num-endpoint-slices int,
   num-endpoints int, num-failures int, num-identities int, num-nodes int, num-service-exports int,
   num-shared-services int, ready bool, status string, synced *RemoteClusterSynced
IPsecStatus: decrypt-interfaces! []string, error-count int, keys-in-use int, max-seq-number string,
   xfrm-errors map:int
WireguardStatus: interfaces! []*WireguardInterface, node-encrypt-opt-out-labels string, node-encryption string
HubbleStatusObserver: current-flows int, max-flows int, seen-flows int, uptime duration
KubeProxyReplacementDeviceListItems0: ip! []string, name string
KubeProxyReplacementFeatures: annotations! []string, bpfSocketLBHostnsOnly bool,
   externalIPs *KubeProxyReplacementFeaturesExternalIPs,
   gracefulTermination *KubeProxyReplacementFeaturesGracefulTermination,
   hostPort *KubeProxyReplacementFeaturesHostPort,
   hostReachableServices *KubeProxyReplacementFeaturesHostReachableServices,
   nat46X64 *KubeProxyReplacementFeaturesNat46X64, nodePort *KubeProxyReplacementFeaturesNodePort,
   sessionAffinity *KubeProxyReplacementFeaturesSessionAffinity, socketLB *KubeProxyReplacementFeaturesSocketLB,
   socketLBTracing *KubeProxyReplacementFeaturesSocketLBTracing
MasqueradingEnabledProtocols: ipv4 bool, ipv6 bool
ProxyRedirect: name string, proxy string, proxy-port int
RemoteClusterConfig: cluster-id int, endpoint-slices-export-mode string, kvstoremesh bool, required bool,
   retrieved bool, service-exports-enabled *bool, sync-canaries bool
RemoteClusterSynced: endpoint-slices *bool, endpoints bool, identities bool, nodes bool, service-exports *bool,
   services bool
WireguardInterface: listen-port int, name string, peer-count int, peers! []*WireguardPeer, public-key string
KubeProxyReplacementFeaturesExternalIPs: enabled bool
KubeProxyReplacementFeaturesGracefulTermination: enabled bool
KubeProxyReplacementFeaturesHostPort: enabled bool
KubeProxyReplacementFeaturesHostReachableServices: enabled bool, protocols! []string
KubeProxyReplacementFeaturesNat46X64: enabled bool, gateway *KubeProxyReplacementFeaturesNat46X64Gateway,
   service *KubeProxyReplacementFeaturesNat46X64Service
KubeProxyReplacementFeaturesNodePort: acceleration string, algorithm string, dsrMode string, enabled bool,
   lutSize int, mode string, portMax int, portMin int
KubeProxyReplacementFeaturesSessionAffinity: enabled bool
KubeProxyReplacementFeaturesSocketLB: enabled bool
KubeProxyReplacementFeaturesSocketLBTracing: enabled bool
WireguardPeer: allowed-ips! []string, endpoint string, last-handshake-time time, public-key string, transfer-rx int,
   transfer-tx int
KubeProxyReplacementFeaturesNat46X64Gateway: enabled bool, prefixes! []string
KubeProxyReplacementFeaturesNat46X64Service: enabled bool
`;
