import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EndpointChangeRequest, IpamResponse } from "../../src/agent/api.ts";
import type { EndpointModel } from "../../src/agent/api-models.ts";
import { type Agent, createPolicyEngine, startAgent } from "../../src/agent/index.ts";
import type { OpenHealthLink } from "../../src/agent/ports.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { CiliumNetworkPolicies, Namespaces, Pods } from "../../src/kube/resources.ts";
import { Registry } from "../../src/metrics/index.ts";
import type { AccessRecord } from "../../src/model/access-record.ts";
import type { AgentNotification } from "../../src/model/agent-notification.ts";
import type { DnsObservation } from "../../src/model/dns-observation.ts";
import type { NetworkPolicy } from "../../src/proxy/xds.ts";
import { type EndpointSummary, endpointSummary } from "./endpoint-summary.ts";
import { FakeKube } from "./fake-kube.ts";
import { MemoryDatapath } from "./memory-datapath.ts";

const NODE = "k8s-w1";
export const NODE_ADDRESS = "192.168.10.101";

/** A proxy that acknowledges in its own time. */
class FakeProxy {
  connected = true;
  /** Acknowledge by itself, a task later. */
  answers = true;
  readonly published: NetworkPolicy[] = [];
  readonly removed: number[] = [];
  movePorts: (endpointId: number, ports: ReadonlyMap<string, number>) => void = () => undefined;
  /** What a client learns from DNS, for the agent. */
  observe: (observations: readonly DnsObservation[]) => void = () => undefined;
  /** How often it was told that names were given up. */
  forgotten = 0;
  private listeners: ((record: AccessRecord) => void)[] = [];
  private pending: (() => void)[] = [];

  publish(policy: NetworkPolicy): Promise<ReadonlyMap<string, number>> {
    this.published.push(policy);
    return new Promise((resolve) => {
      const ports = new Map(policy.redirects.map((redirect, index) => [redirect.key, 10_000 + index]));
      this.pending.push(() => resolve(ports));
      if (this.answers) setImmediate(() => this.acknowledge());
    });
  }

  acknowledge(): void {
    for (const resolve of this.pending.splice(0)) resolve();
  }

  remove(endpointId: number): void {
    this.removed.push(endpointId);
  }

  onObservations(listener: (observations: readonly DnsObservation[]) => void): void {
    this.observe = listener;
  }

  onAccess(listener: (record: AccessRecord) => void): void {
    this.listeners.push(listener);
  }

  onPortsChanged(listener: (endpointId: number, ports: ReadonlyMap<string, number>) => void): void {
    this.movePorts = listener;
  }

  removeUnpublished(): void {}

  namesForgotten(): void {
    this.forgotten++;
  }

  access(record: AccessRecord): void {
    for (const listener of this.listeners) listener(record);
  }

  async close(): Promise<void> {
    this.listeners = [];
  }
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

function namespaceObject(name: string, labels: Record<string, string>): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { "kubernetes.io/metadata.name": name, ...labels } },
  };
}

/** Whether the process that holds it still lives. */
interface Life {
  alive: boolean;
}

/** Calls take a turn of the loop, and none that a dead process made or waits for does anything any more. */
function heldBy<T extends object>(life: Life, target: T, slow: readonly string[]): T {
  return new Proxy(target, {
    get: (_, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function" || name === "close")
        return typeof value === "function" ? value.bind(target) : value;
      if (!slow.includes(String(name))) return life.alive ? value.bind(target) : () => undefined;
      return async (...args: unknown[]) => {
        await new Promise((resolve) => setImmediate(resolve));
        const result: unknown = life.alive ? await value.apply(target, args) : undefined;
        if (!life.alive) await new Promise(() => undefined);
        return result;
      };
    },
  });
}

const API_CALLS = ["get", "create", "update", "updateStatus", "delete"];

/** One node's agent with everything around it in memory: API, kernel, proxy. The agent may be restarted. */
export class AgentWorld {
  readonly kube = new FakeKube();
  readonly datapath = new MemoryDatapath();
  readonly directory = mkdtempSync(join(tmpdir(), "sgt-h-agent-"));
  readonly interfaces = new Set<string>();
  readonly log: string[] = [];
  readonly flowEvents: Uint8Array[] = [];
  readonly agentEvents: AgentNotification[] = [];
  /** Set to give the node a health endpoint. */
  openHealthLink: OpenHealthLink | undefined;
  readonly healthAddresses: string[] = [];
  proxy = new FakeProxy();
  /** What the agent counts since it was last started. */
  metrics = new Registry();
  agent: Agent | undefined;
  nowMs = 1_700_000_000_000;
  private made = 0;
  private life: Life = { alive: true };

  constructor() {
    this.kube.put(Namespaces, namespaceObject("default", {}));
  }

  get socketPath(): string {
    return join(this.directory, "cilium.sock");
  }

