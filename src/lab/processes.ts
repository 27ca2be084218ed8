import { join } from "node:path";
import {
  API_SERVER_PORT,
  CONTROL_PLANE,
  FABRIC_GATEWAY,
  FABRIC_GATEWAY6,
  type LabNode,
  RELAY_METRICS_PORT,
  SERVICE_CIDR,
  SERVICE_CIDR6,
} from "../model/addresses.ts";
import { type LabPaths, netnsPath, nodeNetns, nodeRun } from "./paths.ts";
import type { LabSettings } from "./settings.ts";

/** How one process of the lab is started. */
export interface ProcessSpec {
  /** `control-plane`, `kubelet`, `relay`, `world`, `host-ports`, `k8s-w1/agent`, `k8s-w1/proxy`. */
  readonly name: string;
  /** Program and arguments, run from the host's namespaces. */
  readonly argv: readonly string[];
  /** True when the started program forks the real one (a pid namespace needs a parent). */
  readonly forks: boolean;
  readonly logPath: string;
  /** How willingly it leaves the processor to others, as nice(1) counts; 0 when absent. */
  readonly nice?: number;
}

/** Host ports that `up` picked. */
export interface LabPorts {
  readonly apiServer: number;
  readonly relay: number;
}

/**
 * What a change of a policy or a new pod goes through must not wait until the pods have had their turn, nor a lab that starts
 * until its relay and proxies have. Not the agents: their work on flows would take the processor from the traffic itself, and leave a
 * quarter of the requests through a proxy. What the kubelet starts for pods is as all others again (src/runtime/process/native).
 */
const BEFORE_PODS = -10;

/**
 * The heap may grow by 60 % of what lives before it is collected; left alone, V8 lets it grow fourfold, and keeps it after a flood of events.
 * New objects are collected without helping threads: they wait for the processor that all the lab's processes want, and the collection for them.
 */
export const NODE_FLAGS = [
  "--heap-growing-percent=60",
  "--max-semi-space-size=1",
  "--no-parallel-scavenge",
  "--disable-warning=ExperimentalWarning",
];

/** An agent under a flood of events leaves much behind that is dead at once: it collects half as often. */
export const AGENT_FLAGS = [...NODE_FLAGS, "--min-semi-space-size=2", "--max-semi-space-size=2"];

/**
 * A proxy collects by itself, since helping threads would take the processor from it while packets wait, and four times
 * less often: what a request leaves behind is dead by then, and costs nothing.
 */
export const PROXY_FLAGS = [
  ...NODE_FLAGS,
  "--single-threaded-gc",
  "--min-semi-space-size=4",
  "--max-semi-space-size=4",
];

/** The control plane answers requests, and what each leaves behind is dead by then: it collects four times less often. */
export const CONTROL_PLANE_FLAGS = [...NODE_FLAGS, "--min-semi-space-size=4", "--max-semi-space-size=4"];

const FLAGS: Readonly<Record<string, readonly string[]>> = {
  agent: AGENT_FLAGS,
  proxy: PROXY_FLAGS,
  "control-plane": CONTROL_PLANE_FLAGS,
  supervisor: ["--max-semi-space-size=1"],
  shieldgate: [],
};

/** What Node is told when it runs one of the bundles. V8 takes what it compiled with other flags for nothing. */
export function flagsOf(name: string): readonly string[] {
  return FLAGS[name] ?? NODE_FLAGS;
}

