import { afterAll, beforeAll, expect, it } from "vitest";
import { AnsweringAgent } from "../../../test/support/cilium-outcome.ts";
import { samplePath as path, sampleReport, sampleStatus, task } from "../../../test/support/status-sample.ts";

const answers: Record<string, unknown> = {};
const agent = new AnsweringAgent(answers);
beforeAll(() => agent.listen());
afterAll(() => agent.close());

const cilium = (...args: string[]) => agent.runOurs(args);

it("status: the agent's word and the cluster's health, in one line, in full or as JSON; an ill agent is exit code 1", async () => {
  const now = Date.now();
  const tasks = new Map([
    ["ciliumendpoint a/p1", task(now, "connect ECONNREFUSED")],
    ["cilium-health-ep", task(now, "")],
  ]);
  const module = { Level: "OK", Message: "done", Updated: new Date(now - 65_000).toISOString(), Count: 4 };
  answers["GET /statedb/query"] = { rev: 1, obj: { ID: { Module: ["agent", "x"], Component: ["y"] }, ...module } };
  answers["GET /v1/healthz"] = await sampleStatus(now, { tasks });
  answers["GET /v1beta/status"] = sampleReport({ "k8s-w1": [[path("192.168.10.101")], [path("172.20.1.2", "down")]] });
  const { out, code } = await cilium("status");
  expect([code, out.split("\n")]).toEqual([
    0,
    [
      "KVStore:                Disabled   ",
      "Kubernetes:             Ok         1.34 (v1.34.4) [linux/amd64]",
      expect.stringMatching(
        /^Kubernetes APIs: {8}\["EndpointSliceOrEndpoint", .*, "networking.k8s.io\/v1::NetworkPolicy", .*\]$/,
      ),
      "KubeProxyReplacement:   True      [eth0 192.168.10.101 (Direct Routing)]",
      "Host firewall:          Enabled   [eth0]",
      "SRv6:                   Disabled",
      "CNI Chaining:           none",
      "Cilium:                 Ok   0.1.0 (shieldgate)",
      expect.stringMatching(/^NodeMonitor: {12}Listening for events on \d+ CPUs with 512x4096 of shared memory$/),
      "Cilium health daemon:   Ok   ",
      "IPAM:                   IPv4: 3/254 allocated from 172.20.1.0/24, ",
      "IPv4 BIG TCP:           Disabled",
      "IPv6 BIG TCP:           Disabled",
      "BandwidthManager:       Disabled",
      "Routing:                Network: Tunnel [vxlan]   Host: BPF",
      "Attach Mode:            Legacy TC",
      "Device Mode:            veth",
      "Masquerading:           Disabled",
      "Controller Status:      1/2 healthy",
      expect.stringMatching(/^ {2}Name {18}Last success {3}Last error {3}Count {3}Message$/),
      expect.stringMatching(
        /^ {2}ciliumendpoint a\/p1 {3}1m\d+s ago {5,7}1m\d+s ago {3,5}3 {7}connect ECONNREFUSED {3}$/,
      ),
      "Proxy Status:            OK, ip 172.20.1.1, 0 redirects active on ports 10000-19999, Envoy: external",
      "Global Identity Range:   min 256, max 65535",
      "Hubble:                  Ok               Current/Max Flows: 1/4 (25.00%), Flows/s: 1.38",
      "Encryption:              Disabled         ",
      "Cluster health:          0/1 reachable    (2026-11-27T07:50:55Z)   (Probe interval: 1m56.754608943s)",
      "Name                     IP               Node                     Endpoints",
      "  k8s-w1 (localhost)     192.168.10.101   1/1                      0/1",
      "Modules Health:          Stopped(0) Degraded(0) OK(1)",
      "",
      "",
    ],
  ]);
  const verbose = (await cilium("status", "--verbose")).out;
  expect(verbose).toContain("Allocated addresses:\n  172.20.1.1 (router)\n");
  expect(verbose).toMatch(/\n {2}agent\n {2}└── x\n {6}└── y +\[OK\] done \(6\ds, x4\)\n {2}\n\n$/);
  expect((await cilium("status", "--brief")).out).toBe(
    "error in controller ciliumendpoint a/p1: connect ECONNREFUSED\n",
  );
  expect(JSON.parse((await cilium("status", "-o", "json")).out)).toMatchObject({ cilium: { state: "Ok" } });
  answers["GET /v1/healthz"] = await sampleStatus(now, { isFollowed: false });
  expect(await cilium("status", "--brief")).toMatchObject({
    code: 1,
    out: "error in kubernetes: the API server's objects are not followed\n",
  });
});
