import { KubeError, type KubeObject, Nodes, Pods } from "../../kube/client/index.ts";
import { equalJson, timestamp } from "../../kube/object.ts";
import { type ControllerContext, splitKey } from "../context.ts";
import { keyOfObject } from "../object-cache.ts";
import {
  conditionOf,
  hasCondition,
  hasEnded,
  isActive,
  labelsOf,
  specOf,
  statusOf,
  stays,
  withCondition,
} from "../objects.ts";
import type { Candidate } from "./fit.ts";
import { place } from "./place.ts";

const COMPONENT = "default-scheduler";

function isWaiting(pod: KubeObject): boolean {
  const { nodeName, schedulerName = COMPONENT, schedulingGates } = specOf(pod);
  const gated = Array.isArray(schedulingGates) && schedulingGates.length > 0;
  return !nodeName && schedulerName === COMPONENT && !gated && stays(pod) && !hasEnded(pod);
}

/** Changes of a node that may let a waiting pod in. */
function opensUp(old: KubeObject, next: KubeObject): boolean {
  return (
    !equalJson(specOf(old), specOf(next)) ||
    !equalJson(labelsOf(old), labelsOf(next)) ||
    !equalJson(statusOf(old).allocatable, statusOf(next).allocatable) ||
    hasCondition(old, "Ready") !== hasCondition(next, "Ready")
  );
}

/** Gives each pod without a node a node. */
export function startScheduler(context: ControllerContext): void {
  const pods = context.cache(Pods);
  const nodes = context.cache(Nodes);
  /** Pods that have been given a node, until the watch says so. */
  const assumed = new Map<string, { uid: string | undefined; node: string }>();
  const queue = context.queue(COMPONENT, sync, 64);
  const addWaiting = (): void => {
    for (const pod of pods.list()) if (isWaiting(pod)) queue.add(keyOfObject(pod));
  };
  const learn = (pod: KubeObject): void => {
    const key = keyOfObject(pod);
    if (specOf(pod).nodeName || assumed.get(key)?.uid !== pod.metadata.uid) assumed.delete(key);
    if (isWaiting(pod)) queue.add(key);
  };
  pods.on({
    onAdd: learn,
    onUpdate: (old, pod) => {
      learn(pod);
      if (isActive(old) && !isActive(pod)) addWaiting();
    },
    onDelete: (pod) => {
      assumed.delete(keyOfObject(pod));
      addWaiting();
    },
  });
  nodes.on({
    onAdd: addWaiting,
    onUpdate: (old, node) => {
      if (opensUp(old, node)) addWaiting();
    },
  });

  function candidates(): Candidate[] {
    const byNode = new Map<string, KubeObject[]>();
    for (const pod of pods.list()) {
      const node = specOf(pod).nodeName ?? assumed.get(keyOfObject(pod))?.node;
      if (typeof node === "string" && !hasEnded(pod)) byNode.set(node, [...(byNode.get(node) ?? []), pod]);
    }
    return nodes
      .list()
      .filter(stays)
      .map((node) => ({ node, pods: byNode.get(node.metadata.name) ?? [] }));
  }

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const pod = pods.get(name, namespace);
    if (!pod || !isWaiting(pod) || assumed.has(key)) return;
    const placement = place(pod, candidates());
    if ("unschedulable" in placement) return refuse(context, pod, placement.unschedulable);
    assumed.set(key, { uid: pod.metadata.uid, node: placement.node });
    try {
      await bind(context, pod, placement.node);
    } catch (error) {
      assumed.delete(key);
      if (error instanceof KubeError && error.code === 404) return;
      throw error;
    }
  }
}

async function bind(context: ControllerContext, pod: KubeObject, node: string): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  await context.client.raw("POST", `/api/v1/namespaces/${namespace}/pods/${name}/binding`, {
    apiVersion: "v1",
    kind: "Binding",
    metadata: { name, namespace, uid },
    target: { kind: "Node", name: node },
  });
  const message = `Successfully assigned ${namespace}/${name} to ${node}`;
  context.events.record(pod, { type: "Normal", reason: "Scheduled", message, component: COMPONENT });
}

async function refuse(context: ControllerContext, pod: KubeObject, message: string): Promise<void> {
  const old = conditionOf(pod, "PodScheduled");
  if (old?.status === "False" && old.message === message) return;
  const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message };
  const conditions = withCondition(statusOf(pod).conditions, condition, timestamp(context.now()));
  await context.updateStatus(Pods, { ...pod, status: { ...statusOf(pod), conditions } });
  context.events.record(pod, { type: "Warning", reason: "FailedScheduling", message, component: COMPONENT });
}
