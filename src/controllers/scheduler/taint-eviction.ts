import { type KubeObject, Nodes, Pods } from "../../kube/client/index.ts";
import { equalJson, timestamp } from "../../kube/object.ts";
import { type ControllerContext, splitKey } from "../context.ts";
import { keyOfObject } from "../object-cache.ts";
import { hasEnded, objectsOf, specOf, statusOf, stays, withCondition } from "../objects.ts";
import { patience, taintsOf } from "../scheduling.ts";

const COMPONENT = "taint-eviction-controller";

/** Ends pods on nodes that have `NoExecute` taints which they do not tolerate, or do no longer. */
export function startTaintEviction(context: ControllerContext): void {
  const pods = context.cache(Pods);
  const nodes = context.cache(Nodes);
  /** Since when a pod bears its node's taints, by uid: taints do not say when they came. */
  const since = new Map<string, number>();
  const queue = context.queue(COMPONENT, sync);
  const learn = (pod: KubeObject): void => {
    if (specOf(pod).nodeName) queue.add(keyOfObject(pod));
  };
  pods.on({
    onAdd: learn,
    onUpdate: (old, pod) => {
      const seen = ({ nodeName, tolerations }: ReturnType<typeof specOf>) => ({ nodeName, tolerations });
      if (!equalJson(seen(specOf(old)), seen(specOf(pod)))) learn(pod);
    },
    onDelete: ({ metadata }) => since.delete(metadata.uid ?? ""),
  });
  nodes.on({
    onUpdate: (old, node) => {
      if (equalJson(specOf(old).taints, specOf(node).taints)) return;
      for (const pod of pods.list()) if (specOf(pod).nodeName === node.metadata.name) learn(pod);
    },
  });

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const pod = pods.get(name, namespace);
    const node = pod && nodes.get(String(specOf(pod).nodeName));
    if (!pod || !node || !stays(pod) || hasEnded(pod)) return;
    const { uid = "" } = pod.metadata;
    const seconds = patience(objectsOf(specOf(pod).tolerations), taintsOf(node));
    if (seconds === Number.POSITIVE_INFINITY) {
      since.delete(uid);
      return;
    }
    const began = since.get(uid) ?? context.now();
    since.set(uid, began);
    const wait = began + seconds * 1000 - context.now();
    if (wait > 0) queue.addAfter(key, wait);
    else await evict(context, pod);
  }
}

async function evict(context: ControllerContext, pod: KubeObject): Promise<void> {
  const message = "Taint manager: deleting due to NoExecute taint";
  const condition = { type: "DisruptionTarget", status: "True", reason: "DeletionByTaintManager", message };
  const conditions = withCondition(statusOf(pod).conditions, condition, timestamp(context.now()));
  const marked = await context.updateStatus(Pods, { ...pod, status: { ...statusOf(pod), conditions } });
  const { name, namespace = "" } = pod.metadata;
  const what = `Marking for deletion Pod ${namespace}/${name}`;
  context.events.record(pod, { type: "Normal", reason: "TaintManagerEviction", message: what, component: COMPONENT });
  await context.delete(Pods, marked);
}
