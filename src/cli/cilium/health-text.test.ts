import { expect, test } from "vitest";
import type { HealthReport, PathStatus } from "../../health/report.ts";
import { alignTabs } from "../cobra/tabs.ts";
import { healthText } from "./health-text.ts";

const at = { lastProbed: "2026-11-27T07:50:59Z" };
const well = (ip: string): PathStatus => ({ ip, icmp: { ...at, latency: 318_511 }, http: { ...at, latency: 1e6 } });
const ill = (ip: string): PathStatus => ({ ip, icmp: { ...at, status: "Connection timed out" }, http: { ...at } });
const node = (name: string, host: PathStatus, health: PathStatus, more: readonly PathStatus[] = []) => ({
  name,
  host: { "primary-address": host, "secondary-addresses": more },
  endpoint: health,
  "health-endpoint": { "primary-address": health, "secondary-addresses": [] },
});
const report: HealthReport = {
  local: { name: "k8s-w2" },
  nodes: [
    node("k8s-w1", well("192.168.10.101"), ill("172.20.1.2")),
    node("k8s-w2", well("192.168.10.102"), well("172.20.2.2"), [well("fd00::102")]),
    node("k8s-w3", { ip: "192.168.10.103" }, well("172.20.3.2")),
  ],
  timestamp: "2026-11-27T07:50:55Z",
  probeInterval: "1m56.754608943s",
};
const lines = (options: Parameters<typeof healthText>[1]) =>
  alignTabs(healthText(report, options), { minWidth: 2, padding: 3 }).split("\n");

test("all nodes: the local one first, counts of paths, unknown ones named and not held against a node", () => {
  expect(lines({ allNodes: true, verbose: false, maxLines: 0 })).toEqual([
    "Cluster health:        2/3 reachable              (2026-11-27T07:50:55Z)   (Probe interval: 1m56.754608943s)",
    "Name                   IP                         Node                     Endpoints",
    "  k8s-w2 (localhost)   192.168.10.102,fd00::102   2/2                      1/1",
    "  k8s-w1               192.168.10.101             1/1                      0/1",
    "  k8s-w3               192.168.10.103             0/1 (1 unknown)          1/1",
    "",
  ]);
});

test("as part of cilium status: only nodes that something cannot reach", () => {
  expect(lines({ allNodes: false, verbose: false, maxLines: 10 })).toEqual([
    "Cluster health:   2/3 reachable    (2026-11-27T07:50:55Z)   (Probe interval: 1m56.754608943s)",
    "Name              IP               Node                     Endpoints",
    "  k8s-w1          192.168.10.101   1/1                      0/1",
    "",
  ]);
});

test("verbose: every path with its round-trip time or the reason", () => {
  const text = lines({ allNodes: true, verbose: true, maxLines: 0 }).join("\n");
  expect(text).toContain(`
  k8s-w2 (localhost):
    Host connectivity to 192.168.10.102:
      ICMP to stack:   OK, RTT=318.511µs   (Last probed: 2026-11-27T07:50:59Z)
      HTTP to agent:   OK, RTT=1ms         (Last probed: 2026-11-27T07:50:59Z)
    Secondary Host connectivity to fd00::102:
`);
  expect(text).toContain("ICMP to stack:   Connection timed out   (Last probed");
});
