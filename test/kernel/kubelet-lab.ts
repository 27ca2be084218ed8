/** One node in a namespace of its own, a real API server and controllers in it, a kubelet, and a stand-in for the agent. */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import type { EndpointChangeRequest } from "../../src/agent/api.ts";
import { connect, type KubeClient } from "../../src/kube/client/index.ts";
import { openAuthority } from "../../src/kube/pki/authority.ts";
import { kubeconfig } from "../../src/kube/pki/kubeconfig.ts";
import { type Kubelet, startKubelet } from "../../src/kubelet/index.ts";
import { createProcessRuntime } from "../../src/runtime/process/runtime.ts";
import type { Kubectl } from "../support/kubectl.ts";

/** Files run side by side, each in a process of its own. */
export const NODE = `sgt-g-${process.pid}`;
const ADDRESS = "192.168.77.10";
const GATEWAY = "172.21.0.1";
const RANGE6 = "fd00:172:21";
/** What a node of both families has besides. */
const BOTH = { address6: "fd00:77::10", podCidr6: `${RANGE6}::/64` };
const repository = join(import.meta.dirname, "../..");

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The agent's API as far as a CNI caller needs it: addresses from a counter, plain routing instead of policy. */
export class AgentStandIn {
  readonly endpoints = new Map<string, EndpointChangeRequest>();
  readonly addresses = new Set<string>();
  readonly #server: Server;
  readonly #netns: string;
  readonly #dual: boolean;
  #next = 2;

