import { fieldsOf, type KubeObject, listOf } from "../object.ts";
import { AGE, type Column, CREATED_AT, count, NAME, objectsOf, specOf, statusOf, text, wide } from "./column.ts";
import { since } from "./duration.ts";

const ROLE_LABEL = "node-role.kubernetes.io/";

function nodeStatus(node: KubeObject): string {
  const ready = objectsOf(statusOf(node).conditions).find((condition) => condition.type === "Ready");
  const state = ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady";
  return specOf(node).unschedulable === true ? `${state},SchedulingDisabled` : state;
}

function nodeRoles(node: KubeObject): string {
  const roles = Object.entries(node.metadata.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(ROLE_LABEL) && key.length > ROLE_LABEL.length) return [key.slice(ROLE_LABEL.length)];
    return key === "kubernetes.io/role" && value !== "" ? [value] : [];
  });
  return [...new Set(roles)].sort().join(",") || "<none>";
}

function nodeAddress(node: KubeObject, type: string): string {
  const found = objectsOf(statusOf(node).addresses).find((address) => address.type === type);
  return text(found?.address, "<none>");
}

const nodeInfo = (field: string, absent: string) => (node: KubeObject) =>
  text(fieldsOf(statusOf(node).nodeInfo)[field], absent);

export const NODE_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Status", cell: nodeStatus },
  { name: "Roles", cell: nodeRoles },
  AGE,
  { name: "Version", cell: nodeInfo("kubeletVersion", "") },
  wide({ name: "Internal-IP", cell: (node) => nodeAddress(node, "InternalIP") }),
  wide({ name: "External-IP", cell: (node) => nodeAddress(node, "ExternalIP") }),
  wide({ name: "OS-Image", cell: nodeInfo("osImage", "<unknown>") }),
  wide({ name: "Kernel-Version", cell: nodeInfo("kernelVersion", "<unknown>") }),
  wide({ name: "Container-Runtime", cell: nodeInfo("containerRuntimeVersion", "<unknown>") }),
];

export const NAMESPACE_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Status", cell: (object) => text(statusOf(object).phase) },
  AGE,
];

const size = (value: unknown): number => Object.keys(fieldsOf(value)).length;

export const CONFIG_MAP_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Data", cell: (object) => size(object.data) + size(object.binaryData) },
  AGE,
];

export const SECRET_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Type", cell: (secret) => text(secret.type, "Opaque") },
  { name: "Data", cell: (secret) => size(secret.data) },
  AGE,
];

export const SERVICE_ACCOUNT_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Secrets", type: "string", cell: (account) => listOf(account.secrets).length },
  AGE,
];

export const LEASE_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Holder", cell: (lease) => text(specOf(lease).holderIdentity) },
  AGE,
];

export const DEFINITION_COLUMNS: readonly Column[] = [NAME, CREATED_AT];
export const ROLE_COLUMNS: readonly Column[] = [NAME, CREATED_AT];

function subjects(binding: KubeObject, kind: string): string {
  const found = objectsOf(binding.subjects).filter((subject) => subject.kind === kind);
  const names = found.map(({ name, namespace }) =>
    kind === "ServiceAccount" ? `${text(namespace)}/${name}` : String(name),
  );
  return names.join(", ");
}

export const ROLE_BINDING_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Role", cell: ({ roleRef }) => `${fieldsOf(roleRef).kind}/${fieldsOf(roleRef).name}` },
  AGE,
  wide({ name: "Users", cell: (binding) => subjects(binding, "User") }),
  wide({ name: "Groups", cell: (binding) => subjects(binding, "Group") }),
  wide({ name: "ServiceAccounts", cell: (binding) => subjects(binding, "ServiceAccount") }),
];

function firstSeen(event: KubeObject, now: number): string {
  return since(event.firstTimestamp || event.eventTime || event.deprecatedFirstTimestamp, now);
}

function lastSeen(event: KubeObject, now: number): string {
  const series = fieldsOf(event.series).lastObservedTime;
  const last = series || event.lastTimestamp || event.deprecatedLastTimestamp;
  return last ? since(last, now) : firstSeen(event, now);
}

function eventObject(event: KubeObject): string {
  const { kind, name } = fieldsOf(event.involvedObject ?? event.regarding);
  return name ? `${text(kind).toLowerCase()}/${name}` : text(kind).toLowerCase();
}

function eventSource(event: KubeObject): string {
  const { component, host } = fieldsOf(event.source ?? event.deprecatedSource);
  const parts = [
    text(component, text(event.reportingComponent ?? event.reportingController)),
    text(host, text(event.reportingInstance)),
  ];
  return parts.filter((part) => part !== "").join(", ");
}

/** Events of both groups: the newer one names the same facts differently. */
export const EVENT_COLUMNS: readonly Column[] = [
  { name: "Last Seen", cell: lastSeen },
  { name: "Type", cell: (event) => text(event.type) },
  { name: "Reason", cell: (event) => text(event.reason) },
  { name: "Object", cell: eventObject },
  wide({ name: "Subobject", cell: (event) => text(fieldsOf(event.involvedObject ?? event.regarding).fieldPath) }),
  wide({ name: "Source", cell: eventSource }),
  { name: "Message", cell: (event) => text(event.message ?? event.note).trim() },
  wide({ name: "First Seen", cell: firstSeen }),
  wide({
    name: "Count",
    cell: (event) => count(fieldsOf(event.series).count) || count(event.count ?? event.deprecatedCount) || 1,
  }),
  wide({ ...NAME }),
];
