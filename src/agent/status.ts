import { availableParallelism } from "node:os";
import { EVENT_RING_PAGES, PAGE_BYTES } from "../datapath/port.ts";
import { NODE_PORT_RANGE } from "../model/addresses.ts";
import { FIRST_IDENTITY, LAST_IDENTITY } from "../model/identity.ts";
import { PROXY_PORTS } from "../model/proxy-mark.ts";
import type { Ipam } from "./ipam.ts";
import type { AgentNode } from "./ports.ts";
import type { TaskStatus } from "./retry.ts";
import type {
  ControllerStatus,
  HubbleObserver,
  IpamStatus,
  ProxyRedirect,
  Status,
  StatusResponse,
} from "./status-model.ts";

/** What the agent knows of itself when it is asked. */
export interface StatusFacts {
  readonly node: AgentNode;
  readonly version: string;
  readonly ipam: Ipam;
  readonly tasks: ReadonlyMap<string, TaskStatus>;
  /** Everything that the API tells is followed. */
  readonly isFollowed: boolean;
  /** Of the API server, e.g. `1.34 (v1.34.4) [linux/amd64]`; throws why it does not answer. */
  readonly kubernetesVersion: () => Promise<string>;
  readonly isProxyConnected: boolean;
  readonly redirects: readonly ProxyRedirect[];
  /** Ports of endpoints where a rehearsal looks at requests. */
  readonly rehearsedPorts: number;
  readonly lostEvents: number;
  readonly observer: HubbleObserver | undefined;
  readonly historyFailure?: string | undefined;
}

/** What the agent follows, as Cilium names it. */
const API_VERSIONS = [
  "EndpointSliceOrEndpoint",
  "cilium/v2::CiliumCIDRGroup",
  "cilium/v2::CiliumClusterwideNetworkPolicy",
  "cilium/v2::CiliumEndpoint",
  "cilium/v2::CiliumNetworkPolicy",
  "cilium/v2::CiliumNode",
  "core/v1::Namespace",
  "core/v1::Pods",
  "core/v1::Service",
  "networking.k8s.io/v1::NetworkPolicy",
  "policy.networking.k8s.io/v1alpha2::ClusterNetworkPolicy",
];

const OFF = { enabled: false };
const ON = { enabled: true };

/** How long the API server's version is believed, in ms. */
const VERSION_AGE = 15 * 60_000;

/** Remembers the version for a quarter of an hour, as Cilium does. `ask` is `GET /version`. */
export function versionCache(ask: () => Promise<unknown>, now: () => number): () => Promise<string> {
  let known: { readonly text: string; readonly at: number } | undefined;
  return async () => {
    if (known !== undefined && now() - known.at < VERSION_AGE) return known.text;
    const { major, minor, gitVersion, platform } = (await ask()) as Readonly<Record<string, string>>;
    known = { text: `${major}.${minor} (${gitVersion}) [${platform}]`, at: now() };
    return known.text;
  };
}

function timestamp(ms: number): string | undefined {
  return ms === 0 ? undefined : new Date(ms).toISOString();
}

/** A task as Cilium shows a controller. */
export function controllerStatus([name, task]: readonly [string, TaskStatus]): ControllerStatus {
  const [failedAt, succeededAt] = [timestamp(task.failedAt), timestamp(task.succeededAt)];
  return {
    name,
    status: {
      "success-count": task.successes,
      "failure-count": task.failures,
      "consecutive-failure-count": task.consecutiveFailures,
      ...(task.lastError === "" ? {} : { "last-failure-msg": task.lastError }),
      ...(failedAt === undefined ? {} : { "last-failure-timestamp": failedAt }),
      ...(succeededAt === undefined ? {} : { "last-success-timestamp": succeededAt }),
    },
  };
}

/** Addresses of a range, its network's own included. */
function sizeOf(cidr: string): bigint {
  const [address = "", length] = cidr.split("/");
  return 1n << BigInt((address.includes(":") ? 128 : 32) - Number(length));
}

function ipamStatus({ node, ipam }: StatusFacts): IpamStatus {
  const { router, podCidr, ipv6 } = node;
  const held = ipam.allocations;
  const held6 = Object.keys(held).map((address) => [ipam.address6Of(address) ?? "", held[address]!] as const);
  const four = { [router]: "router", ...held };
  const six = ipv6 === undefined ? {} : { [ipv6.router]: "router", ...Object.fromEntries(held6) };
  const counted = (addresses: object, cidr: string) =>
    `${Object.keys(addresses).length}/${sizeOf(cidr) - 2n} allocated from ${cidr}`;
  const status6 = ipv6 === undefined ? "" : `IPv6: ${counted(six, ipv6.podCidr)}`;
  return {
    status: `IPv4: ${counted(four, podCidr)}, ${status6}`,
    allocations: { ...four, ...six },
    ipv4: Object.keys(four),
    ipv6: Object.keys(six),
  };
}

