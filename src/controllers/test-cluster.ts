/** An API server with three nodes and all controllers, for tests; its kubelet is paper. */
import type { KubeObject } from "../kube/client/index.ts";
import * as kube from "../kube/client/index.ts";
import { type Fields, fieldsOf, listOf, timestamp } from "../kube/object.ts";
import { ciliumCrds } from "../kube/schema/index.ts";
import { startTestServer, type TestServer } from "../kube/server/test-server.ts";
import { SERVICE_CIDR, SERVICE_CIDR6 } from "../model/addresses.ts";
import { startControllers } from "./index.ts";
import { specOf, statusOf } from "./objects.ts";
import { CONTROL_PLANE_TAINT, node } from "./test-objects.ts";

export interface TestCluster {
  readonly server: TestServer;
  /** What controllers could not do. */
  readonly reports: readonly string[];
  list(ref: kube.ResourceRef, namespace?: string): Promise<KubeObject[]>;
  /** Of the namespace `default`. */
  get(ref: kube.ResourceRef, name: string): Promise<KubeObject>;
  /** The containers of a pod have ended with this exit code. */
  end(pod: KubeObject, exitCode: number): Promise<void>;
  stop(): Promise<void>;
}

/** Asks until the answer is the one wanted; gives up after five seconds. */
export async function until<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<T> {
  for (const end = performance.now() + 5000; ; ) {
    const answer = await ask();
    if (good(answer)) return answer;
    if (performance.now() > end) throw new Error(`still ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function makeNodes({ client }: TestServer): Promise<void> {
  const nodes = [node("k8s-ctr", { taints: [CONTROL_PLANE_TAINT] }), node("k8s-w1"), node("k8s-w2")];
  for (const { metadata, status, ...rest } of nodes) {
    const bare = { ...rest, metadata: { name: metadata.name, labels: metadata.labels! } } as KubeObject;
    const made = await client.create(kube.Nodes, bare);
    await client.updateStatus(kube.Nodes, { ...made, status });
  }
}

/** Runs what is placed, and lets go of what is told to go. Pods for which `comesUp` is false never get ready. */
async function startPaperKubelet(
  { client }: TestServer,
  comesUp: (pod: KubeObject) => boolean,
): Promise<kube.Informer> {
  let lastAddress = 1;
  const run = async (pod: KubeObject): Promise<void> => {
    const { name, namespace = "", deletionTimestamp } = pod.metadata;
    if (deletionTimestamp) {
      // its programs have been told to end, and so have failed
      if (statusOf(pod).phase === "Running")
        await client.updateStatus(kube.Pods, { ...pod, status: { ...statusOf(pod), phase: "Failed" } }).catch(() => {});
      await client.delete(kube.Pods, name, { namespace, gracePeriodSeconds: 0 }).catch(() => {});
      return;
    }
    if (!specOf(pod).nodeName || statusOf(pod).podIP) return;
    const status = comesUp(pod) ? "True" : "False";
    const conditions = [{ type: "Ready", status, lastTransitionTime: timestamp(Date.now()) }];
    const containerStatuses = listOf(specOf(pod).containers).map((container) => ({
      ...{ name: fieldsOf(container).name, image: fieldsOf(container).image, imageID: "", restartCount: 0 },
      ...{ ready: comesUp(pod), state: { running: { startedAt: timestamp(Date.now()) } } },
    }));
    const podIP = `172.20.1.${lastAddress++}`;
    const running: Fields = { phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions, containerStatuses };
    await client.updateStatus(kube.Pods, { ...pod, status: running }).catch(() => {});
  };
  const pods = kube.createInformer(client, kube.Pods);
  pods.on({ onAdd: (pod) => void run(pod), onUpdate: (_, pod) => void run(pod) });
  await pods.start();
  return pods;
}

/** Starts it all; resolves when every controller has seen the world once. */
export async function startTestCluster(
  comesUp: (pod: KubeObject) => boolean = () => true,
  now: () => number = Date.now,
): Promise<TestCluster> {
  const server = await startTestServer({ definitions: ciliumCrds, serviceCidrs: [SERVICE_CIDR, SERVICE_CIDR6] });
  const { client } = server;
  await makeNodes(server);
  const pods = await startPaperKubelet(server, comesUp);
  const reports: string[] = [];
  const controllers = await startControllers(client, {
    validatePolicy: (policy) =>
      fieldsOf(policy.spec).description === "bad" ? { ok: false, errors: ["bad"] } : { ok: true },
    identityGraceMs: 50,
    endpointGraceMs: 20,
    now,
    report: (controller, key, error) => reports.push(`${controller} ${key} ${error}`),
  });
  await controllers.started;
  return {
    server,
    reports,
    list: async (ref, namespace = "default") => (await client.list(ref, { namespace })).items,
    get: (ref, name) => client.get(ref, name, "default"),
    async end(pod, exitCode) {
      const terminated = { exitCode, finishedAt: timestamp(now()) };
      const status = { ...statusOf(pod), phase: exitCode === 0 ? "Succeeded" : "Failed", conditions: [] };
      await client.updateStatus(kube.Pods, {
        ...pod,
        status: { ...status, containerStatuses: [{ name: "a", state: { terminated } }] },
      });
    },
    async stop() {
      pods.stop();
      await controllers.stop();
      await server.close();
    },
  };
}
