/** Namespaces for the datapath's tests: a fabric, two nodes, pods; each node's datapath is a process of its own. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import {
  Aggregation,
  type NodeConfig,
  podMtu,
  type RealizedPolicy,
  type RoutingMode,
} from "../../src/datapath/port.ts";
import type { PolicyMapEntry } from "../../src/policy/policy-map.ts";
import { type LabNode, NodeProcess } from "./datapath-node-process.ts";

export type { LabNode } from "./datapath-node-process.ts";

const root = new URL("../..", import.meta.url).pathname;
/** A pod's tool: `${probe} ping 172.20.1.10`, see datapath-probe.ts. */
export const probe = `${process.execPath} ${root}test/kernel/datapath-probe.ts`;
let labs = 0;

export interface Pod {
  readonly id: number;
  readonly identity: number;
  readonly address: string;
  /** Only in a lab of both families. */
  readonly address6: string;
  readonly netns: string;
  readonly node: LabNode;
  /** Runs a command in the pod's network namespace. */
  run(command: string, timeoutMs?: number): { status: number | null; stdout: string; stderr: string };
  spawn(command: string): ChildProcess;
}

export interface Lab {
  readonly nodes: readonly [LabNode, LabNode];
  readonly fabric: string;
  pod(node: LabNode, id: number, identity: number, host: number): Promise<Pod>;
  close(): Promise<void>;
}

export interface Event {
  type: number;
  subtype: number;
  direction: number;
  endpoint: number;
  src: number;
  dst: number;
  ctStatus: number;
  match: number;
  verdict: number;
  cookie: number;
  protocol: number;
  from: string;
  to: string;
  sport: number;
  dport: number;
  tcpFlags: number;
}

export function inNetns(netns: string, command: string, timeoutMs = 8000) {
  return spawnSync("nsenter", [`--net=/run/netns/${netns}`, "sh", "-c", command], {
    encoding: "utf8",
    timeout: timeoutMs,
  });
}

function ipBatch(lines: readonly string[], netns?: string): void {
  const args = netns ? ["-n", netns, "-batch", "-"] : ["-batch", "-"];
  execFileSync("ip", args, { input: `${lines.join("\n")}\n` });
}

function nodeConfig(index: number, { ipv6, routingMode }: Required<Omit<LabOptions, "watched">>): NodeConfig {
  const range6 = `fd00:172:20:${index}::`;
  const ipv6Config = {
    address: `fd00:192:168:10::10${index}`,
    router: `${range6}1`,
    podCidr: `${range6}/64`,
    clusterCidr: "fd00:172:20::/56",
    serviceCidr: "fd00:10:96::/112",
  };
  return {
    ...(ipv6 ? { ipv6: ipv6Config } : {}),
    routingMode,
    name: `n${index}`,
    address: `192.168.10.10${index}`,
    router: `172.20.${index}.1`,
    podCidr: `172.20.${index}.0/24`,
    clusterCidr: "172.20.0.0/16",
    serviceCidr: "10.96.0.0/16",
    networkInterface: "eth0",
    apiServer: index === 1,
  };
}

/** Neighbours are asked from the link-local address: until it counts, about two seconds, packets of others wait and are lost. */
const NO_DAD = "sysctl -qw net.ipv6.conf.default.accept_dad=0";

function makeFabric(fabric: string, ipv6: boolean): void {
  ipBatch([`netns add ${fabric}`]);
  inNetns(fabric, NO_DAD);
  ipBatch(
    ["link add br0 type bridge", "addr add 192.168.10.1/24 dev br0", "link set br0 up", "link set lo up"],
    fabric,
  );
  if (ipv6) ipBatch(["addr add fd00:192:168:10::1/64 dev br0 nodad"], fabric);
  inNetns(fabric, "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0");
}

function joinFabric(fabric: string, netns: string, config: NodeConfig): void {
  ipBatch([`netns add ${netns}`]);
  inNetns(netns, NO_DAD);
  ipBatch([`link add ${config.name} netns ${fabric} type veth peer name eth0 netns ${netns}`]);
  ipBatch([`link set ${config.name} up master br0`, `route add ${config.podCidr} via ${config.address}`], fabric);
  ipBatch(
    [
      "link set lo up",
      `addr add ${config.address}/24 dev eth0`,
      "link set eth0 up",
      "route add default via 192.168.10.1",
    ],
    netns,
  );
  if (config.ipv6 === undefined) return;
  const { address, podCidr } = config.ipv6;
  ipBatch([`route add ${podCidr} via ${address} dev br0`], fabric);
  ipBatch([`addr add ${address}/64 dev eth0 nodad`, "route add default via fd00:192:168:10::1 dev eth0"], netns);
}

function linkMac(netns: string, name: string): { mac: string; ifindex: number } {
  const text = execFileSync("ip", ["-n", netns, "-j", "link", "show", name], { encoding: "utf8" });
  const [link] = JSON.parse(text) as { address: string; ifindex: number }[];
  if (!link) throw new Error(`no ${name} in ${netns}`);
  return { mac: link.address, ifindex: link.ifindex };
}

