import { fieldsOf, type KubeObject, listOf } from "../object.ts";
import { AGE, type Column, CREATED_AT, count, NAME, objectsOf, specOf, statusOf, text, wide } from "./column.ts";

/** Amounts of resources, those that are used beside their limits. */
function usage(quota: KubeObject, isLimit: boolean): string {
  const { used, hard } = statusOf(quota);
  return Object.entries(fieldsOf(hard))
    .filter(([name]) => name.startsWith("limits.") === isLimit)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, most]) => `${name}: ${text(fieldsOf(used)[name], "0")}/${String(most)}`)
    .join(", ");
}

export const QUOTA_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Request", cell: (quota) => usage(quota, false) },
  { name: "Limit", cell: (quota) => usage(quota, true) },
  AGE,
];

export const LIMIT_RANGE_COLUMNS: readonly Column[] = [NAME, CREATED_AT];

const MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};

const modes = (given: readonly unknown[]): string =>
  Object.entries(MODES)
    .flatMap(([mode, short]) => (given.includes(mode) ? [short] : []))
    .join(",");

const isBound = (claim: KubeObject): boolean => text(specOf(claim).volumeName) !== "";

export const CLAIM_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Status", cell: (claim) => (claim.metadata.deletionTimestamp ? "Terminating" : text(statusOf(claim).phase)) },
  { name: "Volume", cell: (claim) => text(specOf(claim).volumeName) },
  { name: "Capacity", cell: (claim) => (isBound(claim) ? text(fieldsOf(statusOf(claim).capacity).storage, "0") : "") },
  {
    name: "Access Modes",
    cell: (claim) => (isBound(claim) ? modes(listOf(statusOf(claim).accessModes)) : ""),
  },
  { name: "StorageClass", cell: (claim) => text(specOf(claim).storageClassName) },
  { name: "VolumeAttributesClass", cell: (claim) => text(specOf(claim).volumeAttributesClassName, "<unset>") },
  AGE,
  wide({ name: "VolumeMode", cell: (claim) => text(specOf(claim).volumeMode) }),
];

export const BUDGET_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Min Available", cell: (budget) => text(specOf(budget).minAvailable, "N/A") },
  { name: "Max Unavailable", cell: (budget) => text(specOf(budget).maxUnavailable, "N/A") },
  { name: "Allowed Disruptions", type: "integer", cell: (budget) => count(statusOf(budget).disruptionsAllowed) },
  AGE,
];

function hosts(ingress: KubeObject): string {
  const names = [
    ...new Set(
      objectsOf(specOf(ingress).rules)
        .map(({ host }) => text(host))
        .filter(Boolean),
    ),
  ];
  if (names.length === 0) return "*";
  return names.length > 3 ? `${names.slice(0, 3).join(",")} + ${names.length - 3} more...` : names.join(",");
}

const addresses = (ingress: KubeObject): string =>
  objectsOf(fieldsOf(statusOf(ingress).loadBalancer).ingress)
    .map(({ ip, hostname }) => text(ip) || text(hostname))
    .join(",");

export const INGRESS_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Class", cell: (ingress) => text(specOf(ingress).ingressClassName, "<none>") },
  { name: "Hosts", cell: hosts },
  { name: "Address", cell: addresses },
  { name: "Ports", cell: (ingress) => (listOf(specOf(ingress).tls).length > 0 ? "80, 443" : "80") },
  AGE,
];

function parameters(ingressClass: KubeObject): string {
  const { apiGroup, kind, name } = fieldsOf(specOf(ingressClass).parameters);
  return kind === undefined ? "<none>" : `${text(kind)}${apiGroup ? `.${String(apiGroup)}` : ""}/${text(name)}`;
}

export const INGRESS_CLASS_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Controller", cell: (object) => text(specOf(object).controller) },
  { name: "Parameters", cell: parameters },
  AGE,
];

const top = (object: KubeObject, field: string): unknown => (object as object as Record<string, unknown>)[field];

export const PRIORITY_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Value", type: "integer", cell: (object) => count(top(object, "value")) },
  { name: "Global-Default", type: "boolean", cell: (object) => top(object, "globalDefault") === true },
  AGE,
  { name: "PreemptionPolicy", cell: (object) => text(top(object, "preemptionPolicy")) },
];

/** One metric as it is wanted; nothing is measured. */
function target({ type, ...metric }: Record<string, unknown>): string {
  const key = text(type).replace(/^./, (first) => first.toLowerCase());
  const { name, target: wanted } = fieldsOf(metric[key]);
  const { averageUtilization, averageValue, value } = fieldsOf(wanted);
  const amount = averageUtilization === undefined ? text(averageValue ?? value) : `${String(averageUtilization)}%`;
  const shown = `<unknown>/${amount}`;
  return key === "resource" || key === "containerResource" ? `${text(name)}: ${shown}` : shown;
}

function targets(scaler: KubeObject): string {
  const all = objectsOf(specOf(scaler).metrics).map(target);
  if (all.length === 0) return "<none>";
  return all.length > 2 ? `${all.slice(0, 2).join(", ")} + ${all.length - 2} more...` : all.join(", ");
}

export const SCALER_COLUMNS: readonly Column[] = [
  NAME,
  {
    name: "Reference",
    cell: (scaler) => {
      const { kind, name } = fieldsOf(specOf(scaler).scaleTargetRef);
      return `${text(kind)}/${text(name)}`;
    },
  },
  { name: "Targets", cell: targets },
  { name: "MinPods", cell: (scaler) => text(specOf(scaler).minReplicas, "<unset>") },
  { name: "MaxPods", cell: (scaler) => count(specOf(scaler).maxReplicas) },
  { name: "Replicas", cell: (scaler) => count(statusOf(scaler).currentReplicas) },
  AGE,
];
