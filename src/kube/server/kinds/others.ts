import { equalJson, fieldsOf, type KubeObject } from "../../object.ts";
import { defaultNetworkPolicy } from "../defaults/network-policy.ts";
import { itemsOf, setDefault } from "../defaults/pod.ts";
import { declareKind, type ResourceKind } from "../kind.ts";
import { definitionKind } from "./definitions.ts";
import { newerEvents } from "./events.ts";

function defaultSlice(slice: KubeObject): void {
  for (const port of itemsOf(slice, "ports")) {
    setDefault(port, "name", "");
    setDefault(port, "protocol", "TCP");
  }
}

/** Labels say whose a slice is: they count as much as its endpoints. */
function countLabels(next: KubeObject, old: KubeObject): void {
  const named = ({ labels, annotations, ownerReferences }: KubeObject["metadata"]) => ({
    labels,
    annotations,
    ownerReferences,
  });
  if (!equalJson(named(next.metadata), named(old.metadata)))
    next.metadata.generation = (old.metadata.generation ?? 0) + 1;
}

const RBAC = "rbac.authorization.k8s.io";

function defaultBinding(binding: KubeObject): void {
  const reference = fieldsOf(binding.roleRef);
  if (!reference.apiGroup) reference.apiGroup = RBAC;
  for (const subject of itemsOf(binding, "subjects"))
    if (!subject.apiGroup && (subject.kind === "User" || subject.kind === "Group")) subject.apiGroup = RBAC;
}

/** What others may do: `rbac.ts` judges by them. */
function rbac(kind: string, resource: string, namespaced: boolean): ResourceKind {
  const strategy = kind.endsWith("Binding") ? { fillDefaults: defaultBinding } : {};
  return declareKind({ group: RBAC, version: "v1", kind, resource, namespaced, strategy, createsOnUpdate: true });
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
    createsOnUpdate: true,
  }),
  declareKind({
    group: "discovery.k8s.io",
    version: "v1",
    kind: "EndpointSlice",
    resource: "endpointslices",
    namespaced: true,
    counted: true,
    strategy: { fillDefaults: defaultSlice, prepareUpdate: countLabels },
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
