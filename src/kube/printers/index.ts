/** Server-side tables: what `kubectl get` prints. */
import { type GroupVersionKind, groupVersion, type KubeObject } from "../object.ts";
import {
  CONFIG_MAP_COLUMNS,
  DEFINITION_COLUMNS,
  EVENT_COLUMNS,
  LEASE_COLUMNS,
  NAMESPACE_COLUMNS,
  NODE_COLUMNS,
  ROLE_BINDING_COLUMNS,
  ROLE_COLUMNS,
  SECRET_COLUMNS,
  SERVICE_ACCOUNT_COLUMNS,
} from "./cluster.ts";
import { AGE, type Cell, type Column, NAME } from "./column.ts";
import { customColumns } from "./custom.ts";
import {
  BUDGET_COLUMNS,
  CLAIM_COLUMNS,
  INGRESS_CLASS_COLUMNS,
  INGRESS_COLUMNS,
  LIMIT_RANGE_COLUMNS,
  PRIORITY_COLUMNS,
  QUOTA_COLUMNS,
  SCALER_COLUMNS,
} from "./inert.ts";
import { ENDPOINT_SLICE_COLUMNS, ENDPOINTS_COLUMNS, NETWORK_POLICY_COLUMNS, SERVICE_COLUMNS } from "./network.ts";
import { POD_COLUMNS } from "./pod.ts";
import {
  CONTROLLER_REVISION_COLUMNS,
  CRON_JOB_COLUMNS,
  DAEMON_SET_COLUMNS,
  DEPLOYMENT_COLUMNS,
  JOB_COLUMNS,
  REPLICA_SET_COLUMNS,
  STATEFUL_SET_COLUMNS,
} from "./workload.ts";

export { ageText } from "./duration.ts";

/** A kind, with its CustomResourceDefinition when it is a custom one. */
export interface TableKind extends GroupVersionKind {
  readonly definition?: KubeObject | undefined;
}

export interface TableOptions {
  /** Milliseconds since the epoch, for ages. */
  readonly now: number;
  /** What each row carries beside its cells; `Metadata` when absent. */
  readonly includeObject?: "None" | "Metadata" | "Object";
  /** The list's metadata: resourceVersion, continue, remainingItemCount. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

export interface TableRow {
  readonly cells: readonly Cell[];
  readonly object?: Readonly<Record<string, unknown>>;
}

/** A `Table` of meta.k8s.io/v1 as it goes over the wire. */
export interface Table {
  readonly kind: "Table";
  readonly apiVersion: "meta.k8s.io/v1";
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly columnDefinitions: readonly TableColumn[];
  readonly rows: readonly TableRow[];
}

const columnsByKind: Readonly<Record<string, readonly Column[]>> = {
  "/Pod": POD_COLUMNS,
  "/Node": NODE_COLUMNS,
  "/Namespace": NAMESPACE_COLUMNS,
  "/Service": SERVICE_COLUMNS,
  "/Endpoints": ENDPOINTS_COLUMNS,
  "/ConfigMap": CONFIG_MAP_COLUMNS,
  "/Secret": SECRET_COLUMNS,
  "/Event": EVENT_COLUMNS,
  "/ServiceAccount": SERVICE_ACCOUNT_COLUMNS,
  "/LimitRange": LIMIT_RANGE_COLUMNS,
  "/PersistentVolumeClaim": CLAIM_COLUMNS,
  "/ResourceQuota": QUOTA_COLUMNS,
  "autoscaling/HorizontalPodAutoscaler": SCALER_COLUMNS,
  "networking.k8s.io/Ingress": INGRESS_COLUMNS,
  "networking.k8s.io/IngressClass": INGRESS_CLASS_COLUMNS,
  "policy/PodDisruptionBudget": BUDGET_COLUMNS,
  "scheduling.k8s.io/PriorityClass": PRIORITY_COLUMNS,
  "events.k8s.io/Event": EVENT_COLUMNS,
  "apps/Deployment": DEPLOYMENT_COLUMNS,
  "apps/ReplicaSet": REPLICA_SET_COLUMNS,
  "apps/DaemonSet": DAEMON_SET_COLUMNS,
  "apps/StatefulSet": STATEFUL_SET_COLUMNS,
  "apps/ControllerRevision": CONTROLLER_REVISION_COLUMNS,
  "batch/Job": JOB_COLUMNS,
  "batch/CronJob": CRON_JOB_COLUMNS,
  "discovery.k8s.io/EndpointSlice": ENDPOINT_SLICE_COLUMNS,
  "coordination.k8s.io/Lease": LEASE_COLUMNS,
  "networking.k8s.io/NetworkPolicy": NETWORK_POLICY_COLUMNS,
  "rbac.authorization.k8s.io/Role": ROLE_COLUMNS,
  "rbac.authorization.k8s.io/ClusterRole": ROLE_COLUMNS,
  "rbac.authorization.k8s.io/RoleBinding": ROLE_BINDING_COLUMNS,
  "rbac.authorization.k8s.io/ClusterRoleBinding": ROLE_BINDING_COLUMNS,
  "apiextensions.k8s.io/CustomResourceDefinition": DEFINITION_COLUMNS,
};

function columnsOf(kind: TableKind): readonly Column[] {
  if (kind.definition) return customColumns(kind.definition, kind.version);
  return columnsByKind[`${kind.group}/${kind.kind}`] ?? [NAME, AGE];
}

/** The cells of one object after another, wide columns included. `now` is milliseconds since the epoch. */
export function cellsOf(kind: TableKind, now: number): (object: KubeObject) => Cell[] {
  const columns = columnsOf(kind);
  return (object) => columns.map((column) => column.cell(object, now));
}

function rowObject(kind: TableKind, object: KubeObject, include: TableOptions["includeObject"]): Partial<TableRow> {
  if (include === "None") return {};
  if (include === "Object") {
    return { object: { ...object, kind: kind.kind, apiVersion: groupVersion(kind.group, kind.version) } };
  }
  return { object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata } };
}

/** The table of some objects of one kind, wide columns (priority 1) included: the client leaves them out. */
export function toTable(kind: TableKind, objects: readonly KubeObject[], options: TableOptions): Table {
  const cells = cellsOf(kind, options.now);
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: options.metadata ?? {},
    columnDefinitions: columnsOf(kind).map(
      ({ name, type = "string", format = "", description = "", priority = 0 }) => ({
        name,
        type,
        format,
        description,
        priority,
      }),
    ),
    rows: objects.map((object) => ({
      cells: cells(object),
      ...rowObject(kind, object, options.includeObject),
    })),
  };
}
