import { declareKind, type ResourceKind } from "../kind.ts";
import { definitionKind } from "./definitions.ts";
import { newerEvents } from "./events.ts";

const NOT_ENFORCED =
  "networking.k8s.io/v1 NetworkPolicy is not enforced by this version of Shieldgate, and a policy that is stored but not in force would mislead; write it as a CiliumNetworkPolicy (cilium.io/v2) instead";

/** Stored for the manifests that bring them along; they neither grant nor restrict anything in the lab. */
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
    refusal: NOT_ENFORCED,
  }),
  rbac("ClusterRole", "clusterroles", false),
  rbac("ClusterRoleBinding", "clusterrolebindings", false),
  rbac("Role", "roles", true),
  rbac("RoleBinding", "rolebindings", true),
  definitionKind,
];
