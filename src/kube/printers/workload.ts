import { controllerOf, fieldsOf, type KubeObject } from "../object.ts";
import {
  AGE,
  type Column,
  count,
  labelText,
  NAME,
  objectsOf,
  selectorText,
  specOf,
  statusOf,
  text,
  wide,
} from "./column.ts";
import { ageText, since } from "./duration.ts";

function containerList(object: KubeObject, field: "name" | "image"): string {
  const spec = fieldsOf(fieldsOf(specOf(object).template).spec);
  return objectsOf(spec.containers)
    .map((container) => text(container[field]))
    .join(",");
}

const CONTAINERS = wide({ name: "Containers", cell: (object) => containerList(object, "name") });
const IMAGES = wide({ name: "Images", cell: (object) => containerList(object, "image") });
const SELECTOR = wide({ name: "Selector", cell: (object) => selectorText(specOf(object).selector) });

const statusCount = (name: string, field: string): Column => ({
  name,
  type: "integer",
  cell: (object) => count(statusOf(object)[field]),
});

const desired: Column = { name: "Desired", type: "integer", cell: (object) => count(specOf(object).replicas ?? 1) };

const readyOfWanted = (object: KubeObject): string =>
  `${count(statusOf(object).readyReplicas)}/${count(specOf(object).replicas ?? 1)}`;

export const DEPLOYMENT_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Ready", cell: readyOfWanted },
  { ...statusCount("Up-to-date", "updatedReplicas"), type: "string" },
  { ...statusCount("Available", "availableReplicas"), type: "string" },
  AGE,
  CONTAINERS,
  IMAGES,
  SELECTOR,
];

export const REPLICA_SET_COLUMNS: readonly Column[] = [
  NAME,
  desired,
  statusCount("Current", "replicas"),
  statusCount("Ready", "readyReplicas"),
  AGE,
  CONTAINERS,
  IMAGES,
  SELECTOR,
];

export const DAEMON_SET_COLUMNS: readonly Column[] = [
  NAME,
  statusCount("Desired", "desiredNumberScheduled"),
  statusCount("Current", "currentNumberScheduled"),
  statusCount("Ready", "numberReady"),
  statusCount("Up-to-date", "updatedNumberScheduled"),
  statusCount("Available", "numberAvailable"),
  { name: "Node Selector", cell: (object) => labelText(fieldsOf(fieldsOf(specOf(object).template).spec).nodeSelector) },
  AGE,
  CONTAINERS,
  IMAGES,
  SELECTOR,
];

export const STATEFUL_SET_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Ready", cell: readyOfWanted },
  AGE,
  CONTAINERS,
  IMAGES,
];

const NONE = "<none>";

/** Of a cron job the pods' template lies a level deeper. */
const cronTemplate = (column: Column): Column => ({
  ...column,
  cell: (cronJob, now) =>
    column.cell({ ...cronJob, spec: fieldsOf(fieldsOf(specOf(cronJob).jobTemplate).spec) } as KubeObject, now),
});

export const CRON_JOB_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Schedule", cell: (cronJob) => text(specOf(cronJob).schedule) },
  { name: "Timezone", cell: (cronJob) => text(specOf(cronJob).timeZone, NONE) },
  { name: "Suspend", type: "boolean", cell: (cronJob) => (specOf(cronJob).suspend === true ? "True" : "False") },
  { name: "Active", type: "integer", cell: (cronJob) => objectsOf(statusOf(cronJob).active).length },
  {
    name: "Last Schedule",
    cell: (cronJob, now) => {
      const { lastScheduleTime } = statusOf(cronJob);
      return lastScheduleTime ? since(lastScheduleTime, now) : NONE;
    },
  },
  AGE,
  ...[CONTAINERS, IMAGES, SELECTOR].map(cronTemplate),
];

function controllerText(revision: KubeObject): string {
  const owner = controllerOf(revision);
  if (owner === undefined) return NONE;
  const group = owner.apiVersion.split("/").at(-2);
  return `${owner.kind.toLowerCase()}${group === undefined ? "" : `.${group}`}/${owner.name}`;
}

export const CONTROLLER_REVISION_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Controller", cell: controllerText },
  { name: "Revision", cell: (revision) => count(revision.revision) },
  AGE,
];

function jobDuration(job: KubeObject, now: number): string {
  const { startTime, completionTime } = statusOf(job);
  if (!startTime) return "";
  const end = completionTime ? Date.parse(String(completionTime)) : now;
  return ageText(end - Date.parse(String(startTime)));
}

/** Jobs without a number of completions are done with one. */
function jobCompletions(job: KubeObject): string {
  const { completions, parallelism } = specOf(job);
  const all = typeof completions === "number" ? completions : count(parallelism) > 1 ? `1 of ${parallelism}` : 1;
  return `${count(statusOf(job).succeeded)}/${all}`;
}

function jobStatus(job: KubeObject): string {
  const held = new Set(
    objectsOf(statusOf(job).conditions)
      .filter((item) => item.status === "True")
      .map((item) => item.type),
  );
  const shown = ["Complete", "Failed", "Terminating", "Suspended", "FailureTarget", "SuccessCriteriaMet"];
  if (job.metadata.deletionTimestamp) held.add("Terminating");
  return shown.find((type) => held.has(type)) ?? "Running";
}

export const JOB_COLUMNS: readonly Column[] = [
  NAME,
  { name: "Status", cell: jobStatus },
  { name: "Completions", cell: jobCompletions },
  { name: "Duration", cell: jobDuration },
  AGE,
  CONTAINERS,
  IMAGES,
  SELECTOR,
];
