import { API_SERVER_PORT, CONTROL_PLANE, KUBERNETES_SERVICE_IP } from "../../model/addresses.ts";
import { copyJson, equalJson, type Fields, type KubeObject } from "../object.ts";
import { NODE_LEASES } from "../resources.ts";
import { KubeError } from "../status.ts";
import { FIRST_ROLES } from "./bootstrap-roles.ts";
import type { Api, WriteOptions } from "./context.ts";
import type { ResourceKind } from "./kind.ts";
import { createObject } from "./verbs/create.ts";
import { replaceObject } from "./verbs/replace.ts";

const OPTIONS: WriteOptions = { dryRun: false, fieldManager: "kube-apiserver", fieldValidation: "Ignore" };
const NAMESPACES = ["default", "kube-system", "kube-public", NODE_LEASES];

function kindOf(api: Api, group: string, version: string, resource: string): ResourceKind {
  const kind = api.registry.find(group, version, resource);
  if (!kind) throw new Error(`the registry lacks ${group}/${version} ${resource}`);
  return kind;
}

function createMissing(api: Api, kind: ResourceKind, namespace: string, name: string, rest: Fields): void {
  if (api.store.get(kind.storage, namespace, name)) return;
  const metadata = { ...(rest.metadata as Fields | undefined), name };
  createObject(api, kind, namespace, { ...rest, metadata }, OPTIONS);
}

/** Installs definitions that are missing, and brings those of an older version up to date. */
function installDefinitions(api: Api, definitions: readonly KubeObject[]): void {
  const kind = kindOf(api, "apiextensions.k8s.io", "v1", "customresourcedefinitions");
  for (const definition of definitions) {
    const { name } = definition.metadata;
    const target = { kind, namespace: "", name, subresource: "" };
    const body = copyJson(definition);
    const stored = api.store.get(kind.storage, "", name);
    if (!stored) createObject(api, kind, "", body, OPTIONS);
    else if (!covers(stored.object.spec, definition.spec)) {
      const { annotations } = body.metadata;
      replaceObject(api, target, OPTIONS, (copy) => ({
        ...copy,
        metadata: { ...copy.metadata, annotations: { ...copy.metadata.annotations, ...annotations } },
        spec: body.spec,
      }));
    }
  }
}

/** True when the stored spec is the wanted one, but for what the server filled in. */
function covers(stored: unknown, wanted: unknown): boolean {
  return equalJson(
    { ...(stored as Fields), conversion: 0, names: 0 },
    { ...(wanted as Fields), conversion: 0, names: 0 },
  );
}

/** The service under which pods reach this server, and where it leads: the control plane node. */
function installOwnService(api: Api): void {
  const service = {
    spec: { clusterIP: KUBERNETES_SERVICE_IP, ports: [{ name: "https", port: 443, targetPort: API_SERVER_PORT }] },
  };
  const labels = { component: "apiserver", provider: "kubernetes" };
  createMissing(api, kindOf(api, "", "v1", "services"), "default", "kubernetes", { metadata: { labels }, ...service });
  const port = { name: "https", port: API_SERVER_PORT, protocol: "TCP" };
  createMissing(api, kindOf(api, "", "v1", "endpoints"), "default", "kubernetes", {
    metadata: { labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
    subsets: [{ addresses: [{ ip: CONTROL_PLANE.address }], ports: [port] }],
  });
  createMissing(api, kindOf(api, "discovery.k8s.io", "v1", "endpointslices"), "default", "kubernetes", {
    metadata: { labels: { "kubernetes.io/service-name": "kubernetes" } },
    addressType: "IPv4",
    endpoints: [{ addresses: [CONTROL_PLANE.address], conditions: { ready: true } }],
    ports: [port],
  });
}

/** Roles are made where they are missing, so that what somebody changed stays; a binding that was deleted comes back at the next start. */
function installRoles(api: Api): void {
  const group = "rbac.authorization.k8s.io";
  const [roles, bindings] = [kindOf(api, group, "v1", "clusterroles"), kindOf(api, group, "v1", "clusterrolebindings")];
  for (const { name, labels, rules, groups = [] } of FIRST_ROLES) {
    const metadata = { labels: { "kubernetes.io/bootstrapping": "rbac-defaults", ...labels } };
    createMissing(api, roles, "", name, { metadata, rules });
    if (groups.length === 0) continue;
    const subjects = groups.map((subject) => ({ kind: "Group", apiGroup: group, name: subject }));
    const roleRef = { apiGroup: group, kind: "ClusterRole", name };
    createMissing(api, bindings, "", name, { metadata, roleRef, subjects });
  }
}

/** Creates what every cluster has from the start. What is there already stays as it is. */
export function bootstrap(api: Api, definitions: readonly KubeObject[]): void {
  try {
    for (const name of NAMESPACES) createMissing(api, kindOf(api, "", "v1", "namespaces"), "", name, {});
    installRoles(api);
    installOwnService(api);
    installDefinitions(api, definitions);
  } catch (error) {
    if (error instanceof KubeError)
      throw new Error(`the cluster's first objects cannot be made: ${error.message}`, { cause: error });
    throw error;
  }
}
