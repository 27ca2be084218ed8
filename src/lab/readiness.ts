import { existsSync, statSync } from "node:fs";
import type { KubeClient } from "../kube/client/client.ts";
import { connect } from "../kube/client/connect.ts";
import type { KubeObject } from "../kube/object.ts";
import { Nodes, Pods } from "../kube/resources.ts";
import type { LabNode } from "../model/addresses.ts";
import type { LabPaths } from "./paths.ts";
import { DEFAULTS, readSettings } from "./settings.ts";

/** What a lab that starts still waits for; both empty = ready. */
export interface Progress {
  /** Without these it is no lab. */
  readonly waitingFor: readonly string[];
  /** Pods of the user that are being made: worth a moment, but one that cannot start must not hold the lab up. */
  readonly starting: readonly string[];
}

interface ContainerState {
  readonly running?: { readonly startedAt?: string };
  readonly waiting?: { readonly reason?: string };
}

interface Status {
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly containerStatuses?: readonly { readonly state?: ContainerState }[];
}

function statusOf(object: KubeObject): Status {
  return (object["status"] ?? {}) as Status;
}

function isReady(object: KubeObject | undefined): boolean {
  const { conditions = [] } = object ? statusOf(object) : {};
  return conditions.some((condition) => condition.type === "Ready" && condition.status === "True");
}

function states(pod: KubeObject): ContainerState[] {
  return (statusOf(pod).containerStatuses ?? []).flatMap((container) => container.state ?? []);
}

/** True when the status tells of a container from before the lab was started: nobody has looked at the pod since. */
function isStale(pod: KubeObject, startedAtMs: number): boolean {
  // Kubernetes' times have whole seconds
  const second = Math.floor(startedAtMs / 1000) * 1000;
  return states(pod).some((state) => Date.parse(state.running?.startedAt ?? "") < second);
}

function named(pod: KubeObject): string {
  return `pod ${pod.metadata.namespace}/${pod.metadata.name}`;
}

/** Pure: what is missing of the nodes that the lab should have, given the objects of the API server and when the lab was started. */
export function progressOf(
  wanted: readonly LabNode[],
  nodes: readonly KubeObject[],
  pods: readonly KubeObject[],
  startedAtMs: number,
): Progress {
  const nodeNamed = (name: string) => nodes.find((node) => node.metadata.name === name);
  const missing = wanted
    .filter((node) => !isReady(nodeNamed(node.name)))
    .map((node) => `node ${node.name} to be Ready`);
  const stale = pods.filter((pod) => isStale(pod, startedAtMs));
  const fresh = pods.filter((pod) => !stale.includes(pod));
  const each = wanted.length;
  for (const [app, count] of Object.entries({ cilium: each, "cilium-envoy": each, "kube-dns": 1 })) {
    const own = fresh.filter((pod) => pod.metadata.labels?.["k8s-app"] === app && isReady(pod));
    if (own.length < count) missing.push(`pods of ${app}: ${own.length} of ${count} ready`);
  }
  const made = fresh.filter((pod) => states(pod).some((state) => state.waiting?.reason === "ContainerCreating"));
  return {
    waitingFor: [...missing, ...stale.map((pod) => `${named(pod)} to start again`)],
    starting: made.map((pod) => `${named(pod)} to start`),
  };
}

const clients = new Map<string, KubeClient>();

function clientOf(paths: LabPaths): KubeClient | undefined {
  if (!existsSync(paths.kubeconfig)) return undefined;
  const client = clients.get(paths.kubeconfig) ?? connect({ kubeconfig: paths.kubeconfig });
  clients.set(paths.kubeconfig, client);
  return client;
}

/** Asks the API server once. */
export async function readiness(paths: LabPaths): Promise<Progress> {
  const client = clientOf(paths);
  if (client === undefined) return { waitingFor: ["the control plane's kubeconfig"], starting: [] };
  try {
    const [nodes, pods] = await Promise.all([client.list(Nodes), client.list(Pods)]);
    const startedAtMs = statSync(paths.kubeletConfiguration, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const wanted = (readSettings(paths) ?? DEFAULTS).nodes;
    return progressOf(wanted, nodes.items, pods.items, startedAtMs);
  } catch (error) {
    return { waitingFor: [`the API server (${(error as Error).message})`], starting: [] };
  }
}
