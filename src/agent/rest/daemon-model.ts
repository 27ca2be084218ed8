import { readFileSync } from "node:fs";
import { arch, release } from "node:os";
import { podMtu } from "../../datapath/port.ts";
import type {
  DaemonConfiguration,
  DebugInfo,
  EndpointModel,
  NodeAddressing,
  PolicyModel,
  ServiceModel,
} from "../api-models.ts";
import type { AgentNode } from "../ports.ts";
import type { StatusResponse } from "../status-model.ts";

export interface ConfigurationFacts {
  readonly node: AgentNode;
  readonly isAuditing: boolean;
  /** Name of a level of aggregation. */
  readonly level: string;
  readonly nodeMonitor: StatusResponse["nodeMonitor"];
}

function addressing({ router, podCidr, ipv6 }: AgentNode): NodeAddressing {
  return {
    ipv4: { "alloc-range": podCidr, enabled: true, ip: router },
    ...(ipv6 && { ipv6: { "alloc-range": ipv6.podCidr, enabled: true, ip: ipv6.router } }),
  };
}

/** What cannot be changed, under the names that Cilium's agent has for it. */
function fixed({ clusterName, routingMode = "tunnel", networkInterface, ipv6, clusterCidr }: AgentNode): object {
  return {
    ClusterName: clusterName,
    Devices: [networkInterface],
    EnableHostFirewall: true,
    EnableIPv4: true,
    EnableIPv4Masquerade: false,
    EnableIPv6: ipv6 !== undefined,
    EnableIPv6Masquerade: false,
    EnableL7Proxy: true,
    IPAM: "kubernetes",
    IPv4NativeRoutingCIDR: clusterCidr,
    RoutingMode: routingMode,
    ...(routingMode === "tunnel" && { TunnelProtocol: "vxlan" }),
  };
}

/** What the agent was told to do, and what of it can be changed while it runs. */
export function daemonConfiguration({ node, isAuditing, level, nodeMonitor }: ConfigurationFacts): DaemonConfiguration {
  const options = { MonitorAggregationLevel: level, PolicyAuditMode: isAuditing ? "Enabled" : "Disabled" };
  const spec = { options, "policy-enforcement": "default" };
  return {
    spec,
    status: {
      addressing: addressing(node),
      daemonConfigurationMap: fixed(node) as Readonly<Record<string, unknown>>,
      datapathMode: "veth",
      deviceMTU: podMtu("native"),
      immutable: {},
      "ipam-mode": "kubernetes",
      kvstoreConfiguration: { type: "" },
      masqueradeProtocols: { ipv4: false, ipv6: false },
      nodeMonitor,
      realized: spec,
      routeMTU: podMtu(node.routingMode),
    },
  };
}

/** The agent's own memory, as the kernel lists it; empty where it cannot be read. */
function memoryMap(): string {
  try {
    return readFileSync("/proc/self/maps", "utf8");
  } catch {
    return "";
  }
}

/** Names of the agent's environment; what the variables hold may be a secret. */
function environmentNames(): string[] {
  return Object.keys(process.env).sort();
}

/**
 * A version in Cilium's words, in which its command looks for them: release, commit, time of the commit, and what runs it.
 * A build here has no commit of its own.
 */
export function versionText(version: string): string {
  return `${version} shieldgate undated node version ${process.version} linux/${arch() === "x64" ? "amd64" : arch()}`;
}

export function debugInfo(
  version: string,
  status: StatusResponse,
  parts: {
    readonly endpoints: readonly EndpointModel[];
    readonly policy: PolicyModel;
    readonly services: readonly ServiceModel[];
  },
): DebugInfo {
  return {
    "cilium-memory-map": memoryMap(),
    "cilium-status": status,
    "cilium-version": versionText(version),
    "endpoint-list": parts.endpoints,
    "environment-variables": environmentNames(),
    "kernel-version": release(),
    policy: parts.policy,
    "service-list": parts.services,
    subsystem: {},
  };
}
