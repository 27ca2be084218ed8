import { fieldsOf, isFields, type KubeObject } from "../../object.ts";
import { ephemeralChangeErrors } from "../defaults/ephemeral-containers.ts";
import { defaultPod, setDefault } from "../defaults/pod.ts";
import { admitTolerations, preparePod } from "../defaults/pod-admission.ts";
import { defaultService, prepareService, prepareServiceUpdate } from "../defaults/service.ts";
import { declareKind, EPHEMERAL_CONTAINERS, type ResourceKind, statusOf } from "../kind.ts";
import { coreEvents } from "./events.ts";

const text = (value: unknown): string => (value === undefined || value === null ? "" : String(value));

function podFields(pod: KubeObject): Record<string, string> {
  const [spec, status] = [fieldsOf(pod.spec), fieldsOf(pod.status)];
  return {
    "spec.nodeName": text(spec.nodeName),
    "spec.restartPolicy": text(spec.restartPolicy),
    "spec.schedulerName": text(spec.schedulerName),
    "spec.serviceAccountName": text(spec.serviceAccountName),
    "spec.hostNetwork": String(spec.hostNetwork === true),
    "status.phase": text(status.phase),
    "status.podIP": text(status.podIP),
    "status.nominatedNodeName": text(status.nominatedNodeName),
  };
}

const pods = declareKind({
  group: "",
  version: "v1",
  kind: "Pod",
  resource: "pods",
  namespaced: true,
  shortNames: ["po"],
  answersDeleted: true,
  categories: ["all"],
  counted: true,
  subresources: [
    statusOf("Pod"),
    { name: "attach", kind: "PodAttachOptions", verbs: ["create", "get"] },
    { name: "binding", kind: "Binding", verbs: ["create"] },
    EPHEMERAL_CONTAINERS,
    { name: "eviction", kind: "Eviction", group: "policy", version: "v1", verbs: ["create"] },
    { name: "exec", kind: "PodExecOptions", verbs: ["create", "get"] },
    { name: "log", kind: "Pod", verbs: ["get"] },
    { name: "portforward", kind: "PodPortForwardOptions", verbs: ["create", "get"] },
  ],
  strategy: {
    fillDefaults: (pod) => {
      if (isFields(pod.spec)) defaultPod(pod.spec);
    },
    prepareCreate: preparePod,
    prepareUpdate: (pod) => admitTolerations(fieldsOf(pod.spec)),
    validate: (pod, old) => ephemeralChangeErrors(fieldsOf(pod.spec), old && fieldsOf(old.spec)),
    selectable: podFields,
  },
});

function prepareNamespace(namespace: KubeObject): void {
  namespace.spec = { ...fieldsOf(namespace.spec), finalizers: ["kubernetes"] };
  namespace.status = { phase: "Active" };
}

function labelNamespace(namespace: KubeObject): void {
  const { metadata } = namespace;
  metadata.labels = { ...metadata.labels, "kubernetes.io/metadata.name": metadata.name };
}

const namespaces = declareKind({
  group: "",
  version: "v1",
  kind: "Namespace",
  resource: "namespaces",
  namespaced: false,
  shortNames: ["ns"],
  verbs: ["create", "delete", "get", "list", "patch", "update", "watch"],
  subresources: [statusOf("Namespace"), { name: "finalize", kind: "Namespace", verbs: ["update"] }],
  strategy: {
    fillDefaults: labelNamespace,
    prepareCreate: prepareNamespace,
    selectable: (object) => ({ "status.phase": text(fieldsOf(object.status).phase) }),
  },
});

const nodes = declareKind({
  group: "",
  version: "v1",
  kind: "Node",
  resource: "nodes",
  namespaced: false,
  shortNames: ["no"],
  subresources: [statusOf("Node")],
  strategy: {
    fillDefaults: (node) => setDefault(node, "spec", {}),
    selectable: (node) => ({ "spec.unschedulable": String(fieldsOf(node.spec).unschedulable === true) }),
  },
});

const services = declareKind({
  group: "",
  version: "v1",
  kind: "Service",
  resource: "services",
  namespaced: true,
  shortNames: ["svc"],
  answersDeleted: true,
  createsOnUpdate: true,
  categories: ["all"],
  subresources: [statusOf("Service")],
  strategy: {
    fillDefaults: defaultService,
    prepareCreate: prepareService,
    prepareUpdate: prepareServiceUpdate,
    selectable: (service) => {
      const spec = fieldsOf(service.spec);
      return { "spec.clusterIP": text(spec.clusterIP), "spec.type": text(spec.type) };
    },
  },
});

const endpoints = declareKind({
  group: "",
  version: "v1",
  kind: "Endpoints",
  resource: "endpoints",
  namespaced: true,
  shortNames: ["ep"],
  createsOnUpdate: true,
  deprecation: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
  strategy: {
    fillDefaults: (object) => {
      for (const subset of Array.isArray(object.subsets) ? object.subsets : []) {
        const ports = fieldsOf(subset).ports;
        for (const port of Array.isArray(ports) ? ports : []) if (isFields(port)) setDefault(port, "protocol", "TCP");
      }
    },
  },
});

const configMaps = declareKind({
  group: "",
  version: "v1",
  kind: "ConfigMap",
  resource: "configmaps",
  namespaced: true,
  shortNames: ["cm"],
});

/** `stringData` is written only: it joins `data` in base64. */
function encodeSecret(secret: KubeObject): void {
  setDefault(secret, "type", "Opaque");
  if (isFields(secret.stringData)) {
    const encoded = Object.entries(secret.stringData).map(([key, value]) => [
      key,
      Buffer.from(String(value)).toString("base64"),
    ]);
    secret.data = { ...fieldsOf(secret.data), ...Object.fromEntries(encoded) };
  }
  delete secret.stringData;
}

const secrets = declareKind({
  group: "",
  version: "v1",
  kind: "Secret",
  resource: "secrets",
  namespaced: true,
  strategy: {
    fillDefaults: encodeSecret,
    selectable: (secret) => ({ type: text(secret.type) }),
  },
});

const serviceAccounts = declareKind({
  group: "",
  version: "v1",
  kind: "ServiceAccount",
  resource: "serviceaccounts",
  namespaced: true,
  shortNames: ["sa"],
  answersDeleted: true,
  subresources: [
    { name: "token", kind: "TokenRequest", group: "authentication.k8s.io", version: "v1", verbs: ["create"] },
  ],
});

/** The kinds of the core group. */
export const coreKinds: readonly ResourceKind[] = [
  namespaces,
  nodes,
  pods,
  services,
  endpoints,
  configMaps,
  secrets,
  serviceAccounts,
  coreEvents,
];
