import { fieldsOf, type KubeObject } from "../../object.ts";
import { defaultCronJob, defaultJob, selectOwnPods } from "../defaults/batch.ts";
import { declareKind, type ResourceKind, statusOf } from "../kind.ts";

/** The kinds of batch/v1. */
export const batchKinds: readonly ResourceKind[] = [
  declareKind({
    group: "batch",
    version: "v1",
    kind: "Job",
    orphansByDefault: true,
    resource: "jobs",
    namespaced: true,
    categories: ["all"],
    counted: true,
    subresources: [statusOf("Job")],
    strategy: {
      fillDefaults: defaultJob,
      prepareCreate: (job) => {
        job.status = {};
        selectOwnPods(job);
      },
      selectable: (job: KubeObject) => ({ "status.successful": String(fieldsOf(job.status).succeeded ?? 0) }),
    },
  }),
  declareKind({
    group: "batch",
    version: "v1",
    kind: "CronJob",
    resource: "cronjobs",
    namespaced: true,
    shortNames: ["cj"],
    categories: ["all"],
    counted: true,
    subresources: [statusOf("CronJob")],
    strategy: {
      fillDefaults: defaultCronJob,
      prepareCreate: (cronJob) => {
        cronJob.status = {};
      },
    },
  }),
];