/** Every process of the lab. `hostNetns` is where the loopback listeners are made. */
export function processSpecs(
  paths: LabPaths,
  ports: LabPorts,
  hostNetns: string,
  settings: LabSettings,
): ProcessSpec[] {
  const isDual = settings.ipFamily === "dual";
  const inControlPlane = ["nsenter", `--net=${netnsPath(nodeNetns(paths.lab, CONTROL_PLANE.name))}`];
  const plain = (name: string, argv: string[]): ProcessSpec => ({
    name,
    argv,
    forks: false,
    logPath: logPath(paths, name),
  });
  const urgent = (spec: ProcessSpec): ProcessSpec => ({ ...spec, nice: BEFORE_PODS });
  return [
    urgent(
      plain("control-plane", [
        ...inControlPlane,
        ...main(paths, "control-plane"),
        ...option("database", paths.database),
        ...option("pki", paths.pki),
        ...option("listen", `${CONTROL_PLANE.address}:${API_SERVER_PORT}`),
        ...option("host-listen", `127.0.0.1:${ports.apiServer}`),
        ...option("host-netns", hostNetns),
        ...(isDual ? option("service-cidr", `${SERVICE_CIDR},${SERVICE_CIDR6}`) : []),
      ]),
    ),
    urgent(plain("kubelet", [...main(paths, "kubelet"), ...option("config", paths.kubeletConfiguration)])),
    plain("relay", [
      ...inControlPlane,
      ...main(paths, "relay"),
      ...option("listen", `127.0.0.1:${ports.relay}`),
      ...option("listen-netns", hostNetns),
      ...option("peer-service", `unix://${join(nodeRun(paths, CONTROL_PLANE.name), "hubble.sock")}`),
      ...option("peers-file", join(paths.run, "relay-peers.json")),
      ...option("metrics-listen-address", `:${RELAY_METRICS_PORT}`),
      ...option("tls-client-cert-file", join(paths.hubblePki, "client.crt")),
      ...option("tls-client-key-file", join(paths.hubblePki, "client.key")),
      ...option("tls-hubble-server-ca-files", join(paths.hubblePki, "ca.crt")),
    ]),
    plain("world", [
      ...["nsenter", `--net=${netnsPath(paths.fabricNetns)}`],
      ...["busybox", "httpd", "-f", "-p", isDual ? "[::]:80" : "80", "-u", "nobody", "-h", paths.world],
    ]),
    ...(settings.hostPorts.length === 0 ? [] : [plain("host-ports", hostPortsArgv(paths, settings, hostNetns))]),
    ...settings.nodes.flatMap((node) => [
      // a change of policies in a burst waits for the kernel in pool threads
      isolated(paths, node.name, "agent", [
        "env",
        "UV_THREADPOOL_SIZE=16",
        ...main(paths, "agent"),
        ...agentOptions(paths, node, settings),
      ]),
      isolated(paths, node.name, "proxy", [
        ...main(paths, "proxy"),
        ...option("bootstrap", "/var/run/cilium/envoy/bootstrap-config.json"),
        ...option("pins", join(paths.bpf, node.name)),
      ]),
    ]),
  ];
}

function hostPortsArgv(paths: LabPaths, { ipFamily, hostPorts }: LabSettings, hostNetns: string): string[] {
  const addresses = ipFamily === "dual" ? [FABRIC_GATEWAY, FABRIC_GATEWAY6] : [FABRIC_GATEWAY];
  return [
    ...["nsenter", `--net=${netnsPath(paths.fabricNetns)}`],
    ...main(paths, "host-ports"),
    ...addresses.flatMap((address) => option("address", address)),
    ...hostPorts.flatMap((port) => option("port", String(port))),
    ...option("host-netns", hostNetns),
  ];
}

/** The names of a node's own processes. */
export function nodeProcesses({ name }: LabNode): string[] {
  return [`${name}/agent`, `${name}/proxy`];
}

/** The names of the lab's processes, as their records are called; the supervisor's first. */
export function processNames({ nodes, hostPorts }: LabSettings): string[] {
  if (nodes.length === 0) return [];
  const shared = ["supervisor", "control-plane", "kubelet", "relay", "world"];
  return [...shared, ...(hostPorts.length > 0 ? ["host-ports"] : []), ...nodes.flatMap(nodeProcesses)];
}

/** A process of a node: pid 1 of its own, and the node's own directory as /var/run/cilium. */
function isolated(paths: LabPaths, node: string, part: string, argv: readonly string[]): ProcessSpec {
  const own = ["--mount", "--propagation=slave", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const bind = `mount --bind ${nodeRun(paths, node)} /run/cilium && exec "$@"`;
  return {
    name: `${node}/${part}`,
    argv: [
      ...["nsenter", `--net=${netnsPath(nodeNetns(paths.lab, node))}`, "unshare", ...own],
      ...["sh", "-c", bind, "sh", ...argv],
    ],
    forks: true,
    logPath: logPath(paths, `${node}/${part}`),
  };
}

function logPath(paths: LabPaths, name: string): string {
  return join(paths.logs, `${name.replace("/", "-")}.log`);
}

function agentOptions(paths: LabPaths, node: LabNode, { ipFamily, routingMode }: LabSettings): string[] {
  return [
    ...option("node", node.name),
    ...option("address", node.address),
    ...option("pod-cidr", node.podCidr),
    ...(ipFamily === "dual" ? [...option("address6", node.address6), ...option("pod-cidr6", node.podCidr6)] : []),
    ...(routingMode === "tunnel" ? [] : option("routing-mode", routingMode)),
    ...(node.controlPlane ? ["--api-server-node"] : []),
    ...option("kubeconfig", join(paths.state, "kubeconfig-agent")),
    ...option("run", "/var/run/cilium"),
    ...option("pins", join(paths.bpf, node.name)),
    ...option("hubble-tls-cert-file", join(paths.hubblePki, "server.crt")),
    ...option("hubble-tls-key-file", join(paths.hubblePki, "server.key")),
    ...option("hubble-tls-client-ca-files", join(paths.hubblePki, "ca.crt")),
    ...option("bpf-object", join(paths.root, "bpf/build/shieldgate.o")),
    ...option("flow-history", join(paths.flows, node.name)),
  ];
}

function main(paths: LabPaths, name: string): string[] {
  return [process.execPath, ...flagsOf(name), join(paths.root, "dist", `${name}.mjs`)];
}

function option(name: string, value: string): string[] {
  return [`--${name}`, value];
}
