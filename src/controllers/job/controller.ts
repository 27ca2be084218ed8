import { Jobs, type KubeObject, Pods } from "../../kube/client/index.ts";
import { controllerOf, equalJson } from "../../kube/object.ts";
import { applyClaim, claim } from "../adoption.ts";
import { type ControllerContext, splitKey } from "../context.ts";
import { keyOfObject } from "../object-cache.ts";
import { hasCondition, objectsOf, specOf, statusOf, stays } from "../objects.ts";
import { followOwners, makePodOrTell, removePod } from "../pod-owners.ts";
import { isTracked, released, TRACKING_FINALIZER } from "./account.ts";
import { expiresIn, isFinished, planJob } from "./reconcile.ts";

const COMPONENT = "job-controller";
/** The `managedBy` of jobs that are run here; another controller's are left to it. */
const OURS = "kubernetes.io/job-controller";

/** Runs the pods of each job until enough of them have succeeded, or too many failed. */
export function startJobs(context: ControllerContext): void {
  const jobs = context.cache(Jobs);
  const pods = context.cache(Pods);
  const queue = context.queue(COMPONENT, sync);
  followOwners(context, Jobs, "Job", queue);
  // pods may hold the finalizer of a job that is gone
  jobs.on({ onDelete: (job) => queue.add(keyOfObject(job)) });

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const job = jobs.get(name, namespace);
    await letGo(context, orphans(pods.list(namespace), name, job));
    if (!job || !stays(job)) return;
    const { managedBy = OURS } = specOf(job);
    if (managedBy !== OURS) return;
    if (isFinished(job)) return expire(job, key);
    const own = await applyClaim(context, job, Pods, claim(job, pods.list(namespace)));
    const plan = planJob(job, own, context.now());
    const stored = await write(context, job, plan.status);
    await letGo(context, isFinished(stored) ? own.filter(isTracked) : released(stored, own));
    await Promise.all(plan.remove.map((pod) => removePod(context, job, pod, COMPONENT)));
    await Promise.all(plan.create.map((pod) => makePodOrTell(context, job, pod, COMPONENT)));
    if (plan.lookAgainIn !== undefined) queue.addAfter(key, plan.lookAgainIn);
  }

  /** A finished job goes by itself where it says when. */
  async function expire(job: KubeObject, key: string): Promise<void> {
    const wait = expiresIn(job, context.now());
    if (wait === undefined) return;
    if (wait > 0) queue.addAfter(key, wait);
    else await context.delete(Jobs, job);
  }
}

/** Pods that a job of this name held, and no job holds any more. */
function orphans(pods: readonly KubeObject[], name: string, job: KubeObject | undefined): KubeObject[] {
  return pods.filter((pod) => {
    if (!isTracked(pod)) return false;
    const controller = controllerOf(pod);
    if (controller?.kind !== "Job" || controller.name !== name) return false;
    return controller.uid !== job?.metadata.uid || (job !== undefined && (!stays(job) || isFinished(job)));
  });
}

async function letGo(context: ControllerContext, pods: readonly KubeObject[]): Promise<void> {
  await Promise.all(
    pods.map(async (pod) => {
      const { uid, name, namespace = "", finalizers = [] } = pod.metadata;
      const left = finalizers.filter((finalizer) => finalizer !== TRACKING_FINALIZER);
      const patch = { metadata: { uid, finalizers: left.length > 0 ? left : null } };
      context.cache(Pods).wrote(await context.client.patch(Pods, name, patch, { namespace, type: "merge" }));
    }),
  );
}

/** Writes the status where it changed, tells what happened, and returns the job as it is stored. */
async function write(context: ControllerContext, job: KubeObject, status: object): Promise<KubeObject> {
  if (equalJson(statusOf(job), status)) return job;
  const stored = await context.updateStatus(Jobs, { ...job, status });
  const say = (type: "Normal" | "Warning", reason: string, message: string) =>
    context.events.record(job, { type, reason, message, component: COMPONENT });
  for (const { type, status: value, reason, message } of objectsOf(statusOf(stored).conditions)) {
    if (hasCondition(job, String(type)) === (value === "True")) continue;
    if (type === "Complete") say("Normal", "Completed", "Job completed");
    if (type === "Failed") say("Warning", String(reason), String(message));
    if (type === "Suspended") say("Normal", value === "True" ? "Suspended" : "Resumed", String(message));
  }
  return stored;
}
