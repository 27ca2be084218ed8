import { goDuration } from "../../health/go-duration.ts";
import type { AddressStatus, ConnectivityStatus, HealthReport, NodeStatus, PathStatus } from "../../health/report.ts";

type Reach = "reachable" | "unreachable" | "unknown";

export interface HealthTextOptions {
  /** Every node, not only those that something cannot reach. */
  readonly allNodes: boolean;
  /** Every path with its round-trip time. */
  readonly verbose: boolean;
  /** At most so many nodes; 0 = no limit. */
  readonly maxLines: number;
}

function reachOf(status: ConnectivityStatus | undefined): Reach {
  if (status === undefined) return "unknown";
  return status.status === undefined || status.status === "" ? "reachable" : "unreachable";
}

/** The worse of ICMP and HTTP. */
function reachOfPath({ icmp, http }: PathStatus): Reach {
  const both = [reachOf(icmp), reachOf(http)];
  return both.find((one) => one === "unreachable") ?? both.find((one) => one === "unknown") ?? "reachable";
}

function pathsOf(status: AddressStatus | undefined): readonly PathStatus[] {
  return status === undefined ? [] : [status["primary-address"], ...status["secondary-addresses"]];
}

/** What has not been asked yet is not counted against a node. */
function isHealthy(node: NodeStatus): boolean {
  const paths = [...pathsOf(node.host), ...pathsOf(node["health-endpoint"])];
  return paths.every((path) => reachOfPath(path) !== "unreachable");
}

function countText(paths: readonly PathStatus[]): string {
  const reaches = paths.map(reachOfPath);
  const unknown = reaches.filter((reach) => reach === "unknown").length;
  const reachable = reaches.filter((reach) => reach === "reachable").length;
  return `${reachable}/${paths.length}${unknown > 0 ? ` (${unknown} unknown)` : ""}`;
}

function connectivityLine(what: string, status: ConnectivityStatus | undefined): string {
  if (status === undefined) return "";
  const text = reachOf(status) === "reachable" ? `OK, RTT=${goDuration(status.latency ?? 0)}` : status.status;
  return `      ${what}:\t${text}\t(Last probed: ${status.lastProbed})\n`;
}

function pathText(name: string, path: PathStatus | undefined): string {
  if (path === undefined) return `    ${name} connectivity:\tnil\n`;
  const probes = connectivityLine("ICMP to stack", path.icmp) + connectivityLine("HTTP to agent", path.http);
  return `    ${name} connectivity to ${path.ip}:\n${probes}`;
}

function addressText(name: string, status: AddressStatus | undefined): string {
  const [primary, ...others] = pathsOf(status);
  return pathText(name, primary) + others.map((path) => pathText(`Secondary ${name}`, path)).join("");
}

function nodeText(node: NodeStatus, label: string, { allNodes, verbose }: HealthTextOptions): string {
  if (verbose) {
    return `  ${label}:\n${addressText("Host", node.host)}${addressText("Endpoint", node["health-endpoint"])}`;
  }
  if (!allNodes && isHealthy(node)) return "";
  const addresses = pathsOf(node.host).map(({ ip }) => ip);
  const counts = [countText(pathsOf(node.host)), countText(pathsOf(node["health-endpoint"]))];
  return `  ${[label, addresses.join(), ...counts].join("\t")}\n`;
}

/** The cluster's health as `cilium-health status` and `cilium status` show it, cells ended by tabs. */
export function healthText(report: HealthReport, options: HealthTextOptions): string {
  const { nodes, local, timestamp, probeInterval } = report;
  const healthy = nodes.filter(isHealthy).length;
  const byName = [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1));
  const isLocal = ({ name }: NodeStatus) => name === local.name;
  const texts = [...byName.filter(isLocal), ...byName.filter((node) => !isLocal(node))]
    .map((node) => nodeText(node, isLocal(node) ? `${node.name} (localhost)` : node.name, options))
    .filter((text) => text !== "");
  const shown = options.maxLines > 0 ? texts.slice(0, options.maxLines) : texts;
  return [
    `Cluster health:\t${healthy}/${nodes.length} reachable\t(${timestamp})\t(Probe interval: ${probeInterval})\n`,
    "Name\tIP\tNode\tEndpoints\n",
    ...shown,
    nodes.length - shown.length - healthy > 0 ? "  ...\n" : "",
  ].join("");
}
