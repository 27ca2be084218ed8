import { existsSync } from "node:fs";
import type { KubeClient } from "../kube/client/client.ts";
import { connect } from "../kube/client/connect.ts";
import type { KubeObject } from "../kube/object.ts";
import { DaemonSets, Deployments, Nodes } from "../kube/resources.ts";
import { NODES } from "../model/addresses.ts";
import type { LabPaths } from "./paths.ts";

/** What a lab that starts still waits for; empty = ready. */
export interface Progress {
  readonly waitingFor: readonly string[];
}

interface Condition {
  readonly type: string;
  readonly status: string;
}

interface Counts {
  readonly conditions?: readonly Condition[];
  readonly desiredNumberScheduled?: number;
  readonly numberReady?: number;
  readonly replicas?: number;
  readonly readyReplicas?: number;
}

function status(object: KubeObject): Counts {
  return (object["status"] ?? {}) as Counts;
}

/** Pure: what is missing, given the objects of the API server. */
export function waitingFor(
  nodes: readonly KubeObject[],
  sets: readonly KubeObject[],
  deployments: readonly KubeObject[],
): string[] {
  const isReady = (node: KubeObject | undefined) =>
    node !== undefined && (status(node).conditions ?? []).some((c) => c.type === "Ready" && c.status === "True");
  const named = (objects: readonly KubeObject[], name: string) =>
    objects.find((object) => object.metadata.name === name);
  const missing = NODES.filter((node) => !isReady(named(nodes, node.name))).map(
    (node) => `node ${node.name} to be Ready`,
  );
  for (const name of ["cilium", "cilium-envoy"]) {
    const set = named(sets, name);
    const ready = set ? (status(set).numberReady ?? 0) : 0;
    if (ready < NODES.length) missing.push(`daemon set ${name}: ${ready} of ${NODES.length} pods ready`);
  }
  const dns = named(deployments, "coredns");
  if (!dns || (status(dns).readyReplicas ?? 0) < 1) missing.push("deployment coredns to be ready");
  return missing;
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
  if (client === undefined) return { waitingFor: ["the control plane's kubeconfig"] };
  try {
    const [nodes, sets, deployments] = await Promise.all([
      client.list(Nodes),
      client.list(DaemonSets, { namespace: "kube-system" }),
      client.list(Deployments, { namespace: "kube-system" }),
    ]);
    return { waitingFor: waitingFor(nodes.items, sets.items, deployments.items) };
  } catch (error) {
    return { waitingFor: [`the API server (${(error as Error).message})`] };
  }
}