  constructor(netns: string, dual: boolean) {
    this.#netns = netns;
    this.#dual = dual;
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks).toString();
        const [status, answer] = this.#answer(
          request.method ?? "",
          request.url ?? "",
          body === "" ? {} : JSON.parse(body),
        );
        response.writeHead(status).end(JSON.stringify(answer));
      });
    });
  }

  async start(path: string): Promise<void> {
    rmSync(path, { force: true });
    await new Promise<void>((resolve) => this.#server.listen(path, resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(method: string, url: string, body: unknown): [number, unknown] {
    const last = url.split("/").at(-1)!;
    if (method === "POST" && url === "/v1/ipam") {
      const own = { address: `172.21.0.${this.#next}`, gateway: GATEWAY, podCidr: "172.21.0.0/24", mtu: 1450 };
      const ipv6 = { address: `${RANGE6}::${this.#next++}`, gateway: `${RANGE6}::1`, podCidr: BOTH.podCidr6 };
      this.addresses.add(own.address);
      if (!this.#dual) return [201, own];
      this.addresses.add(ipv6.address);
      return [201, { ...own, ipv6 }];
    }
    if (method === "DELETE" && url.startsWith("/v1/ipam/")) return [this.addresses.delete(last) ? 200 : 200, {}];
    if (method === "DELETE") return [this.endpoints.delete(last) ? 200 : 200, {}];
    const endpoint = body as EndpointChangeRequest;
    if (endpoint.ifindex === 0) return [400, "no such interface"];
    this.endpoints.set(endpoint.containerId, endpoint);
    const { interfaceName, address } = endpoint;
    execFileSync("ip", ["-n", this.#netns, "route", "replace", `${address}/32`, "dev", interfaceName]);
    execFileSync("ip", ["netns", "exec", this.#netns, "sysctl", "-qw", `net.ipv4.conf.${interfaceName}.proxy_arp=1`]);
    return [201, {}];
  }
}

export class KubeletLab {
  readonly directory = mkdtempSync("/tmp/sgt-g-kubelet-");
  readonly agent: AgentStandIn;
  readonly logs: string[] = [];
  readonly #dual: boolean;
  client!: KubeClient;
  #kubelet: Kubelet | undefined;
  #controlPlane: ChildProcess | undefined;

  /** `families`: those of the lab that this node belongs to. */
  constructor(families: "ipv4" | "dual" = "ipv4") {
    this.#dual = families === "dual";
    this.agent = new AgentStandIn(NODE, this.#dual);
  }

  async start(): Promise<void> {
    execFileSync("sh", [join(repository, "scripts/build-native.sh")]);
    this.#network();
    for (const name of ["pki", "pods", "bin"]) mkdirSync(join(this.directory, name));
    execFileSync("chmod", ["755", this.directory]);
    const authority = openAuthority(join(this.directory, "pki"));
    const port = await this.#startControlPlane();
    const credentials = authority.client("kubelet-client", "system:node:kubelet", ["system:masters"]);
    this.client = connect({ server: `https://127.0.0.1:${port}`, ca: authority.ca, ...credentials });
    const admin = authority.client("admin", "kubernetes-admin", ["system:masters"]);
    const text = kubeconfig({
      cluster: "test",
      server: `https://127.0.0.1:${port}`,
      ca: authority.ca,
      user: "admin",
      credentials: admin,
    });
    writeFileSync(this.kubeconfig, text);
    await this.agent.start(this.agentSocket);
    await this.startKubelet();
  }

  get kubeconfig(): string {
    return join(this.directory, "kubeconfig");
  }

  get agentSocket(): string {
    return join(this.directory, "cilium.sock");
  }

  async startKubelet(): Promise<void> {
    const authority = openAuthority(join(this.directory, "pki"));
    const dist = join(repository, "dist");
    this.#kubelet = await startKubelet({
      client: this.client,
      runtime: createProcessRuntime({
        root: join(this.directory, "pods"),
        nodePath: process.execPath,
        distDirectory: dist,
      }),
      nodes: [
        {
          ...{ name: "node-1", address: ADDRESS, podCidr: "172.21.0.0/24", controlPlane: false },
          ...{ netnsPath: `/run/netns/${NODE}`, agentSocket: this.agentSocket },
          ...(this.#dual ? BOTH : {}),
          records: { agent: join(this.directory, "agent.json"), proxy: join(this.directory, "proxy.json") },
        },
      ],
      podsDirectory: join(this.directory, "pods"),
      podProgram: join(dist, "native/shieldgate-pod"),
      hostProcessPath: join(this.directory, "bin"),
      tls: { ...authority.server("kubelet", "system:node:node-1", [ADDRESS, "node-1"]), clientCa: authority.ca },
      ...{ clusterDns: "10.96.0.10", clusterDomain: "cluster.local", kubeletVersion: "v1.34.0+shieldgate" },
      log: (line) => this.logs.push(line),
    });
  }

  async stopKubelet(): Promise<void> {
    await this.#kubelet?.close();
  }

  async stop(): Promise<void> {
    for (const { items } of [
      await this.client.list({ group: "", version: "v1", resource: "pods", namespaced: true }),
    ]) {
      for (const pod of items) {
        await this.kubectl([
          "delete",
          "pod",
          "-n",
          pod.metadata.namespace!,
          pod.metadata.name,
          "--now",
          "--wait=false",
        ]);
      }
    }
    await this.until(() => readdirSync(join(this.directory, "pods")).length === 2, 10_000);
    await this.stopKubelet();
    this.client.close();
    this.#controlPlane?.kill("SIGKILL");
    await this.agent.stop();
    execFileSync("ip", ["netns", "del", NODE]);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** What a kubectl finds around it: the system's, when it is not said which. */
  environment(kubectl?: Kubectl): NodeJS.ProcessEnv {
    const path = [kubectl?.directory, process.env["PATH"]].filter((part) => part !== undefined).join(":");
    return { ...process.env, ...kubectl?.variables, PATH: path, KUBECONFIG: this.kubeconfig, HOME: this.directory };
  }

  /** The real kubectl, with its exit code. */
  kubectl(
    args: readonly string[],
    options: { input?: string; using?: Kubectl; timeoutMs?: number } = {},
  ): Promise<Ran> {
    const env = this.environment(options.using);
    return new Promise((resolve) => {
      const child = execFile(
        "kubectl",
        [...args],
        { env, timeout: options.timeoutMs ?? 20_000, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) => resolve({ code: error ? Number(error.code ?? 255) : 0, stdout, stderr }),
      );
      child.stdin?.on("error", () => {});
      child.stdin?.end(options.input ?? "");
    });
  }

  async apply(object: object): Promise<void> {
    const ran = await this.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });
    if (ran.code !== 0) throw new Error(ran.stderr);
  }

  async until(done: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (!(await done())) {
      if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${done}\n${this.logs.join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #network(): void {
    execFileSync("sh", [
      "-ec",
      `ip netns del ${NODE} 2>/dev/null || true
       ip netns add ${NODE}
       ip -n ${NODE} link set lo up
       ip -n ${NODE} link add fabric type bridge
       ip -n ${NODE} addr add ${ADDRESS}/24 dev fabric
       ip -n ${NODE} addr add ${GATEWAY}/32 dev fabric
       ip -n ${NODE} link set fabric up
       ip netns exec ${NODE} sysctl -qw net.ipv4.ip_forward=1`,
    ]);
  }

  #startControlPlane(): Promise<number> {
    const main = join(import.meta.dirname, "kubelet-control-plane.ts");
    const child = spawn(
      "nsenter",
      [
        `--net=/run/netns/${NODE}`,
        process.execPath,
        main,
        join(this.directory, "pki"),
        `/proc/${process.pid}/ns/net`,
        ADDRESS,
      ],
      { stdio: ["ignore", "pipe", "inherit", "ipc"] },
    );
    this.#controlPlane = child;
    return new Promise((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`control plane ended with ${code}`)));
      child.stdout!.once("data", (chunk: Buffer) => resolve(Number(chunk.toString())));
    });
  }
}
