import { ControllerRevisions, DaemonSets, type KubeObject, Nodes, Pods } from "../../kube/client/index.ts";
import { equalJson, fieldsOf } from "../../kube/object.ts";
import { applyClaim, claim } from "../adoption.ts";
import { type ControllerContext, splitKey } from "../context.ts";
import { keyOfObject } from "../object-cache.ts";
import { labelsOf, specOf, statusOf, stays } from "../objects.ts";
import { followOwners, makePodOrTell, removePod } from "../pod-owners.ts";
import { keepRevisions } from "../revisions.ts";
import { currentHash, HASH_LABEL, planDaemons } from "./reconcile.ts";

const COMPONENT = "daemonset-controller";

/** Keeps one pod of each daemon set on each node where it belongs. */
export function startDaemonSets(context: ControllerContext): void {
  const sets = context.cache(DaemonSets);
  const pods = context.cache(Pods);
  const nodes = context.cache(Nodes);
  context.cache(ControllerRevisions);
  const queue = context.queue(COMPONENT, sync);
  const addAll = (): void => {
    for (const set of sets.list()) queue.add(keyOfObject(set));
  };
  followOwners(context, DaemonSets, "DaemonSet", queue);
  nodes.on({
    onAdd: addAll,
    onUpdate: (old, node) => {
      if (!equalJson(labelsOf(old), labelsOf(node)) || !equalJson(specOf(old), specOf(node))) addAll();
    },
    onDelete: addAll,
  });

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const set = sets.get(name, namespace);
    if (!set || !stays(set)) return;
    const present = nodes.list().filter(stays);
    const own = await applyClaim(context, set, Pods, claim(set, pods.list(namespace)));
    await keep(context, set, own);
    const plan = planDaemons(set, present, own, context.now());
    await Promise.all([
      ...plan.create.map((pod) => makePodOrTell(context, set, pod, COMPONENT)),
      ...plan.remove.map((pod) => removePod(context, set, pod, COMPONENT)),
    ]);
    const after = planDaemons(set, present, claim(set, pods.list(namespace)).held, context.now());
    if (!equalJson(statusOf(set), after.status))
      await context.updateStatus(DaemonSets, { ...set, status: after.status });
    if (plan.lookAgainIn !== undefined) queue.addAfter(key, plan.lookAgainIn);
  }
}

/** The revisions by which `kubectl rollout` shows and undoes updates. */
async function keep(context: ControllerContext, set: KubeObject, pods: readonly KubeObject[]): Promise<void> {
  const hash = currentHash(set);
  const { labels } = fieldsOf(fieldsOf(specOf(set).template).metadata);
  const inUse = new Set(pods.map((pod) => `${set.metadata.name}-${labelsOf(pod)[HASH_LABEL]}`));
  const style = { hash, labels: { ...(labels as Record<string, string> | undefined), [HASH_LABEL]: hash } };
  await keepRevisions(context, set, style, inUse);
}
