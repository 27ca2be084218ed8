import { Ipam } from "../../src/agent/ipam.ts";
import type { TaskStatus } from "../../src/agent/retry.ts";
import { type StatusFacts, statusOf } from "../../src/agent/status.ts";
import type { StatusResponse } from "../../src/agent/status-model.ts";
import type { HealthReport, PathStatus } from "../../src/health/report.ts";

const node: StatusFacts["node"] = {
  ...{ name: "k8s-w1", address: "192.168.10.101", router: "172.20.1.1", podCidr: "172.20.1.0/24" },
  ...{ clusterCidr: "172.20.0.0/16", serviceCidr: "10.96.0.0/16", networkInterface: "eth0" },
  ...{ apiServer: false, clusterName: "default" },
};
const ipv6 = {
  ...{ address: "fd00:192:168:10::101", router: "fd00:172:20:1::1", podCidr: "fd00:172:20:1::/64" },
  ...{ clusterCidr: "fd00:172:20::/56", serviceCidr: "fd00:10:96::/112" },
};

/** A task of half a second ago, counted from `now`. */
export function task(now: number, error: string, age = 65_500): TaskStatus {
  const failures = error === "" ? 0 : 3;
  return {
    ...{ successes: 4, failures, consecutiveFailures: failures, lastError: error },
    ...{ failedAt: failures === 0 ? 0 : now - age, succeededAt: now - age },
  };
}

/** A status as the agent builds it, from its facts; `change` replaces some of them. */
export function sampleStatus(now: number, change: Partial<StatusFacts> = {}, isDual = false): Promise<StatusResponse> {
  const ipam = new Ipam(node.podCidr, {}, () => undefined, isDual ? ipv6.podCidr : undefined);
  for (const owner of ["health", "default/xwing"]) ipam.allocate(owner);
  return statusOf({
    node: isDual ? { ...node, ipv6, routingMode: "native" } : node,
    version: "0.1.0",
    ipam,
    tasks: new Map([
      ["ciliumnode", task(now, "")],
      ["cilium-health-ep", task(now, "", 500)],
    ]),
    isFollowed: true,
    kubernetesVersion: async () => "1.34 (v1.34.4) [linux/amd64]",
    isProxyConnected: true,
    redirects: [],
    rehearsedPorts: 0,
    lostEvents: 0,
    observer: { "current-flows": 1, "max-flows": 4, "seen-flows": 9, uptime: "6.5s" },
    ...change,
  });
}

const lastProbed = "2026-11-27T07:50:59Z";

/** An address that both probes reach, unless there is a reason why not; without `probed` nobody has asked yet. */
export function samplePath(ip: string, reason?: string, probed = true): PathStatus {
  if (!probed) return { ip };
  const icmp = reason === undefined ? { lastProbed, latency: 318_511 } : { lastProbed, status: reason };
  return { ip, icmp, http: { lastProbed, latency: 1_234_567 } };
}

/** A report of nodes with the paths of their addresses and of their health endpoints, the first list primary. */
export function sampleReport(
  nodes: Readonly<Record<string, readonly [host: readonly PathStatus[], health: readonly PathStatus[]]>>,
): HealthReport {
  const statusOfPaths = ([primary, ...others]: readonly PathStatus[]) => ({
    "primary-address": primary!,
    "secondary-addresses": others,
  });
  return {
    local: { name: "k8s-w1" },
    nodes: Object.entries(nodes).map(([name, [host, health]]) => ({
      ...{ name, host: statusOfPaths(host) },
      ...(health.length > 0 && { endpoint: health[0]!, "health-endpoint": statusOfPaths(health) }),
    })),
    timestamp: "2026-11-27T07:50:55Z",
    probeInterval: "1m56.754608943s",
  };
}