function podLines6(address: string, router: string): string[] {
  return [
    `addr add ${address}/128 dev eth0 nodad`,
    `route add ${router} dev eth0`,
    `route add default via ${router} dev eth0`,
  ];
}

function makeVeth(node: LabNode, netns: string, name: string, address: string, address6: string): void {
  const { ipv6 } = node.config;
  ipBatch([`netns add ${netns}`]);
  if (ipv6 === undefined) inNetns(netns, "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
  ipBatch([`link add ${name} netns ${node.netns} type veth peer name eth0 netns ${netns}`]);
  const { router } = node.config;
  ipBatch(
    [
      "link set lo up",
      `addr add ${address}/32 dev eth0`,
      `link set eth0 up mtu ${podMtu(node.config.routingMode)}`,
      `route add ${router} dev eth0 scope link`,
      `route add default via ${router}`,
      ...(ipv6 ? podLines6(address6, ipv6.router) : []),
    ],
    netns,
  );
  ipBatch([`link set ${name} up addrgenmode none`], node.netns);
}

interface PodSpec {
  id: number;
  identity: number;
  /** Last octet of the address. */
  host: number;
  netns: string;
}

function makeEndpoint(node: LabNode, { id, identity, host, netns }: PodSpec) {
  const address = node.config.podCidr.replace("0/24", String(host));
  const address6 = node.config.ipv6?.podCidr.replace("/64", String(host)) ?? "";
  const interfaceName = `lxc${id}`;
  makeVeth(node, netns, interfaceName, address, address6);
  const { ifindex, mac: hostMac } = linkMac(node.netns, interfaceName);
  const own = { id, identity, address, interfaceName, ifindex, mac: linkMac(netns, "eth0").mac, hostMac };
  return address6 === "" ? own : { ...own, address6 };
}

/** Makes the pod's namespace and endpoint, and tells every node where its address is. */
async function addPod(nodes: readonly LabNode[], node: LabNode, spec: PodSpec, children: ChildProcess[]): Promise<Pod> {
  const { netns, identity } = spec;
  const endpoint = makeEndpoint(node, spec);
  await node.call("addEndpoint", endpoint);
  for (const one of nodes) {
    const entry = one === node ? { identity } : { identity, tunnel: node.config.address };
    await one.call("upsertIpcache", `${endpoint.address}/32`, entry);
    if ("address6" in endpoint) await one.call("upsertIpcache", `${endpoint.address6}/128`, entry);
  }
  return {
    address6: "",
    ...endpoint,
    netns,
    node,
    run: (command, timeoutMs) => inNetns(netns, command, timeoutMs),
    spawn(command) {
      const args = [`--net=/run/netns/${netns}`, "sh", "-c", `exec ${command}`];
      const child = spawn("nsenter", args, { stdio: ["pipe", "pipe", "inherit"] });
      children.push(child);
      return child;
    },
  };
}

export interface LabOptions {
  /** With both families. */
  readonly ipv6?: boolean;
  readonly routingMode?: RoutingMode;
  /** Every packet makes an event and the nodes keep all events, as tests want it; else neither. */
  readonly watched?: boolean;
}

/** Starts both nodes with empty pins. */
export async function openLab({ ipv6 = false, routingMode = "tunnel", watched = true }: LabOptions = {}): Promise<Lab> {
  const name = `sgt-c-${process.pid}-${labs++}`;
  const bpffs = `/run/${name}`;
  execFileSync("sh", [`${root}scripts/build-bpf.sh`]);
  mkdirSync(bpffs, { recursive: true });
  execFileSync("mount", ["-t", "bpf", "bpf", bpffs]);
  const namespaces: string[] = [];
  const pods: ChildProcess[] = [];
  const nodes = [1, 2].map(
    (index) => new NodeProcess(nodeConfig(index, { ipv6, routingMode }), `${name}-n${index}`, `${bpffs}/n${index}`),
  ) as [NodeProcess, NodeProcess];
  const close = async () => {
    for (const child of pods) child.kill("SIGKILL");
    for (const node of nodes) await node.kill();
    for (const netns of namespaces.reverse()) spawnSync("ip", ["netns", "del", netns]);
    spawnSync("umount", [bpffs]);
    rmSync(bpffs, { recursive: true, force: true });
  };
  const fabric = `${name}-f`;
  try {
    namespaces.push(fabric, ...nodes.map(({ netns }) => netns));
    makeFabric(fabric, ipv6);
    for (const node of nodes) joinFabric(fabric, node.netns, node.config);
    await Promise.all(nodes.map((node) => node.start()));
    await introduce(nodes, watched);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    nodes,
    fabric,
    async pod(node, id, identity, host) {
      namespaces.push(`${name}-p${id}`);
      return addPod(nodes, node, { id, identity, host, netns: `${name}-p${id}` }, pods);
    },
    close,
  };
}

/** Tells each node of the other and of the world, and sets its events. */
async function introduce(nodes: readonly LabNode[], watched: boolean): Promise<void> {
  for (const node of nodes) {
    for (const other of nodes) if (other !== node) await knowNode(node, other.config);
    await node.call("upsertIpcache", "0.0.0.0/0", { identity: 2 });
    await (watched ? node.call("watch") : node.call("setAggregation", Aggregation.Medium));
  }
}

/** What the agent writes for another node: its address, and its pods' range as nobody's until they are known. */
async function knowNode(node: LabNode, other: NodeConfig): Promise<void> {
  await node.call("upsertIpcache", `${other.address}/32`, { identity: 6, tunnel: other.address });
  await node.call("upsertIpcache", `${other.router}/32`, { identity: 6, tunnel: other.address });
  await node.call("upsertIpcache", other.podCidr, { identity: 0, tunnel: other.address });
  const routes = [[other.podCidr, other.address], ...(other.ipv6 ? [[other.ipv6.podCidr, other.ipv6.address]] : [])];
  if (other.routingMode === "native") await node.call("setRoutes", routes);
  if (other.ipv6 === undefined) return;
  for (const own of [other.ipv6.address, other.ipv6.router])
    await node.call("upsertIpcache", `${own}/128`, { identity: 6, tunnel: other.address });
  await node.call("upsertIpcache", other.ipv6.podCidr, { identity: 0, tunnel: other.address });
}

const BASE: PolicyMapEntry = {
  direction: "ingress",
  identity: 0,
  protocol: 0,
  port: 0,
  portPrefix: 0,
  deny: false,
  precedence: 1,
  authType: 0,
  hasOwnAuth: false,
  origin: 0,
};

export const entry = (part: Partial<PolicyMapEntry>): PolicyMapEntry => ({ ...BASE, ...part });
export const ALLOW_ALL = [entry({}), entry({ direction: "egress" })];

type Wire = Omit<RealizedPolicy, "proxyPorts"> & { proxyPorts: [string, number][] };
/** A policy for the wire to a node's process. */
export function policy(entries: PolicyMapEntry[], proxyPorts: [string, number][] = [], enforced = true): Wire {
  return {
    policy: {
      revision: 7,
      version: 0,
      ingressEnforced: enforced,
      egressEnforced: enforced,
      entries,
      redirects: [],
      origins: [[]],
      ingressDefaultOrigin: 0,
      egressDefaultOrigin: 0,
    },
    proxyPorts,
    cookies: [42],
  };
}

/** Puts a policy of these entries in force at the pod. */
export const setPolicy = (pod: Pod, ...args: Parameters<typeof policy>) =>
  pod.node.call("setPolicy", pod.id, policy(...args));
export const allowAll = (pod: Pod) => setPolicy(pod, ALLOW_ALL, [], false);

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Events of the node so far that pass the filter; all are taken from the node. */
export async function eventsOf(node: LabNode, keep: (event: Event) => boolean): Promise<Event[]> {
  await sleep(30);
  return (await node.call<Event[]>("events")).filter(keep);
}

/** Asks port 80 from one port and lets the server end first: then a proxy between them keeps the pair of addresses for a minute. */
export function askFromOnePort(from: Pod, address: string): string {
  const source = `
    const socket = require("net").connect({ host: "${address}", port: 80, localPort: 41000, allowHalfOpen: true });
    socket.on("data", (data) => process.stdout.write(data)).on("end", () => socket.end()).on("error", () => {});
    socket.setTimeout(2000, () => socket.destroy());
    socket.write("GET / HTTP/1.0\\r\\n\\r\\n");`;
  return from.run(`${process.execPath} -e '${source}'`).stdout;
}

/** An HTTP server in the pod: answers `<endpoint id> <peer's address>`, and 4 MiB for /bulk. */
export function serveHttp(pod: Pod, port: number): void {
  const source = `require("http").createServer((q, r) => r.end(q.url === "/bulk" ? Buffer.alloc(4 << 20) : "${pod.id} " + q.socket.remoteAddress)).listen(${port}, "${pod.address6 ? "::" : "0.0.0.0"}")`;
  pod.spawn(`${process.execPath} -e '${source}'`);
}

/** Waits until the servers of these pods answer inside their own pods, 10 s at most. */
export async function untilServing(pods: readonly Pod[], port: number): Promise<void> {
  for (const pod of pods)
    await untilAnswered(() => pod.run(`curl -s -o /dev/null -m 1 http://127.0.0.1:${port}/`).status === 0);
}

/** Asks every 100 ms until it is so, 10 s at most. */
export async function untilAnswered(isSo: () => boolean): Promise<void> {
  for (let round = 0; round < 100 && !isSo(); round++) await sleep(100);
}
