import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { createFlowRing } from "../../src/flow/index.ts";
import { addHealthMetrics } from "../../src/health/metrics.ts";
import { createRelay, FlowExporter, FlowMetricsServer } from "../../src/hubble/index.ts";
import { exposition } from "../../src/metrics/exposition.ts";
import {
  addBpfMetrics,
  addEnvoyMetrics,
  addProcessMetrics,
  countedLogs,
  mapCallMetrics,
  Registry,
} from "../../src/metrics/index.ts";
import { AgentWorld } from "../support/agent-world.ts";
import { expositionFaults } from "../support/exposition-faults.ts";
import { metricsPage } from "../support/metrics-page.ts";

const world = new AgentWorld();
afterAll(() => world.end());

const PAGE = new URL("../../docs/metrics.md", import.meta.url);
const HANDLERS = "dns:query drop flow flows-to-world:port icmp policy port-distribution sctp tcp";

/** What flows can be counted as; the two handlers of HTTP exclude each other. */
async function flowRegistry(http: string): Promise<Registry> {
  const server = new FlowMetricsServer({ ring: createFlowRing(1), now: Date.now, log: () => undefined });
  await server.configure({ list: `${HANDLERS} ${http}`, address: { host: "127.0.0.1", port: 0 }, openMetrics: true });
  server.close();
  return server.registry;
}

test("docs/metrics.md tells what is served, and of each metric of a published dashboard whether it is or why not", async () => {
  await world.startSynced();
  const agent = world.metrics;
  addProcessMetrics(agent, "cilium_");
  addBpfMetrics(agent);
  mapCallMetrics(agent);
  countedLogs(agent, () => undefined);
  addHealthMetrics(agent, () => ({ local: { name: "" }, nodes: [], timestamp: "", probeInterval: "" }));
  const ring = createFlowRing(1);
  new FlowExporter({ ring, nodeName: "", directory: "", metrics: agent, now: Date.now, log: () => undefined });
  const proxy = new Registry();
  addEnvoyMetrics(proxy, () => ({
    initialized: false,
    connected: false,
    uptimeSeconds: 0,
    listeners: [],
    lostRecords: 0,
  }));
  const relay = new Registry();
  addProcessMetrics(relay);
  await createRelay({ peers: [], version: "1", now: Date.now, nodeName: "", metrics: relay }).close();
  const [beginning = ""] = readFileSync(PAGE, "utf8").split("## What published dashboards ask for");
  const page = metricsPage(beginning, [
    { title: "Flows, port 9965 of each node", registries: [await flowRegistry("http"), await flowRegistry("httpV2")] },
    { title: "The agent, port 9962 of each node", registries: [agent] },
    { title: "The proxy, port 9964 of each node", registries: [proxy] },
    { title: "The relay, port 9966 of the control plane's node", registries: [relay] },
  ]);
  for (const registry of [agent, proxy, relay])
    expect(expositionFaults(exposition(registry, "prometheus"))).toEqual([]);
  // `vitest -u` writes it anew
  await expect(page).toMatchFileSnapshot(PAGE.pathname);
});
