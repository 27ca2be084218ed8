import {
  AGENT_METRICS_PORT,
  CLUSTER_NAME,
  CONTROL_PLANE,
  FLOW_METRICS_PORT,
  type LabNode,
  PROXY_METRICS_PORT,
  RELAY_METRICS_PORT,
} from "../model/addresses.ts";
import { command } from "./command.ts";
import { type LabPaths, netnsPath } from "./paths.ts";

/** Who serves metrics, and where: the first three at each node, the relay at the control plane's. */
const PORTS = {
  hubble: FLOW_METRICS_PORT,
  agent: AGENT_METRICS_PORT,
  proxy: PROXY_METRICS_PORT,
  relay: RELAY_METRICS_PORT,
} as const;
export type MetricsSource = keyof typeof PORTS;
export const METRICS_SOURCES = Object.keys(PORTS) as readonly MetricsSource[];

/** The text that Prometheus would read now. Throws when nobody answers there. */
export async function readMetrics(paths: LabPaths, of: MetricsSource, node: LabNode): Promise<string> {
  const address = of === "relay" ? CONTROL_PLANE.address : node.address;
  const url = `http://${address}:${PORTS[of]}/metrics`;
  try {
    return await command("nsenter", [`--net=${netnsPath(paths.fabricNetns)}`, "busybox", "wget", "-q", "-O", "-", url]);
  } catch (error) {
    const where = of === "relay" ? "" : "; the ConfigMap kube-system/cilium-config says where agents listen, if at all";
    throw new Error(`${(error as Error).message}${where}`);
  }
}

/** A configuration for a Prometheus that runs in the lab's fabric, with the labels that Cilium's dashboards select by. */
export function scrapeConfiguration(nodes: readonly LabNode[]): string {
  const job = (name: string, app: string, targets: readonly (readonly [name: string, target: string])[]) => ({
    job_name: name,
    static_configs: targets.map(([node, target]) => ({
      targets: [target],
      labels: { cluster: CLUSTER_NAME, node, pod: node, k8s_app: app },
    })),
  });
  const at = (port: number) => nodes.map(({ name, address }) => [name, `${address}:${port}`] as const);
  const relay = [[CONTROL_PLANE.name, `${CONTROL_PLANE.address}:${PORTS.relay}`] as const];
  const configuration = {
    global: { scrape_interval: "5s", scrape_timeout: "5s" },
    scrape_configs: [
      job("cilium", "cilium", at(PORTS.agent)),
      job("hubble", "hubble", at(PORTS.hubble)),
      job("cilium-envoy", "cilium-envoy", at(PORTS.proxy)),
      job("hubble-relay", "hubble-relay", relay),
    ],
  };
  return `${JSON.stringify(configuration, null, 2)}\n`;
}
