import { createInformer, Pods } from "../kube/client/index.ts";
import type { ExecConfig, ExecSession } from "../runtime/port.ts";
import { enterHostProcess } from "../runtime/process/host-exec.ts";
import { createAgentClient } from "./agent-client.ts";
import { createEventRecorder } from "./events.ts";
import { HostProcessWorker } from "./host-process.ts";
import { NodePods, type Worker } from "./node-pods.ts";
import { keepNode } from "./node-registration.ts";
import { createObjectReader } from "./object-reader.ts";
import type { KubeletNode, KubeletOptions } from "./options.ts";
import { hostProcessOf, type Pod } from "./pod.ts";
import { readNetworkRecord, tearDownPodNetwork } from "./pod-network.ts";
import { PodWorker, type WorkerPlace } from "./pod-worker.ts";
import { type KubeletServer, startServer } from "./server/server.ts";

/** A running kubelet. */
export interface Kubelet {
  /** Leaves everything running: pods go on, and the next kubelet adopts them. */
  close(): Promise<void>;
}

function makeWorker(options: KubeletOptions, node: KubeletNode): (pod: Pod) => Worker {
  const { client, runtime, podsDirectory, log } = options;
  const place: WorkerPlace = {
    ...{ client, runtime, node, podsDirectory, log },
    reader: createObjectReader(client),
    events: createEventRecorder(client, node.name, Date.now, log),
    agent: createAgentClient(node.agentSocket),
    dns: { address: options.clusterDns, domain: options.clusterDomain },
  };
  const enter = (pid: number, config: ExecConfig): ExecSession =>
    enterHostProcess({ podProgram: options.podProgram, pid, path: options.hostProcessPath }, config);
  return (pod) =>
    hostProcessOf(pod) ? new HostProcessWorker(client, node, pod, enter, log) : new PodWorker(place, pod);
}

/** Removes what earlier pods left: sandboxes whose pod the API no longer knows. */
async function removeOrphans(
  options: KubeletOptions,
  nodes: readonly NodePods[],
  agents: readonly KubeletNode[],
): Promise<void> {
  const { runtime, podsDirectory, log } = options;
  const orphans = runtime.listSandboxes().filter((id) => !nodes.some((node) => node.byId(id)));
  await Promise.all(
    orphans.map(async (id) => {
      const record = readNetworkRecord(`${podsDirectory}/${id}`);
      const home = agents.find((node) => record?.podCidr === node.podCidr);
      if (record && home) {
        await tearDownPodNetwork(createAgentClient(home.agentSocket), home.netnsPath, record).catch((error: Error) =>
          log(`network of sandbox ${id}: ${error.message}`),
        );
      }
      await runtime.removeSandbox(id);
    }),
  );
}

/** Starts the kubelet of all given nodes. Resolves when its servers listen; nodes and pods follow as the API allows. */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const ending = new AbortController();
  const nodes = options.nodes.map((node) => new NodePods(node, makeWorker(options, node)));
  options.runtime.onExit((id, container) => {
    for (const node of nodes) node.byId(id)?.exited(container);
  });
  const servers: KubeletServer[] = [];
  for (const pods of nodes) servers.push(await startServer(pods, options.tls));
  for (const { node } of nodes) void keepNode(options.client, node, options.kubeletVersion, ending.signal, options.log);
  const informers = nodes.map((pods) => {
    const informer = createInformer(options.client, Pods, { fieldSelector: `spec.nodeName=${pods.node.name}` });
    pods.follow(informer);
    return informer;
  });
  void Promise.all(informers.map((informer) => informer.start()))
    .then(() => removeOrphans(options, nodes, options.nodes))
    .catch((error: Error) => options.log(`orphans: ${error.message}`));
  return {
    async close() {
      ending.abort();
      for (const informer of informers) informer.stop();
      for (const pods of nodes) pods.detach();
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}
