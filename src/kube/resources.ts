/** Where a resource lives: the constant that every client call takes. */
export interface ResourceRef {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly namespaced: boolean;
}

function ref(group: string, version: string, resource: string, namespaced: boolean): ResourceRef {
  return { group, version, resource, namespaced };
}

export const Namespaces = ref("", "v1", "namespaces", false);
export const Nodes = ref("", "v1", "nodes", false);
export const Pods = ref("", "v1", "pods", true);
export const Services = ref("", "v1", "services", true);
export const Endpoints = ref("", "v1", "endpoints", true);
export const ConfigMaps = ref("", "v1", "configmaps", true);
export const Secrets = ref("", "v1", "secrets", true);
export const Events = ref("", "v1", "events", true);
export const ServiceAccounts = ref("", "v1", "serviceaccounts", true);
export const Deployments = ref("apps", "v1", "deployments", true);
export const ReplicaSets = ref("apps", "v1", "replicasets", true);
export const DaemonSets = ref("apps", "v1", "daemonsets", true);
export const StatefulSets = ref("apps", "v1", "statefulsets", true);
export const ControllerRevisions = ref("apps", "v1", "controllerrevisions", true);
export const Jobs = ref("batch", "v1", "jobs", true);
export const CronJobs = ref("batch", "v1", "cronjobs", true);
export const EndpointSlices = ref("discovery.k8s.io", "v1", "endpointslices", true);
/** Where the leases of nodes stand. */
export const NODE_LEASES = "kube-node-lease";
export const Leases = ref("coordination.k8s.io", "v1", "leases", true);
export const CustomResourceDefinitions = ref("apiextensions.k8s.io", "v1", "customresourcedefinitions", false);
export const NetworkPolicies = ref("networking.k8s.io", "v1", "networkpolicies", true);
export const CiliumIdentities = ref("cilium.io", "v2", "ciliumidentities", false);
export const CiliumEndpoints = ref("cilium.io", "v2", "ciliumendpoints", true);
export const CiliumNodes = ref("cilium.io", "v2", "ciliumnodes", false);
export const CiliumCIDRGroups = ref("cilium.io", "v2", "ciliumcidrgroups", false);
export const ClusterNetworkPolicies = ref("policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies", false);
export const CiliumNetworkPolicies = ref("cilium.io", "v2", "ciliumnetworkpolicies", true);
export const CiliumClusterwideNetworkPolicies = ref("cilium.io", "v2", "ciliumclusterwidenetworkpolicies", false);
