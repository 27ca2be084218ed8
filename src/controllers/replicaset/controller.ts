import { type KubeObject, Pods, ReplicaSets } from "../../kube/client/index.ts";
import { equalJson, fieldsOf, timestamp } from "../../kube/object.ts";
import { applyClaim, claim } from "../adoption.ts";
import { type ControllerContext, splitKey } from "../context.ts";
import { controllerReference, specOf, statusOf, stays, withCondition } from "../objects.ts";
import { podFromTemplate } from "../pod-from-template.ts";
import { followOwners, makePod, removePod, tellFailedCreate } from "../pod-owners.ts";
import { planReplicas, type ReplicaPlan } from "./reconcile.ts";

const COMPONENT = "replicaset-controller";

/** Keeps as many pods as each replica set asks for. */
export function startReplicaSets(context: ControllerContext): void {
  const sets = context.cache(ReplicaSets);
  const pods = context.cache(Pods);
  const queue = context.queue(COMPONENT, sync);
  followOwners(context, ReplicaSets, "ReplicaSet", queue);

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const set = sets.get(name, namespace);
    if (!set || !stays(set)) return;
    const own = await applyClaim(context, set, Pods, claim(set, pods.list(namespace)));
    const plan = planReplicas(set, own, context.now());
    const failure = await carryOut(context, set, plan);
    await say(context, set, planReplicas(set, applied(set, pods.list(namespace)), context.now()), failure);
    if (plan.lookAgainIn !== undefined) queue.addAfter(key, plan.lookAgainIn);
    if (failure) throw failure;
  }
}

const applied = (set: KubeObject, pods: readonly KubeObject[]): readonly KubeObject[] => claim(set, pods).held;

/** Makes and removes pods; returns the first failure to make one. */
async function carryOut(context: ControllerContext, set: KubeObject, plan: ReplicaPlan): Promise<Error | undefined> {
  const reference = controllerReference(set, "apps", "v1", "ReplicaSet");
  const template = fieldsOf(specOf(set).template);
  const make = () => makePod(context, set, podFromTemplate(set, reference, template), COMPONENT);
  const made = await Promise.allSettled(Array.from({ length: plan.create }, make));
  await Promise.all(plan.remove.map((pod) => removePod(context, set, pod, COMPONENT)));
  const failed = made.find((result) => result.status === "rejected");
  if (!failed) return undefined;
  const error = failed.reason instanceof Error ? failed.reason : new Error(String(failed.reason));
  tellFailedCreate(context, set, error, COMPONENT);
  return error;
}

async function say(
  context: ControllerContext,
  set: KubeObject,
  plan: ReplicaPlan,
  failure: Error | undefined,
): Promise<void> {
  const { conditions, ...counts } = plan.status;
  const others = (Array.isArray(conditions) ? conditions : []).filter(
    (item) => fieldsOf(item).type !== "ReplicaFailure",
  );
  const said = failure
    ? withCondition(
        conditions,
        { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: failure.message },
        timestamp(context.now()),
      )
    : others;
  const status = { ...counts, ...(said.length > 0 ? { conditions: said } : {}) };
  if (equalJson(statusOf(set), status)) return;
  await context.updateStatus(ReplicaSets, { ...set, status });
}
