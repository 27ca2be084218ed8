/**
 * The models of Cilium's API 1.20 in the order in which its command prints their fields. A field is its name in JSON and its
 * type; `(x)` is its name in YAML where that is not the same without dashes and in small letters; `!` = it is shown even when
 * it is empty. `*` = it may be absent, and is otherwise shown whatever it holds.
 * `&` = its fields stand among those of the model in JSON, and below its name in YAML.
 */
export const MODELS = `
Endpoint: id int, spec *EndpointConfigurationSpec, status *EndpointStatus
EndpointStatusChange: code string, message string, state string, timestamp string
EndpointHealth: bpf string, connected bool, overallHealth string, policy string
LabelConfiguration: spec *LabelConfigurationSpec, status *LabelConfigurationStatus
EndpointConfigurationStatus: error string, immutable map:string, realized *EndpointConfigurationSpec
Identity: id int, labels []string, labelsSHA256 string
IdentityEndpoints: identity *Identity, refCount int
IPListEntry: cidr! *string, encryptKey int, hostIP string, identity! *int, metadata *IPListEntryMetadata
NodeElement: health-endpoint-address *NodeAddressing, ingress-address *NodeAddressing, name string,
   primary-address *NodeAddressing, secondary-addresses! []*NodeAddressingElement, source string
ClusterNodeStatus: client-id int, nodes-added! []*NodeElement, nodes-removed! []*NodeElement, self string
NodeID: id! *int, ips! []string
Service: spec *ServiceSpec, status *ServiceStatus
LRPSpec: frontend-mappings! []*FrontendMapping, frontend-type string, lrp-type string, name string, namespace string,
   service-id string, uid string
BPFMapList: maps! []*BPFMap
MapEvent: action string, desired-action string, key string, last-error string, timestamp time, value string
Prefilter: spec *PrefilterSpec, status *PrefilterStatus
DaemonConfiguration: spec *DaemonConfigurationSpec, status *DaemonConfigurationStatus
Policy: policy string, revision int
SelectorIdentityMapping: identities! []int, labels [][]*Label, selector string, users int
DNSLookup: endpoint-id int, expiration-time time, fqdn string, ips! []string, lookup-time time, source string, ttl int
Metric: labels map:string, name string, value! float
NameManager: DNSPollNames! []string, FQDNPolicySelectors! []*SelectorEntry
DebugInfo: cilium-memory-map string, cilium-nodemonitor-memory-map string, cilium-status *StatusResponse,
   cilium-version string, encryption *DebugInfoEncryption, endpoint-list! []*Endpoint,
   environment-variables! []string, kernel-version string, policy *Policy, service-list! []*Service,
   subsystem map:string
CgroupDumpMetadata: pod-metadatas! []*CgroupPodMetadata
EndpointConfigurationSpec: label-configuration *LabelConfigurationSpec, options map:string
EndpointStatus: controllers []*ControllerStatus, external-identifiers *EndpointIdentifiers, health *EndpointHealth,
   identity *Identity, labels *LabelConfigurationStatus, log []*EndpointStatusChange, namedPorts []*Port,
   networking *EndpointNetworking, policy *EndpointPolicyStatus, realized *EndpointConfigurationSpec, state! *string
LabelConfigurationSpec: user []string
LabelConfigurationStatus: derived []string, disabled []string, realized *LabelConfigurationSpec,
   security-relevant []string
IPListEntryMetadata: name string, namespace string, source string
NodeAddressing: ipv4 *NodeAddressingElement, ipv6 *NodeAddressingElement
NodeAddressingElement: address-type string, alloc-range string, enabled bool, ip string
ServiceSpec: backend-addresses! []*BackendAddress, flags *ServiceSpecFlags, frontend-address! *FrontendAddress,
   id int, updateServices bool
ServiceStatus: realized *ServiceSpec
FrontendMapping: backends! []*LRPBackend, frontend-address *FrontendAddress
BPFMap: cache! []*BPFMapEntry, path string
PrefilterSpec: deny! []string, revision int
PrefilterStatus: realized *PrefilterSpec
DaemonConfigurationSpec: options map:string, policy-enforcement string
DaemonConfigurationStatus: GROIPv4MaxSize int, GROMaxSize int, GSOIPv4MaxSize int, GSOMaxSize int,
   addressing *NodeAddressing, configuredDatapathMode string, daemonConfigurationMap map:any, datapathMode string,
   deviceHeadroom int, deviceMTU int, deviceTailroom int, enableBBRHostNamespaceOnly bool,
   enableRouteMTUForCNIChaining bool, immutable map:string, installUplinkRoutesForDelegatedIPAM bool,
   ipLocalReservedPorts string, ipam-mode string, k8s-configuration string, k8s-endpoint string,
   kvstoreConfiguration *KVstoreConfiguration, masquerade bool,
   masqueradeProtocols *DaemonConfigurationStatusMasqueradeProtocols, nodeMonitor *MonitorStatus,
   packetizationLayerPMTUDMode string, realized *DaemonConfigurationSpec, routeMTU int
ControllerStatus: configuration *ControllerStatusConfiguration, name string, status *ControllerStatusStatus,
   uuid string
Label: key string, source string, value string
SelectorEntry: regexString string, selectorString string
DebugInfoEncryption: wireguard *WireguardStatus
CgroupPodMetadata: containers! []*CgroupContainerMetadata, ips! []string, name string, namespace string
EndpointIdentifiers: cni-attachment-id string, container-id string, container-name string, docker-endpoint-id string,
   docker-network-id string, k8s-namespace string, k8s-pod-name string, pod-name string
Port: name string, port int, protocol string
EndpointNetworking: addressing! []*AddressPair, container-interface-name string, host-addressing *NodeAddressing,
   host-mac string, interface-index int, interface-name string, mac string
EndpointPolicyStatus: proxy-policy-revision int, proxy-statistics! []*ProxyStatistics, realized *EndpointPolicy,
   spec *EndpointPolicy
BackendAddress: ip! *string, nodeName string, port int, preferred bool, protocol string, state string, weight *int,
   zone string
ServiceSpecFlags: cluster string, extTrafficPolicy string, healthCheckNodePort int, intTrafficPolicy string,
   name string, namespace string, natPolicy string, trafficPolicy string, type string
FrontendAddress: ip string, port int, protocol string, scope string
LRPBackend: backend-address *BackendAddress, pod-id string
BPFMapEntry: desired-action string, key string, last-error string, value string
KVstoreConfiguration: options map:string, type string
DaemonConfigurationStatusMasqueradeProtocols: ipv4 bool, ipv6 bool
ControllerStatusConfiguration: error-retry bool, error-retry-base duration, interval duration
ControllerStatusStatus: consecutive-failure-count int, failure-count int, last-failure-msg string,
   last-failure-timestamp time, last-success-timestamp time, success-count int
CgroupContainerMetadata: cgroup-id int, cgroup-path string
AddressPair: ipv4 string, ipv4-expiration-uuid string, ipv4-pool-name string, ipv6 string,
   ipv6-expiration-uuid string, ipv6-pool-name string
ProxyStatistics: allocated-proxy-port int, location string, port int, protocol string,
   statistics *RequestResponseStatistics
EndpointPolicy: allowed-egress-identities! []int, allowed-ingress-identities! []int, build int,
   cidr-policy *CIDRPolicy, denied-egress-identities! []int, denied-ingress-identities! []int, id int, l4 *L4Policy,
   policy-enabled string, policy-revision int
RequestResponseStatistics: requests *MessageForwardingStatistics, responses *MessageForwardingStatistics
CIDRPolicy: egress! []*PolicyRule, ingress! []*PolicyRule
L4Policy: egress! []*PolicyRule, ingress! []*PolicyRule
MessageForwardingStatistics: denied int, error int, forwarded int, received int
PolicyRule: derived-from-rules! [][]string, rule string, rules-by-selector map:[][]string
CiliumVersion: Version! string, Revision! string, GoRuntimeVersion! string, Arch! string, AuthorDate! string
Versions: Client! CiliumVersion, Daemon! CiliumVersion
MountInfo: MountID! int, ParentID! int, StDev! string, Root! string, MountPoint! string, MountOptions! string,
   OptionalFields! []string, FilesystemType! string, MountSource! string, SuperOptions! string
CtMapRecord4: Key! *CtKey4Global, Value! CtEntry
CtKey4Global: TupleKey4Global! &TupleKey4Global
TupleKey4Global: TupleKey4! &TupleKey
CtMapRecord6: Key! *CtKey6Global, Value! CtEntry
CtKey6Global: TupleKey6Global! &TupleKey6Global
TupleKey6Global: TupleKey6! &TupleKey
TupleKey: DestAddr! []int, SourceAddr! []int, DestPort! int, SourcePort! int, NextHeader! int, Flags! int
CtEntry: Union0! []int, Packets! int, Bytes! int, Lifetime! int, Flags! int, RevNAT! int, NatPort! int,
   TxFlagsSeen! int, RxFlagsSeen! int, SourceSecurityID! int, LastTxReport! int, LastRxReport! int
PolicyMap: EndpointID! string, Path! string, Content! []PolicyEntryDump
PolicyEntryDump: PolicyEntry! &PolicyEntry, StatsValue! &StatsValue, Key! PolicyKey
PolicyEntry: ProxyPortNetwork! int, Flags! stance, AuthRequirement! int, Precedence! int, Cookie! int
StatsValue: Packets! int, Bytes! int
PolicyKey: Prefixlen! int, Identity! int, TrafficDirection! int, Nexthdr! int, DestPortNetwork! int
MapMetric: reason! string, direction! string, packets! int, bytes! int, line! int, file! string
`;
