import { defaultNetworkPolicy } from "../defaults/network-policy.ts";
import { declareKind, type ResourceKind } from "../kind.ts";
import { definitionKind } from "./definitions.ts";
import { newerEvents } from "./events.ts";

/** What others may do: `rbac.ts` judges by them. */
function rbac(kind: string, resource: string, namespaced: boolean): ResourceKind {
  return declareKind({ group: "rbac.authorization.k8s.io", version: "v1", kind, resource, namespaced });
}

/** Built-in kinds outside core and apps. */
export const otherKinds: readonly ResourceKind[] = [
  newerEvents,
  declareKind({
    group: "coordination.k8s.io",
    version: "v1",
    kind: "Lease",
    resource: "leases",
    namespaced: true,
  }),
  declareKind({
    group: "discovery.k8s.io",
    version: "v1",
    kind: "EndpointSlice",
    resource: "endpointslices",
    namespaced: true,
    counted: true,
  }),
  declareKind({
    group: "networking.k8s.io",
    version: "v1",
    kind: "NetworkPolicy",
    resource: "networkpolicies",
    namespaced: true,
    shortNames: ["netpol"],
    counted: true,
    strategy: { fillDefaults: defaultNetworkPolicy },
  }),
  rbac("ClusterRole", "clusterroles", false),
  rbac("ClusterRoleBinding", "clusterrolebindings", false),
  rbac("Role", "roles", true),
  rbac("RoleBinding", "rolebindings", true),
  definitionKind,
];
