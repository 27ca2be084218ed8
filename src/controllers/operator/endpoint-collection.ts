import { CiliumEndpoints, KubeError, type KubeObject, Pods } from "../../kube/client/index.ts";
import { type ControllerContext, splitKey } from "../context.ts";
import { keyOfObject } from "../object-cache.ts";
import { hasEnded } from "../objects.ts";

/** True when an endpoint's pod is gone, has ended, or is another pod of the same name. */
export function isStale(endpoint: KubeObject, pod: KubeObject | undefined): boolean {
  if (!pod || hasEnded(pod)) return true;
  const owner = endpoint.metadata.ownerReferences?.find((reference) => reference.kind === "Pod");
  return owner !== undefined && owner.uid !== pod.metadata.uid;
}

/** Deletes endpoints whose pod is gone: what an agent leaves behind when it dies with its node. */
export function startEndpointCollection(context: ControllerContext, graceMs: number): void {
  const endpoints = context.cache(CiliumEndpoints);
  const pods = context.cache(Pods);
  const queue = context.queue("endpoint-collection", sync);
  // The agent deletes the endpoints of pods that end in order; it goes first.
  const addLater = (object: KubeObject): void => queue.addAfter(keyOfObject(object), graceMs);
  endpoints.on({ onAdd: addLater });
  pods.on({
    onUpdate: (_, pod) => {
      if (hasEnded(pod)) addLater(pod);
    },
    onDelete: addLater,
  });

  async function sync(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const endpoint = endpoints.get(name, namespace);
    if (!endpoint || !isStale(endpoint, pods.get(name, namespace))) return;
    if (isStale(endpoint, await currentPod(context, name, namespace))) await context.delete(CiliumEndpoints, endpoint);
  }
}

/** The watch may be behind: the server has the last word. */
async function currentPod(
  context: ControllerContext,
  name: string,
  namespace: string,
): Promise<KubeObject | undefined> {
  try {
    return await context.client.get(Pods, name, namespace);
  } catch (error) {
    if (error instanceof KubeError && error.code === 404) return undefined;
    throw error;
  }
}
