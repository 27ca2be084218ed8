import { CronJobs, Jobs, KubeError, type KubeObject } from "../../kube/client/index.ts";
import { controllerOf, equalJson, fieldsOf } from "../../kube/object.ts";
import { type ControllerContext, splitKey } from "../context.ts";
import { keyOf, keyOfObject } from "../object-cache.ts";
import { statusOf, stays } from "../objects.ts";
import { planCronJob, referenceTo } from "./reconcile.ts";

const COMPONENT = "cronjob-controller";
/** The longest wait of a timer; a schedule that is due later is looked at again by then. */
const LONGEST_WAIT_MS = 24 * 3_600_000;

/** Starts the jobs of each cron job when they are due, and keeps as many finished ones as it says. */
export function startCronJobs(context: ControllerContext): void {
  const cronJobs = context.cache(CronJobs);
  const jobs = context.cache(Jobs);
  const queue = context.queue(COMPONENT, sync);
  const addOwner = (job: KubeObject): void => {
    const controller = controllerOf(job);
    if (controller?.kind === "CronJob") queue.add(keyOf(controller.name, job.metadata.namespace));
  };
  cronJobs.on({ onAdd: (one) => queue.add(keyOfObject(one)), onUpdate: (_, one) => queue.add(keyOfObject(one)) });
  jobs.on({ onAdd: addOwner, onUpdate: (_, job) => addOwner(job), onDelete: addOwner });

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const cronJob = cronJobs.get(name, namespace);
    if (!cronJob || !stays(cronJob)) return;
    const own = jobs.list(namespace).filter((job) => controllerOf(job)?.uid === cronJob.metadata.uid);
    const plan = planCronJob(cronJob, own, context.now());
    const say = (type: "Normal" | "Warning", reason: string, message: string) =>
      context.events.record(cronJob, { type, reason, message, component: COMPONENT });
    for (const { type, reason, message } of plan.notices) say(type, reason, message);
    for (const job of plan.remove) {
      await context.delete(Jobs, job);
      say("Normal", "SuccessfulDelete", `Deleted job ${job.metadata.name}`);
    }
    let { status } = plan;
    if (plan.create !== undefined) {
      const made = await start(context, plan.create);
      if (made !== undefined) {
        say("Normal", "SuccessfulCreate", `Created job ${made.metadata.name}`);
        const active = [...((fieldsOf(status).active ?? []) as object[]), referenceTo(made)];
        status = { ...status, active };
      }
    }
    if (!equalJson(statusOf(cronJob), status)) await context.updateStatus(CronJobs, { ...cronJob, status });
    if (plan.lookAgainIn !== undefined) queue.addAfter(key, Math.min(plan.lookAgainIn, LONGEST_WAIT_MS));
  }
}

/** Undefined when the run has its job already: its note in the status was lost. */
async function start(context: ControllerContext, job: KubeObject): Promise<KubeObject | undefined> {
  try {
    return await context.create(Jobs, job);
  } catch (error) {
    if (error instanceof KubeError && error.code === 409) return undefined;
    throw error;
  }
}
