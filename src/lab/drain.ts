/** What the API server is told of a node that goes. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  CiliumEndpoints,
  CiliumNodes,
  type KubeClient,
  KubeError,
  type KubeObject,
  Leases,
  NODE_LEASES,
  Nodes,
  Pods,
  type ResourceRef,
} from "../kube/client/index.ts";
import { controllerOf, fieldsOf } from "../kube/object.ts";
import type { LabNode } from "../model/addresses.ts";

/** How long the pods of a node may take to end by themselves. */
const DRAIN_TIMEOUT_MS = 30_000;
const LOOK_MS = 100;

/** The part of the Kubernetes client that is used here. */
type Client = Pick<KubeClient, "list" | "patch" | "delete">;

const nameOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;

async function unlessGone(work: Promise<unknown>): Promise<void> {
  await work.catch((error: Error) => {
    if (!(error instanceof KubeError && (error.code === 404 || error.code === 409))) throw error;
  });
}

function remove(client: Client, ref: ResourceRef, { metadata }: KubeObject, gracePeriodSeconds?: number) {
  const { name, namespace, uid } = metadata;
  const options = {
    ...(namespace ? { namespace } : {}),
    ...(uid ? { preconditions: { uid } } : {}),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
  };
  return unlessGone(client.delete(ref, name, options));
}

async function podsOf(client: Client, node: string): Promise<KubeObject[]> {
  return (await client.list(Pods, { fieldSelector: `spec.nodeName=${node}` })).items;
}

/**
 * Takes a node out of service as `kubectl drain` does: no new pods, and those that are there end in their own time, so that their
 * controllers start others elsewhere. A DaemonSet's stay. What does not end is left to the node's end, and said.
 */
export async function drain(
  client: Client,
  node: string,
  say: (line: string) => void,
  timeoutMs = DRAIN_TIMEOUT_MS,
): Promise<void> {
  await unlessGone(client.patch(Nodes, node, { spec: { unschedulable: true } }, { type: "merge" }));
  const toEnd = async () => (await podsOf(client, node)).filter((pod) => controllerOf(pod)?.kind !== "DaemonSet");
  const deadline = performance.now() + timeoutMs;
  const asked = new Set<string>();
  for (;;) {
    // a pod may have been bound just before
    const pods = await toEnd();
    if (pods.length === 0) return;
    if (performance.now() > deadline) {
      for (const pod of pods) say(`pod ${nameOf(pod)} did not end within ${timeoutMs / 1000} s: it ends with the node`);
      return;
    }
    for (const pod of pods) {
      const { uid = "" } = pod.metadata;
      if (asked.has(uid)) continue;
      asked.add(uid);
      if (controllerOf(pod) === undefined) say(`pod ${nameOf(pod)} has no controller: it goes with the node`);
      await remove(client, Pods, pod);
    }
    await sleep(LOOK_MS);
  }
}

/** Deletes what the API server knows of a node whose processes have ended, until it knows nothing more. */
export async function forgetNode(client: Client, node: LabNode): Promise<void> {
  const { name } = node;
  for (let quiet = 0; quiet < 2; ) {
    await unlessGone(client.delete(Nodes, name));
    const found = await leftovers(client, node);
    for (const [ref, object] of found) await remove(client, ref, object, 0);
    // a controller that has not seen the node go makes another pod for it
    quiet = found.length === 0 ? quiet + 1 : 0;
    await sleep(LOOK_MS);
  }
}

async function leftovers(client: Client, node: LabNode): Promise<[ResourceRef, KubeObject][]> {
  const all = async (ref: ResourceRef, isOurs: (object: KubeObject) => boolean) =>
    (await client.list(ref)).items.filter(isOurs).map((object): [ResourceRef, KubeObject] => [ref, object]);
  const isNamed = (object: KubeObject) => object.metadata.name === node.name;
  const pods = (await podsOf(client, node.name)).map((pod): [ResourceRef, KubeObject] => [Pods, pod]);
  const isHere = (endpoint: KubeObject) => fieldsOf(fieldsOf(endpoint["status"]).networking).node === node.address;
  return [
    ...pods,
    ...(await all(CiliumNodes, isNamed)),
    ...(await all(Leases, (lease) => isNamed(lease) && lease.metadata.namespace === NODE_LEASES)),
    ...(await all(CiliumEndpoints, isHere)),
  ];
}
