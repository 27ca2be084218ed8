import { createInformer, type Informer, Pods } from "../kube/client/index.ts";
import type { ExecConfig, ExecSession } from "../runtime/port.ts";
import { enterHostProcess } from "../runtime/process/host-exec.ts";
import { createAgentClient } from "./agent-client.ts";
import { createEventRecorder } from "./events.ts";
import { HostProcessWorker } from "./host-process.ts";
import { NodePods, type Worker } from "./node-pods.ts";
import { keepNode } from "./node-registration.ts";
import { createObjectReader } from "./object-reader.ts";
import type { KubeletNode, KubeletOptions, KubeletTls } from "./options.ts";
import { hostProcessOf, type Pod } from "./pod.ts";
import { readNetworkRecord, tearDownPodNetwork } from "./pod-network.ts";
import { PodWorker, type WorkerPlace } from "./pod-worker.ts";
import { type KubeletServer, startServer } from "./server/server.ts";

/** A running kubelet. */
export interface Kubelet {
  /** Serves these nodes from now on: new ones are begun, and of those that are missing nothing is left. Others go on untouched. */
  follow(nodes: readonly KubeletNode[], tls: KubeletTls): Promise<void>;
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

/** One node as this kubelet serves it. */
class ServedNode {
  readonly pods: NodePods;
  readonly #options: KubeletOptions;
  readonly #server: KubeletServer;
  readonly #informer: Informer;
  readonly #ending = new AbortController();
  /** Resolves when the node's pods are known. */
  readonly synced: Promise<void>;

  private constructor(options: KubeletOptions, pods: NodePods, server: KubeletServer) {
    const { client, kubeletVersion, log } = options;
    const { node } = pods;
    this.#options = options;
    this.pods = pods;
    this.#server = server;
    void keepNode(client, node, kubeletVersion, this.#ending.signal, log);
    this.#informer = createInformer(client, Pods, { fieldSelector: `spec.nodeName=${node.name}` });
    pods.follow(this.#informer);
    this.synced = this.#informer.start();
  }

  static async start(options: KubeletOptions, node: KubeletNode, tls: KubeletTls): Promise<ServedNode> {
    const pods = new NodePods(node, makeWorker(options, node));
    return new ServedNode(options, pods, await startServer(pods, tls));
  }

  /** Lets go of the node; its pods run on. */
  close(): Promise<void> {
    this.#ending.abort();
    this.#informer.stop();
    this.pods.detach();
    return this.#server.close();
  }

  /** Lets go of the node and removes its sandboxes. Its agent is not asked: it ends with the node. */
  async remove(): Promise<void> {
    const workers = this.pods.workers();
    await this.close();
    const { runtime, log } = this.#options;
    const removal = async (worker: Worker): Promise<void> => {
      const { uid = "" } = worker.pod.metadata;
      await runtime.removeSandbox(uid);
      // one that was just being made
      void worker.done.then(() => runtime.removeSandbox(uid)).catch((error: Error) => log(error.message));
    };
    await Promise.all(workers.map(removal));
  }
}

/** Removes what earlier pods left: sandboxes whose pod the API no longer knows. */
async function removeOrphans(options: KubeletOptions, nodes: readonly NodePods[]): Promise<void> {
  const { runtime, podsDirectory, log } = options;
  const orphans = runtime.listSandboxes().filter((id) => !nodes.some((node) => node.byId(id)));
  await Promise.all(
    orphans.map(async (id) => {
      const record = readNetworkRecord(`${podsDirectory}/${id}`);
      const home = nodes.find(({ node }) => record?.podCidr === node.podCidr)?.node;
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
  const served = new Map<string, ServedNode>();
  let isClosed = false;
  options.runtime.onExit((id, container) => {
    for (const { pods } of served.values()) pods.byId(id)?.exited(container);
  });
  const follow = async (nodes: readonly KubeletNode[], tls: KubeletTls): Promise<void> => {
    const names = new Set(nodes.map(({ name }) => name));
    for (const [name, node] of served) {
      if (names.has(name)) continue;
      served.delete(name);
      await node.remove();
    }
    for (const node of nodes) {
      if (!served.has(node.name)) served.set(node.name, await ServedNode.start(options, node, tls));
    }
  };
  await follow(options.nodes, options.tls);
  const sync = async (): Promise<void> => {
    await Promise.all([...served.values()].map((node) => node.synced));
    // one that is closed before it knows its pods takes none of them for an orphan
    if (!isClosed)
      await removeOrphans(
        options,
        [...served.values()].map(({ pods }) => pods),
      );
  };
  void sync().catch((error: Error) => options.log(`orphans: ${error.message}`));
  return {
    follow,
    async close() {
      isClosed = true;
      await Promise.all([...served.values()].map((node) => node.close()));
    },
  };
}
