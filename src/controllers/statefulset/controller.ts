import { ControllerRevisions, type KubeObject, Pods, StatefulSets } from "../../kube/client/index.ts";
import { equalJson } from "../../kube/object.ts";
import { applyClaim, claim } from "../adoption.ts";
import { type ControllerContext, splitKey } from "../context.ts";
import { templateHash } from "../deployment/hash.ts";
import { labelsOf, specOf, statusOf, stays } from "../objects.ts";
import { followOwners } from "../pod-owners.ts";
import { keepRevisions, templateOf } from "../revisions.ts";
import { planStatefulSet, REVISION_LABEL, type Revision } from "./reconcile.ts";

const COMPONENT = "statefulset-controller";
const HASH_LABEL = "controller.kubernetes.io/hash";

/** Keeps the pods of each stateful set: by number, one after the other, each with a name that stays. */
export function startStatefulSets(context: ControllerContext): void {
  const sets = context.cache(StatefulSets);
  const pods = context.cache(Pods);
  context.cache(ControllerRevisions);
  const queue = context.queue(COMPONENT, sync);
  followOwners(context, StatefulSets, "StatefulSet", queue);

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const set = sets.get(name, namespace);
    if (!set || !stays(set)) return;
    const own = await applyClaim(context, set, Pods, claim(set, pods.list(namespace)));
    const revisions = await revisionsFor(context, set, own);
    const plan = planStatefulSet(set, own, revisions, context.now());
    const made = await Promise.allSettled(plan.create.map((pod) => create(context, set, pod)));
    await Promise.all(plan.remove.map((pod) => remove(context, set, pod)));
    const after = planStatefulSet(set, claim(set, pods.list(namespace)).held, revisions, context.now());
    if (!equalJson(statusOf(set), after.status))
      await context.updateStatus(StatefulSets, { ...set, status: after.status });
    if (plan.lookAgainIn !== undefined) queue.addAfter(key, plan.lookAgainIn);
    const failed = made.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }
}

async function revisionsFor(
  context: ControllerContext,
  set: KubeObject,
  pods: readonly KubeObject[],
): Promise<{ current: Revision; update: Revision }> {
  const hash = templateHash(specOf(set).template);
  const { currentRevision } = statusOf(set);
  const inUse = new Set([String(currentRevision), ...pods.map((pod) => labelsOf(pod)[REVISION_LABEL] ?? "")]);
  const labels = { ...podLabels(set), [HASH_LABEL]: hash };
  const known = await keepRevisions(context, set, { hash, labels }, inUse);
  const [current, update] = [known.find(({ metadata }) => metadata.name === currentRevision), known.at(-1)!];
  const read = (revision: KubeObject): Revision => ({ name: revision.metadata.name, template: templateOf(revision) });
  return { current: read(current ?? update), update: read(update) };
}

function podLabels(set: KubeObject): Record<string, string> {
  const { metadata } = (specOf(set).template ?? {}) as { metadata?: { labels?: Record<string, string> } };
  return metadata?.labels ?? {};
}

async function create(context: ControllerContext, set: KubeObject, pod: KubeObject): Promise<void> {
  const of = `Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name}`;
  try {
    await context.create(Pods, pod);
    const message = `create ${of} successful`;
    context.events.record(set, { type: "Normal", reason: "SuccessfulCreate", message, component: COMPONENT });
  } catch (error) {
    const message = `create ${of} failed error: ${error instanceof Error ? error.message : String(error)}`;
    context.events.record(set, { type: "Warning", reason: "FailedCreate", message, component: COMPONENT });
    throw error;
  }
}

async function remove(context: ControllerContext, set: KubeObject, pod: KubeObject): Promise<void> {
  await context.delete(Pods, pod);
  const message = `delete Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name} successful`;
  context.events.record(set, { type: "Normal", reason: "SuccessfulDelete", message, component: COMPONENT });
}