  async start(): Promise<Agent> {
    this.proxy = new FakeProxy();
    this.metrics = new Registry();
    const life = { alive: true };
    this.life = life;
    this.agent = await startAgent({
      node: {
        name: NODE,
        address: NODE_ADDRESS,
        router: "172.20.1.1",
        podCidr: "172.20.1.0/24",
        clusterCidr: "172.20.0.0/16",
        serviceCidr: "10.96.0.0/16",
        networkInterface: "eth0",
        apiServer: false,
        clusterName: "default",
      },
      version: "test",
      client: heldBy(life, this.kube, API_CALLS),
      openInformer: this.kube.informer,
      datapath: heldBy(life, this.datapath, ["addEndpoint", "removeEndpoint"]),
      engine: createPolicyEngine({ clusterName: "default" }),
      proxy: this.proxy,
      metrics: this.metrics,
      openFlows: () => ({
        event: (bytes) => this.flowEvents.push(bytes.slice()),
        access: () => undefined,
        lost: () => undefined,
        agent: (notification) => this.agentEvents.push(notification),
      }),
      stateDirectory: join(this.directory, "state"),
      socketPath: this.socketPath,
      monitorSocketPath: join(this.directory, "monitor1_2.sock"),
      adminSocketPath: join(this.directory, "admin.sock"),
      interfaces: () => this.interfaces,
      ...(this.openHealthLink && { openHealthLink: this.openHealthLink }),
      interfaceName: () => "",
      kubernetesVersion: async () => ({ major: "1", minor: "34", gitVersion: "v1.34.4", platform: "linux/amd64" }),
      now: () => this.nowMs,
      log: (message) => this.log.push(message),
    });
    return this.agent;
  }

  async startSynced(): Promise<void> {
    await (await this.start()).synced;
  }

  /** Ends the agent as SIGTERM does; kernel, API and files stay. */
  async stop(): Promise<void> {
    this.life.alive = false;
    await this.agent?.close();
    this.agent = undefined;
  }

  async end(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true });
  }

  call(method: string, path: string, body?: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = body === undefined ? "" : JSON.stringify(body);
      // without a length nothing of a GET's body would arrive
      const headers = { "content-length": Buffer.byteLength(sent) };
      const call = request({ socketPath: this.socketPath, method, path, headers, agent: false }, (response) => {
        let text = "";
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
      });
      call.on("error", reject);
      call.end(sent);
    });
  }

  putPod(name: string, labels: Record<string, string>, namespace = "default"): KubeObject {
    return this.kube.put(Pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace, labels },
      spec: { nodeName: NODE, serviceAccountName: "default", containers: [] },
    });
  }

  /** The calls of a CNI plugin up to the one that puts policy in force; the pod must exist. */
  async prepare(pod: KubeObject): Promise<EndpointChangeRequest> {
    const number = ++this.made;
    const owner = `${pod.metadata.namespace}/${pod.metadata.name}`;
    const { body } = await this.call("POST", "/v1/ipam", { owner });
    const interfaceName = `lxc${number}`;
    this.interfaces.add(interfaceName);
    return {
      containerId: `container-${number}`,
      podNamespace: pod.metadata.namespace ?? "",
      podName: pod.metadata.name,
      podUid: pod.metadata.uid ?? "",
      address: (body as IpamResponse).address,
      interfaceName,
      ifindex: 100 + number,
      mac: "aa:bb:cc:00:00:01",
      hostMac: "aa:bb:cc:00:00:02",
    };
  }

  put(request: EndpointChangeRequest): Promise<Answer> {
    return this.call("PUT", `/v1/endpoint/${request.containerId}`, request);
  }

  /** A running pod: object, address and endpoint. */
  async runPod(name: string, labels: Record<string, string>, namespace = "default"): Promise<EndpointChangeRequest> {
    const request = await this.prepare(this.putPod(name, labels, namespace));
    const { status, body } = await this.put(request);
    if (status !== 201) throw new Error(`PUT answered ${status}: ${JSON.stringify(body)}`);
    return request;
  }

  async removePod(request: EndpointChangeRequest): Promise<void> {
    this.kube.drop(Pods, request.podName, request.podNamespace);
    this.interfaces.delete(request.interfaceName);
    await this.call("DELETE", `/v1/endpoint/${request.containerId}`);
    await this.call("DELETE", `/v1/ipam/${request.address}`);
  }

  async endpoints(): Promise<readonly EndpointSummary[]> {
    return ((await this.call("GET", "/v1/endpoint")).body as readonly EndpointModel[]).map(endpointSummary);
  }

  policy(name: string, spec: unknown): KubeObject {
    const found = this.kube.peek(CiliumNetworkPolicies, name, "default");
    const object = {
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { name, namespace: "default" },
      spec,
    };
    return found === undefined
      ? this.kube.put(CiliumNetworkPolicies, object)
      : this.kube.replace(CiliumNetworkPolicies, { ...object, metadata: { ...found.metadata } });
  }

  /** Resolves when every event, call and acknowledgement in flight has been dealt with. */
  async settle(): Promise<void> {
    for (let round = 0; round < 30; round++) await new Promise((resolve) => setImmediate(resolve));
  }
}
