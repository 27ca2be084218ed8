import { type KubeObject, Pods, type ResourceRef } from "../kube/client/index.ts";
import { controllerOf } from "../kube/object.ts";
import type { ControllerContext } from "./context.ts";
import { keyOf, keyOfObject } from "./object-cache.ts";
import type { WorkQueue } from "./work-queue.ts";

/** Queues owners of this kind when they or their pods change; a pod that is nobody's may be any owner's of its namespace. */
export function followOwners(context: ControllerContext, ref: ResourceRef, kind: string, queue: WorkQueue): void {
  const owners = context.cache(ref);
  const add = (owner: KubeObject): void => queue.add(keyOfObject(owner));
  const addOwners = (pod: KubeObject): void => {
    const controller = controllerOf(pod);
    if (controller?.kind === kind) queue.add(keyOf(controller.name, pod.metadata.namespace));
    else if (!controller) for (const owner of owners.list(pod.metadata.namespace)) add(owner);
  };
  owners.on({ onAdd: add, onUpdate: (_, owner) => add(owner) });
  context.cache(Pods).on({
    onAdd: addOwners,
    onUpdate: (old, pod) => {
      addOwners(old);
      addOwners(pod);
    },
    onDelete: addOwners,
  });
}

/** Makes a pod, and says so in an event of its owner. */
export async function makePod(
  context: ControllerContext,
  owner: KubeObject,
  pod: KubeObject,
  component: string,
): Promise<void> {
  const made = await context.create(Pods, pod);
  const message = `Created pod: ${made.metadata.name}`;
  context.events.record(owner, { type: "Normal", reason: "SuccessfulCreate", message, component });
}

/** Says in an event of its owner that a pod could not be made. */
export function tellFailedCreate(
  context: ControllerContext,
  owner: KubeObject,
  error: unknown,
  component: string,
): void {
  const message = `Error creating: ${error instanceof Error ? error.message : String(error)}`;
  context.events.record(owner, { type: "Warning", reason: "FailedCreate", message, component });
}

/** Makes a pod, and tells of it or of the failure, which is thrown on. */
export async function makePodOrTell(
  context: ControllerContext,
  owner: KubeObject,
  pod: KubeObject,
  component: string,
): Promise<void> {
  try {
    await makePod(context, owner, pod, component);
  } catch (error) {
    tellFailedCreate(context, owner, error, component);
    throw error;
  }
}

/** Takes a pod away, and says so in an event of its owner. */
export async function removePod(
  context: ControllerContext,
  owner: KubeObject,
  pod: KubeObject,
  component: string,
): Promise<void> {
  await context.delete(Pods, pod);
  const message = `Deleted pod: ${pod.metadata.name}`;
  context.events.record(owner, { type: "Normal", reason: "SuccessfulDelete", message, component });
}
