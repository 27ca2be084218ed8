import { expect, test } from "vitest";
import { scrapeConfiguration } from "./metrics.ts";

test("a Prometheus finds every node's agent, flows and proxy, and the relay", () => {
  const node = { name: "k8s-w7", place: 7, address: "192.168.10.107", podCidr: "172.20.7.0/24" };
  const { scrape_configs: jobs } = JSON.parse(scrapeConfiguration([node as never])) as {
    scrape_configs: { job_name: string; static_configs: { targets: string[]; labels: Record<string, string> }[] }[];
  };
  expect(
    jobs.map(({ job_name, static_configs: [first] }) => [job_name, first?.targets, first?.labels["node"]]),
  ).toEqual([
    ["cilium", ["192.168.10.107:9962"], "k8s-w7"],
    ["hubble", ["192.168.10.107:9965"], "k8s-w7"],
    ["cilium-envoy", ["192.168.10.107:9964"], "k8s-w7"],
    ["hubble-relay", ["192.168.10.100:9966"], "k8s-ctr"],
  ]);
});
