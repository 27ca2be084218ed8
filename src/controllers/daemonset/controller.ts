import { ControllerRevisions, DaemonSets, type KubeObject, Nodes, Pods } from "../../kube/client/index.ts";
import { controllerOf, equalJson, fieldsOf } from "../../kube/object.ts";
import { applyClaim, claim } from "../adoption.ts";
import { type ControllerContext, splitKey } from "../context.ts";
import { keyOf, keyOfObject } from "../object-cache.ts";
import { labelsOf, specOf, statusOf, stays } from "../objects.ts";
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
  const addOwner = (pod: KubeObject): void => {
    const controller = controllerOf(pod);
    if (controller?.kind === "DaemonSet") queue.add(keyOf(controller.name, pod.metadata.namespace));
    else if (!controller) for (const set of sets.list(pod.metadata.namespace)) queue.add(keyOfObject(set));
  };
  sets.on({ onAdd: (set) => queue.add(keyOfObject(set)), onUpdate: (_, set) => queue.add(keyOfObject(set)) });
  pods.on({
    onAdd: addOwner,
    onUpdate: (old, pod) => {
      addOwner(old);
      addOwner(pod);
    },
    onDelete: addOwner,
  });
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
      ...plan.create.map((pod) => create(context, set, pod)),
      ...plan.remove.map((pod) => remove(context, set, pod)),
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

async function create(context: ControllerContext, set: KubeObject, pod: KubeObject): Promise<void> {
  try {
    const made = await context.create(Pods, pod);
    const message = `Created pod: ${made.metadata.name}`;
    context.events.record(set, { type: "Normal", reason: "SuccessfulCreate", message, component: COMPONENT });
  } catch (error) {
    const message = `Error creating: ${error instanceof Error ? error.message : String(error)}`;
    context.events.record(set, { type: "Warning", reason: "FailedCreate", message, component: COMPONENT });
    throw error;
  }
}

async function remove(context: ControllerContext, set: KubeObject, pod: KubeObject): Promise<void> {
  await context.delete(Pods, pod);
  const message = `Deleted pod: ${pod.metadata.name}`;
  context.events.record(set, { type: "Normal", reason: "SuccessfulDelete", message, component: COMPONENT });
}
