import { existsSync, statSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeClient } from "../kube/client/client.ts";
import { connect } from "../kube/client/connect.ts";
import type { KubeObject } from "../kube/object.ts";
import { Leases, NODE_LEASES, Nodes, Pods } from "../kube/resources.ts";
import type { LabNode } from "../model/addresses.ts";
import { isAlive } from "../runtime/process/process-table.ts";
import { commandFor, type LabPaths, nodeRun } from "./paths.ts";
import { readRecord } from "./process-record.ts";
import { DEFAULTS, readSettings } from "./settings.ts";

/** How long a lab or a node that starts is waited for before it is said what is missing. */
const READY_TIMEOUT_MS = 60_000;
/** The API server that is asked is busy with what is waited for. */
const LOOK_MS = 40;
/** How long the user's own pods are waited for beyond that. */
const PODS_TIMEOUT_MS = 3000;

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

/** True when an object's condition Ready says so. */
export function isReady(object: KubeObject | undefined): boolean {
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

/** Pods of these nodes, and those that are on none. Another node is being removed, and its pods with it. */
function podsOn(nodes: readonly LabNode[], pods: readonly KubeObject[]): KubeObject[] {
  const names = new Set(nodes.map(({ name }) => name));
  return pods.filter((pod) => {
    const { nodeName } = (pod["spec"] ?? {}) as { nodeName?: string };
    return nodeName === undefined || names.has(nodeName);
  });
}

/** Nodes that are not Ready, and what of `apps` is missing in the pods. */
function missingOf(
  wanted: readonly LabNode[],
  nodes: readonly KubeObject[],
  pods: readonly KubeObject[],
  apps: Readonly<Record<string, number>>,
): string[] {
  const nodeNamed = (name: string) => nodes.find((node) => node.metadata.name === name);
  const missing = wanted
    .filter((node) => !isReady(nodeNamed(node.name)))
    .map((node) => `node ${node.name} to be Ready`);
  for (const [app, count] of Object.entries(apps)) {
    const own = pods.filter((pod) => pod.metadata.labels?.["k8s-app"] === app && isReady(pod));
    if (own.length < count) missing.push(`pods of ${app}: ${own.length} of ${count} ready`);
  }
  return missing;
}

/** Pure: what is missing of the nodes that the lab should have, given the objects of the API server and when the lab was started. */
export function progressOf(
  wanted: readonly LabNode[],
  nodes: readonly KubeObject[],
  all: readonly KubeObject[],
  startedAtMs: number,
): Progress {
  const pods = podsOn(wanted, all);
  const stale = pods.filter((pod) => isStale(pod, startedAtMs));
  const fresh = pods.filter((pod) => !stale.includes(pod));
  const each = wanted.length;
  const made = fresh.filter((pod) => states(pod).some((state) => state.waiting?.reason === "ContainerCreating"));
  return {
    waitingFor: [
      ...missingOf(wanted, nodes, fresh, { cilium: each, "cilium-envoy": each, "kube-dns": 1 }),
      ...stale.map((pod) => `${named(pod)} to start again`),
    ],
    starting: made.map((pod) => `${named(pod)} to start`),
  };
}

/** Pure: the nodes whose kubelet has not spoken since it was started; `startedAtMs` undefined = it does not run. */
export function unservedNodes(
  wanted: readonly LabNode[],
  leases: readonly KubeObject[],
  startedAtMs: number | undefined,
): string[] {
  const spoke = (name: string): number => {
    const lease = leases.find(({ metadata }) => metadata.name === name);
    return Date.parse(((lease?.["spec"] ?? {}) as { renewTime?: string }).renewTime ?? "");
  };
  return wanted
    .filter(({ name }) => startedAtMs === undefined || !(spoke(name) >= startedAtMs))
    .map(({ name }) => `node ${name} to be served by its kubelet`);
}

/** Pure: what is missing of one node. */
export function nodeProgressOf(wanted: LabNode, nodes: readonly KubeObject[], pods: readonly KubeObject[]): Progress {
  const apps = { cilium: 1, "cilium-envoy": 1 };
  return { waitingFor: missingOf([wanted], nodes, podsOn([wanted], pods), apps), starting: [] };
}

const clients = new Map<string, KubeClient>();

/** The client of whoever brought the lab up; undefined while there is no lab. */
export function adminClient(paths: LabPaths): KubeClient | undefined {
  if (!existsSync(paths.kubeconfig)) return undefined;
  const client = clients.get(paths.kubeconfig) ?? connect({ kubeconfig: paths.kubeconfig });
  clients.set(paths.kubeconfig, client);
  return client;
}

/** True when somebody listens on a unix socket. */
function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Asks the API server once: for the whole lab, or for one node of it. */
export async function readiness(paths: LabPaths, node?: LabNode): Promise<Progress> {
  const client = adminClient(paths);
  if (client === undefined) return { waitingFor: ["the control plane's kubeconfig"], starting: [] };
  try {
    const [nodes, pods] = await Promise.all([client.list(Nodes), client.list(Pods)]);
    if (node !== undefined) {
      const progress = nodeProgressOf(node, nodes.items, pods.items);
      const answers = await isAnswering(join(nodeRun(paths, node.name), "hubble.sock"));
      return answers
        ? progress
        : { ...progress, waitingFor: [...progress.waitingFor, `agent of ${node.name} to answer`] };
    }
    const startedAtMs = statSync(paths.ports, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const wanted = (readSettings(paths) ?? DEFAULTS).nodes;
    const progress = progressOf(wanted, nodes.items, pods.items, startedAtMs);
    if (progress.waitingFor.length > 0) return progress;
    const kubelet = readRecord(paths, "kubelet");
    const leases = await client.list(Leases, { namespace: NODE_LEASES });
    return {
      ...progress,
      waitingFor: unservedNodes(wanted, leases.items, isAlive(kubelet) ? kubelet?.startedAtMs : undefined),
    };
  } catch (error) {
    return { waitingFor: [`the API server (${(error as Error).message})`], starting: [] };
  }
}

/** Waits until the lab is ready, or one node of it. Throws with what is not and where to look. */
export async function waitUntilReady(
  paths: LabPaths,
  report: (progress: Progress) => void,
  node?: LabNode,
): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  let progress: Progress;
  let calmSince: number | undefined;
  do {
    progress = await readiness(paths, node);
    report(progress);
    if (progress.waitingFor.length === 0) {
      calmSince ??= performance.now();
      if (progress.starting.length === 0 || performance.now() - calmSince > PODS_TIMEOUT_MS) return;
    }
    await sleep(LOOK_MS);
  } while (performance.now() < deadline);
  throw new Error(
    `not ready after ${READY_TIMEOUT_MS / 1000} s: ${progress.waitingFor.join("; ")}.\nLogs are in ${paths.logs}; \`${commandFor(paths.lab)} status\` shows more.`,
  );
}