async function kubernetesStatus({ isFollowed, kubernetesVersion }: StatusFacts): Promise<Status> {
  try {
    const msg = await kubernetesVersion();
    return isFollowed ? { state: "Ok", msg } : { state: "Failure", msg: "the API server's objects are not followed" };
  } catch (error) {
    return { state: "Failure", msg: (error as Error).message };
  }
}

function ciliumStatus(
  { version, isProxyConnected, rehearsedPorts }: StatusFacts,
  kubernetes: Status,
  isRequired: boolean,
): Status {
  if (isRequired && kubernetes.state !== "Ok")
    return { state: "Failure", msg: `Kubernetes service is not ready: ${kubernetes.msg}` };
  if (!isProxyConnected) return { state: "Warning", msg: "the proxy is not connected: what goes to it is dropped" };
  const rehearsed =
    rehearsedPorts === 0 ? "" : `; a rehearsal looks at requests to ${rehearsedPorts} ports of endpoints`;
  return { state: "Ok", msg: `${version} (shieldgate)${rehearsed}` };
}

function kubeProxyReplacement({
  networkInterface,
  address,
  ipv6,
}: AgentNode): StatusResponse["kube-proxy-replacement"] {
  const ip = ipv6 === undefined ? [address] : [address, ipv6.address];
  return {
    mode: "True",
    devices: [networkInterface],
    deviceList: [{ name: networkInterface, ip }],
    directRoutingDevice: networkInterface,
    features: {
      nodePort: { ...ON, algorithm: "Random", portMin: NODE_PORT_RANGE.first, portMax: NODE_PORT_RANGE.last },
      sessionAffinity: ON,
      hostPort: OFF,
      externalIPs: OFF,
      socketLB: OFF,
      socketLBTracing: OFF,
      nat46X64: OFF,
      annotations: [],
    },
  };
}

/** How events come to the agent. */
export function nodeMonitorStatus(lost: number): StatusResponse["nodeMonitor"] {
  return { cpus: availableParallelism(), npages: EVENT_RING_PAGES, pagesize: PAGE_BYTES, lost };
}

/**
 * The node's status as Cilium's API has it. Asks the API server at most for its version; unless it is required, the agent is
 * well without it.
 */
export async function statusOf(facts: StatusFacts, requireKubernetes = true): Promise<StatusResponse> {
  const { node, redirects } = facts;
  const kubernetes = await kubernetesStatus(facts);
  return {
    kvstore: { state: "Disabled" },
    kubernetes: { ...kubernetes, "k8s-api-versions": API_VERSIONS },
    "kube-proxy-replacement": kubeProxyReplacement(node),
    "host-firewall": { mode: "Enabled", devices: [node.networkInterface] },
    srv6: OFF,
    "cni-chaining": { mode: "none" },
    cilium: ciliumStatus(facts, kubernetes, requireKubernetes),
    nodeMonitor: nodeMonitorStatus(facts.lostEvents),
    cluster: { ciliumHealth: { state: "Ok" }, self: node.name },
    ipam: ipamStatus(facts),
    "ipv4-big-tcp": OFF,
    "ipv6-big-tcp": OFF,
    "bandwidth-manager": OFF,
    routing: {
      "inter-host-routing-mode": node.routingMode === "native" ? "Native" : "Tunnel",
      "intra-host-routing-mode": "BPF",
      "tunnel-protocol": "vxlan",
    },
    "attach-mode": "tc",
    "datapath-mode": "veth",
    masquerading: { ...OFF, enabledProtocols: { ipv4: false, ipv6: false } },
    "clock-source": { mode: "ktime" },
    controllers: [...facts.tasks].map(controllerStatus).sort((a, b) => (a.name < b.name ? -1 : 1)),
    ...(facts.isProxyConnected && {
      proxy: {
        ip: node.router,
        "port-range": `${PROXY_PORTS.first}-${PROXY_PORTS.last}`,
        "total-redirects": redirects.length,
        redirects,
        "envoy-deployment-mode": "external",
      },
    }),
    "identity-range": { "min-identity": FIRST_IDENTITY, "max-identity": LAST_IDENTITY },
    hubble: {
      ...(facts.historyFailure === undefined
        ? { state: "Ok" }
        : { state: "Warning", msg: `flow history stands still: ${facts.historyFailure}` }),
      ...(facts.observer && { observer: facts.observer }),
    },
    encryption: { mode: "Disabled" },
  };
}
