import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { IpamResponse } from "../../src/agent/api.ts";
import type { EndpointModel } from "../../src/agent/api-models.ts";
import {
  CiliumEndpoints,
  CiliumNetworkPolicies,
  connect,
  type KubeClient,
  Namespaces,
  Pods,
} from "../../src/kube/client/index.ts";
import { kubeconfig } from "../../src/kube/pki/kubeconfig.ts";
import { type ApiServer, createApiServer } from "../../src/kube/server/api-server.ts";
import { openConnection, openListener } from "../../src/runtime/netns-socket.ts";
import { type EndpointSummary, endpointSummary } from "../support/endpoint-summary.ts";

const NODE = `sgt-h-n${process.pid}`;
const POD = `sgt-h-p${process.pid}`;
const directory = mkdtempSync(join(tmpdir(), "sgt-h-kernel-"));
const pins = join(directory, "bpf");
const run = join(directory, "run");
const ip = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8" });

let server: ApiServer;
let client: KubeClient;
let agent: ChildProcess | undefined;
let output = "";

interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

function call<T>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: join(run, "cilium.sock"), method, path, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
    });
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function until<T>(what: string, probe: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    const found = await Promise.resolve()
      .then(probe)
      .catch(() => undefined);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`${what} did not come; the agent said:\n${output}`);
}

function startAgent(): void {
  const main = [process.execPath, "src/cli/agent.ts", "--node", "n1", "--address", "192.168.10.101"];
  const paths = ["--kubeconfig", join(directory, "kubeconfig"), "--run", run, "--pins", pins];
  const object = ["--bpf-object", "bpf/build/shieldgate.o", "--pod-cidr", "172.20.1.0/24"];
  agent = spawn("nsenter", [`--net=/run/netns/${NODE}`, ...main, ...paths, ...object]);
  for (const stream of [agent.stdout, agent.stderr]) {
    stream?.on("data", (chunk) => {
      output += chunk;
    });
  }
}

async function stopAgent(signal: NodeJS.Signals): Promise<void> {
  const child = agent;
  agent = undefined;
  if (child === undefined || child.exitCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await gone;
}

beforeAll(async () => {
  for (const name of [NODE, POD]) ip("netns", "add", name);
  ip("-n", NODE, "link", "set", "lo", "up");
  ip("-n", NODE, "link", "add", "eth0", "type", "veth", "peer", "name", "fabric");
  ip("-n", NODE, "link", "set", "fabric", "up");
  ip("-n", NODE, "addr", "add", "192.168.10.101/24", "dev", "eth0");
  ip("-n", NODE, "link", "set", "eth0", "up");
  mkdirSync(pins);
  execFileSync("mount", ["-t", "bpf", "bpf", pins]);
  const fd = openListener({ netnsPath: `/run/netns/${NODE}`, host: "127.0.0.1", port: 16_443 });
  const inside = openListener({ host: "127.0.0.1", port: 0 });
  server = await createApiServer({
    store: join(directory, "state.db"),
    certificates: join(directory, "pki"),
    listeners: [{ fd }, { fd: inside }],
  });
  const { ca } = server.authority;
  const { cert, key } = server.authority.client("test", "system:admin", ["system:masters"]);
  client = connect({ server: `https://127.0.0.1:${server.ports[1]}`, ca, cert, key });
  writeFileSync(
    join(directory, "kubeconfig"),
    kubeconfig({ cluster: "t", user: "agent", server: "https://127.0.0.1:16443", ca, credentials: { cert, key } }),
  );
  await client
    .create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } })
    .catch(() => undefined);
});

afterAll(async () => {
  await stopAgent("SIGKILL");
  await server?.close();
  for (const name of [NODE, POD]) if (existsSync(`/run/netns/${name}`)) ip("netns", "del", name);
  if (readFileSync("/proc/mounts", "utf8").includes(` ${pins} `)) execFileSync("umount", [pins]);
  rmSync(directory, { recursive: true });
});

