import { readFileSync } from "node:fs";
import { arch, cpus, totalmem } from "node:os";
import { type KubeClient, KubeError, type KubeObject, Leases, NODE_LEASES, Nodes } from "../kube/client/index.ts";
import { timestamp } from "../kube/object.ts";
import { KUBELET_PORT } from "../model/addresses.ts";
import { addressesOf, type KubeletNode } from "./options.ts";
import { pause } from "./pause.ts";

const LEASE_INTERVAL_MS = 10_000;
const LEASE_SECONDS = 40;
const STATUS_INTERVAL_MS = 60_000;
const RETRY_MS = 100;
const MAX_PODS = 250;
const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";

interface NodeAddress {
  readonly type: string;
  readonly address: string;
}

function machine(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}

function osImage(): string {
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(machine("/etc/os-release"))?.[1] ?? "Linux";
}

function architecture(): string {
  return arch() === "x64" ? "amd64" : arch();
}

function labelsOf(node: KubeletNode): Record<string, string> {
  return {
    "kubernetes.io/hostname": node.name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": architecture(),
    "beta.kubernetes.io/os": "linux",
    "beta.kubernetes.io/arch": architecture(),
    ...(node.controlPlane ? { [CONTROL_PLANE]: "" } : {}),
  };
}

function conditions(nowMs: number, sinceMs: number): unknown[] {
  const since = timestamp(sinceMs);
  const condition = (type: string, status: string, reason: string, message: string) => ({
    ...{ type, status, reason, message, lastHeartbeatTime: timestamp(nowMs), lastTransitionTime: since },
  });
  return [
    condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
  ];
}

/** IPv4 first: what asks for one address of a node takes the first. */
function nodeAddresses(node: KubeletNode): NodeAddress[] {
  return [
    ...addressesOf(node).map((address) => ({ type: "InternalIP", address })),
    { type: "Hostname", address: node.name },
  ];
}

function podCidrs({ podCidr, podCidr6 }: KubeletNode): { podCIDR: string; podCIDRs: string[] } {
  return { podCIDR: podCidr, podCIDRs: podCidr6 === undefined ? [podCidr] : [podCidr, podCidr6] };
}

function statusOf(node: KubeletNode, version: string, sinceMs: number): Record<string, unknown> {
  const capacity = { cpu: String(cpus().length), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: String(MAX_PODS) };
  return {
    ...{ capacity, allocatable: capacity, conditions: conditions(Date.now(), sinceMs) },
    addresses: nodeAddresses(node),
    daemonEndpoints: { kubeletEndpoint: { Port: KUBELET_PORT } },
    nodeInfo: {
      machineID: machine("/etc/machine-id"),
      systemUUID: machine("/etc/machine-id"),
      bootID: machine("/proc/sys/kernel/random/boot_id"),
      kernelVersion: machine("/proc/sys/kernel/osrelease"),
      osImage: osImage(),
      containerRuntimeVersion: `shieldgate://${version.replace(/^v/, "")}`,
      kubeletVersion: version,
      kubeProxyVersion: "",
      operatingSystem: "linux",
      architecture: architecture(),
    },
  };
}

/** What is registered of a node. */
export function nodeObject(node: KubeletNode): KubeObject {
  const taints = [{ key: CONTROL_PLANE, effect: "NoSchedule" }];
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: node.name, labels: labelsOf(node) },
    spec: { ...podCidrs(node), ...(node.controlPlane ? { taints } : {}) },
  };
}

/** Creates a node's object, or brings labels and podCIDR of an existing one up to date; then its status. */
async function register(client: KubeClient, node: KubeletNode, version: string, sinceMs: number): Promise<void> {
  try {
    await client.create(Nodes, nodeObject(node));
  } catch (error) {
    if (!(error instanceof KubeError) || error.code !== 409) throw error;
    const labels = { metadata: { labels: labelsOf(node) }, spec: podCidrs(node) };
    await client.patch(Nodes, node.name, labels, { type: "strategic" });
  }
  await postStatus(client, node, version, sinceMs);
}

async function postStatus(client: KubeClient, node: KubeletNode, version: string, sinceMs: number): Promise<void> {
  const status = statusOf(node, version, sinceMs);
  // the list merges by type, and a node of two families has two addresses of one type: it is replaced as a whole
  const addresses = [{ $patch: "replace" }, ...nodeAddresses(node)];
  await client.patch(
    Nodes,
    node.name,
    { status: { ...status, addresses } },
    { type: "strategic", subresource: "status" },
  );
}

async function renewLease(client: KubeClient, node: KubeletNode): Promise<void> {
  const renewTime = new Date().toISOString().replace(/Z$/, "000Z");
  const options = { namespace: NODE_LEASES, type: "merge" } as const;
  try {
    await client.patch(Leases, node.name, { spec: { renewTime } }, options);
  } catch (error) {
    if (!(error instanceof KubeError) || error.code !== 404) throw error;
    await client.create(Leases, {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: node.name, namespace: NODE_LEASES },
      spec: { holderIdentity: node.name, leaseDurationSeconds: LEASE_SECONDS, renewTime },
    });
  }
}

async function repeat(
  everyMs: number,
  signal: AbortSignal,
  log: (line: string) => void,
  what: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await what().catch((error: Error) => log(error.message));
    await pause(everyMs, signal);
  }
}

/** Registers a node, trying until the API takes it, and keeps its status and its lease fresh until the signal. */
export async function keepNode(
  client: KubeClient,
  node: KubeletNode,
  version: string,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> {
  const sinceMs = Date.now();
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      await register(client, node, version, sinceMs);
      break;
    } catch (error) {
      if (tries % 50 === 0) log(`register node ${node.name}: ${(error as Error).message}; trying again`);
      await pause(RETRY_MS, signal);
    }
  }
  const say = (line: string) => log(`node ${node.name}: ${line}`);
  void repeat(LEASE_INTERVAL_MS, signal, say, () => renewLease(client, node));
  void pause(STATUS_INTERVAL_MS, signal).then(() =>
    repeat(STATUS_INTERVAL_MS, signal, say, async () => {
      await register(client, node, version, sinceMs);
    }),
  );
}
