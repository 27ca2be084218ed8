import type { Registry } from "../metrics/index.ts";
import type { AddressStatus, HealthReport, PathStatus } from "./report.ts";

type Connectivity = "reachable" | "unreachable" | "unknown";

function pathOf({ icmp, http }: PathStatus): Connectivity {
  if (icmp?.status !== undefined || http?.status !== undefined) return "unreachable";
  return icmp === undefined && http === undefined ? "unknown" : "reachable";
}

/** One address that cannot be reached is enough. */
function connectivityOf(addresses: AddressStatus | undefined): Connectivity {
  if (addresses === undefined) return "unknown";
  const found = [addresses["primary-address"], ...addresses["secondary-addresses"]].map(pathOf);
  return found.find((each) => each === "unreachable") ?? found.find((each) => each === "unknown") ?? "reachable";
}

/** How the nodes of the cluster and their health endpoints are, as this node finds them; under Cilium's names. */
export function addHealthMetrics(registry: Registry, report: () => HealthReport): void {
  const gauge = (name: string, help: string, labels: readonly string[] = []) =>
    registry.gauge({ name: `cilium_${name}`, help, labels });
  const nodes = gauge("unreachable_nodes", "Nodes that cannot be reached").of();
  const endpoints = gauge("unreachable_health_endpoints", "Health endpoints that cannot be reached").of();
  const help = "Nodes and health endpoints by whether they can be reached";
  const status = gauge("node_health_connectivity_status", help, ["type", "status"]);
  registry.collect(() => {
    const found = report().nodes;
    const count = (type: "node" | "endpoint", paths: readonly Connectivity[]) => {
      for (const each of ["reachable", "unreachable", "unknown"] as const)
        status.of(type, each).set(paths.filter((path) => path === each).length);
      return status.of(type, "unreachable").value;
    };
    nodes.set(
      count(
        "node",
        found.map(({ host }) => connectivityOf(host)),
      ),
    );
    endpoints.set(
      count(
        "endpoint",
        found.map((node) => connectivityOf(node["health-endpoint"])),
      ),
    );
  });
}