async function runPod(): Promise<EndpointSummary> {
  const pod = await client.create(Pods, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "deathstar", namespace: "default", labels: { org: "empire" } },
    spec: { nodeName: "n1", containers: [{ name: "c", image: "quay.io/cilium/starwars" }] },
  });
  const { body } = await call<IpamResponse>("POST", "/v1/ipam", { owner: "default/deathstar" });
  ip("-n", NODE, "link", "add", "lxc1", "type", "veth", "peer", "name", "eth0", "netns", POD);
  ip("-n", NODE, "link", "set", "lxc1", "up");
  const [host] = JSON.parse(ip("-n", NODE, "-j", "link", "show", "lxc1"));
  const [inside] = JSON.parse(ip("-n", POD, "-j", "link", "show", "eth0"));
  const answer = await call<EndpointModel>("PUT", "/v1/endpoint/c1", {
    containerId: "c1",
    podNamespace: "default",
    podName: "deathstar",
    podUid: pod.metadata.uid,
    address: body.address,
    interfaceName: "lxc1",
    ifindex: host.ifindex,
    mac: inside.address,
    hostMac: host.address,
  });
  expect([answer.status, endpointSummary(answer.body)]).toMatchObject([201, { state: "ready" }]);
  return endpointSummary(answer.body);
}

/** The status of `GET path` at the health endpoint, asked from the node through the datapath. */
function hello(address: string, path: string): Promise<number> {
  const fd = openConnection({ netnsPath: `/run/netns/${NODE}`, host: address, port: 4240 });
  const socket = new Socket({ fd, readable: true, writable: true });
  socket.end(`GET ${path} HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n`);
  return text(socket).then((answer) => Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1]));
}

const endpoints = async () => (await call<EndpointModel[]>("GET", "/v1/endpoint")).body.map(endpointSummary);
const healthEndpoint = () =>
  until("the health endpoint", async () =>
    (await endpoints()).find(({ identity, state }) => identity === 4 && state === "ready"),
  );

const policy = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "rule1", namespace: "default" },
  spec: {
    endpointSelector: { matchLabels: { org: "empire" } },
    ingress: [{ fromEndpoints: [{ matchLabels: { org: "empire" } }] }],
  },
};
const deathstar = async () => (await endpoints()).find(({ podName }) => podName === "deathstar");

test("an agent as a process: endpoint, policy, death, adoption, end", async () => {
  startAgent();
  await until("cilium.sock", () => (existsSync(join(run, "cilium.sock")) ? call("GET", "/v1/healthz") : undefined));
  const health = await healthEndpoint();
  expect([await hello(health.address, "/hello"), await hello(health.address, "/")]).toEqual([200, 404]);
  const endpoint = await runPod();
  const object = await client.get(CiliumEndpoints, "deathstar", "default");
  expect(object.status).toMatchObject({ id: endpoint.id, state: "ready" });

  await client.create(CiliumNetworkPolicies, policy);
  await until("enforcement", async () => ((await deathstar())?.ingressEnforced ? true : undefined));
  const rows = (await call<string[]>("GET", `/v1/endpoint/${endpoint.id}/policy`)).body;
  expect(rows.length).toBeGreaterThan(0);

  await stopAgent("SIGKILL");
  // the namespace of a dead agent's health endpoint goes with it
  await until("the end of lxc_health", () => (ip("-n", NODE, "link").includes("lxc_health") ? undefined : true));
  rmSync(join(run, "cilium.sock"));
  startAgent();
  const adopted = await until("the endpoint after a restart", async () => {
    const found = await deathstar();
    return found?.state === "ready" ? found : undefined;
  });
  expect([adopted.id, adopted.identity, adopted.ingressEnforced]).toEqual([endpoint.id, endpoint.identity, true]);
  expect((await call<string[]>("GET", `/v1/endpoint/${endpoint.id}/policy`)).body).toEqual(rows);

  expect((await healthEndpoint()).address).toBe(health.address);
  expect(await hello(health.address, "/hello")).toBe(200);
  const bpf = (await call<{ identity?: number; localhost?: string }[]>("GET", "/v1/bpf/endpoint")).body;
  // beside them the node's own addresses
  expect(bpf.filter(({ localhost }) => localhost !== undefined)).not.toEqual([]);
  expect(bpf.flatMap(({ identity }) => identity ?? []).sort((a, b) => a - b)).toEqual([4, endpoint.identity]);

  expect((await call("DELETE", "/v1/endpoint/c1")).status).toBe(200);
  await until("the end of the CiliumEndpoint", async () =>
    client.get(CiliumEndpoints, "deathstar", "default").then(
      () => undefined,
      () => true,
    ),
  );
  await stopAgent("SIGTERM");
  expect(readFileSync("/proc/self/net/dev", "utf8")).not.toContain("lxc1");
}, 60_000);
