import type { Fields } from "../object.ts";

/** A role, or a binding of one to groups, that every cluster has from the start. */
interface FirstRole {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly rules: readonly Fields[];
  /** Groups that it is bound to. */
  readonly groups?: readonly string[];
}

const READ = ["get", "list", "watch"];
const WRITE = ["create", "delete", "deletecollection", "patch", "update"];
const AUTHENTICATED = "system:authenticated";
const UNAUTHENTICATED = "system:unauthenticated";
const HEALTH = ["/healthz", "/livez", "/readyz", "/version", "/version/"];

const rule = (verbs: readonly string[], apiGroup: string, ...resources: string[]): Fields => ({
  verbs,
  apiGroups: [apiGroup],
  resources,
});
const paths = (...nonResourceURLs: string[]): Fields => ({ verbs: ["get"], nonResourceURLs });

const CORE = ["configmaps", "endpoints", "pods", "replicationcontrollers", "services", "serviceaccounts"];
const WORKLOADS = ["daemonsets", "deployments", "replicasets", "statefulsets"];
const SCALES = ["deployments/scale", "replicasets/scale", "statefulsets/scale"];
const POLICIES = ["ciliumnetworkpolicies", "ciliumnetworkpolicies/status", "ciliumendpoints", "ciliumendpoints/status"];

const viewing: readonly Fields[] = [
  rule(READ, "", ...CORE, "events", "namespaces", "pods/log", "pods/status", "services/status"),
  rule(READ, "apps", ...WORKLOADS, ...SCALES, "controllerrevisions"),
  rule(READ, "batch", "jobs", "cronjobs", "jobs/status", "cronjobs/status"),
  rule(READ, "discovery.k8s.io", "endpointslices"),
  rule(READ, "networking.k8s.io", "networkpolicies"),
  rule(READ, "cilium.io", ...POLICIES),
];
const editing: readonly Fields[] = [
  ...viewing,
  rule([...READ, ...WRITE], "", "secrets"),
  rule(WRITE, "", ...CORE),
  rule(["get", "create"], "", "pods/attach", "pods/exec", "pods/portforward"),
  rule(["create"], "", "pods/eviction", "serviceaccounts/token"),
  rule(["impersonate"], "", "serviceaccounts"),
  rule(WRITE, "apps", ...WORKLOADS, ...SCALES),
  rule(WRITE, "batch", "jobs", "cronjobs"),
  rule(WRITE, "networking.k8s.io", "networkpolicies"),
  rule(WRITE, "cilium.io", "ciliumnetworkpolicies"),
];

/** Kubernetes' own first roles, with the kinds that are served here. */
export const FIRST_ROLES: readonly FirstRole[] = [
  {
    name: "cluster-admin",
    rules: [rule(["*"], "*", "*"), { verbs: ["*"], nonResourceURLs: ["*"] }],
    groups: ["system:masters"],
  },
  {
    name: "admin",
    rules: [
      ...editing,
      rule(["create"], "authorization.k8s.io", "localsubjectaccessreviews"),
      rule([...READ, ...WRITE], "rbac.authorization.k8s.io", "rolebindings", "roles"),
    ],
  },
  { name: "edit", labels: { "rbac.authorization.k8s.io/aggregate-to-admin": "true" }, rules: editing },
  { name: "view", labels: { "rbac.authorization.k8s.io/aggregate-to-edit": "true" }, rules: viewing },
  {
    name: "system:discovery",
    rules: [paths("/", "/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", ...HEALTH)],
    groups: [AUTHENTICATED],
  },
  {
    name: "system:basic-user",
    rules: [
      rule(["create"], "authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectrulesreviews"),
      rule(["create"], "authentication.k8s.io", "selfsubjectreviews"),
    ],
    groups: [AUTHENTICATED],
  },
  {
    name: "system:public-info-viewer",
    rules: [paths(...HEALTH, "/healthz/*", "/livez/*", "/readyz/*")],
    groups: [AUTHENTICATED, UNAUTHENTICATED],
  },
];
