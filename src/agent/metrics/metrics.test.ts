import { afterEach, beforeEach, expect, test } from "vitest";
import { FORBIDDEN_PUT } from "../../../test/support/access-record.ts";
import { AgentWorld } from "../../../test/support/agent-world.ts";
import type { MetricsRow } from "../../datapath/port.ts";
import { AgentMetrics } from "./agent-metrics.ts";
import { pathTemplate } from "./http-exchanges.ts";

const RULE = {
  endpointSelector: { matchLabels: { org: "empire" } },
  ingress: [{ fromEndpoints: [{ matchLabels: { org: "empire" } }] }],
};

let world: AgentWorld;
beforeEach(() => {
  world = new AgentWorld();
});
afterEach(() => world.end());

/** The lines of a metric, by the values of its labels. */
function lines(name: string): Record<string, number> {
  const found = world.metrics.metrics().filter((metric) => metric.name === `cilium_${name}`);
  return Object.fromEntries(found.map(({ labels, value }) => [Object.values(labels).join(" "), value]));
}

test("what the agent knows and what it did with a policy and a pod", async () => {
  await world.startSynced();
  world.policy("rule1", RULE);
  await world.settle();
  await world.runPod("deathstar", { org: "empire" });
  await world.settle();
  expect(lines("endpoint_state")).toEqual({ ready: 2 });
  expect(lines("policy_endpoint_enforcement_status")).toEqual({ ingress: 1, none: 1 });
  expect(lines("policy")).toEqual({ "": 1 });
  expect(lines("policy_change_total")).toEqual({ "custom-resource update success": 1 });
  expect(lines("policy_implementation_delay_count")).toEqual({ "custom-resource": 1 });
  expect(lines("policy_incremental_update_duration_count")["global"]).toBeGreaterThan(0);
  expect(lines("endpoint_regenerations_total")["PolicyUpdate success "]).toBeGreaterThan(0);
  expect(lines("endpoint_regeneration_time_stats_seconds_count")).toMatchObject({
    "endpointPolicyCalculation success": lines("endpoint_regenerations_total")["PolicyUpdate success "],
  });
  expect(lines("identity")).toMatchObject({ cluster_local: 1, reserved: expect.any(Number) });
  expect(lines("ip_addresses")).toEqual({ ipv4: 1, ipv6: 0 });
  expect(lines("kubernetes_events_total")).toMatchObject({ "CiliumNetworkPolicy create success": 1 });
  expect(lines("nodes_all_num")).toEqual({ "": 1 });
  expect(lines("controllers_failing")).toEqual({ "": 0 });
  const calls = lines("agent_api_process_time_seconds_count");
  expect(calls["/v1/endpoint PUT 201"] ?? calls["/v1/endpoint PUT 200"]).toBe(1);
});

test("a policy that is refused counts as one", async () => {
  await world.startSynced();
  world.policy("rule1", { endpointSelector: {}, ingress: "none" } as never);
  await world.settle();
  expect(lines("policy_change_total")).toEqual({ "custom-resource update fail": 1 });
  expect(lines("policy_implementation_delay_count")).toEqual({});
});

test("packets by what became of them, summed over the places in the datapath", async () => {
  await world.startSynced();
  const row = { direction: "ingress", file: 1, line: 0, packets: 2, bytes: 100 } as const;
  const rows: MetricsRow[] = [
    { ...row, reason: 0 },
    { ...row, reason: 0, file: 7 },
    { ...row, reason: 133, line: 10 },
    { ...row, reason: 133, line: 20 },
    { ...row, reason: 133, direction: "egress" },
    { ...row, reason: 130, direction: "" },
  ];
  world.datapath.metrics = () => rows;
  for (let times = 0; times < 2; times++) {
    expect(lines("forward_count_total")).toEqual({ INGRESS: 4 });
    expect(lines("drop_count_total")).toMatchObject({ "Policy denied INGRESS": 4, "Policy denied EGRESS": 2 });
    expect(lines("drop_bytes_total")["Policy denied INGRESS"]).toBe(200);
    expect(Object.keys(lines("drop_count_total"))).toContainEqual(expect.stringMatching(/ UNKNOWN$/));
  }
});

test("names of DNS, with addresses that are in use although they ran out", async () => {
  await world.startSynced();
  await world.runPod("xwing", { org: "alliance" });
  const endpointId = (await world.endpoints()).find(({ podName }) => podName === "xwing")!.id;
  world.proxy.observe([
    { endpointId, name: "a.example.", addresses: ["1.1.1.1", "1.1.1.2"], ttlSeconds: 60, timeMs: world.nowMs },
  ]);
  expect(lines("fqdn_active_names")).toEqual({ [endpointId]: 1 });
  expect(lines("fqdn_active_ips")).toEqual({ [endpointId]: 2 });
});

test("what proxies and rounds over connections tell", () => {
  const metrics = new AgentMetrics();
  const values = (name: string) =>
    Object.fromEntries(
      metrics.registry
        .metrics()
        .flatMap((each) => (each.name === name ? [[Object.values(each.labels).join(" "), each.value]] : [])),
    );
  metrics.accessRecord(FORBIDDEN_PUT);
  metrics.accessRecord({ ...FORBIDDEN_PUT, verdict: "error" });
  const dns = {
    query: "a.",
    type: 1,
    transport: "udp",
    code: 0,
    addresses: [],
    cnames: [],
    ttl: 1,
    types: [],
  } as const;
  metrics.accessRecord({ ...FORBIDDEN_PUT, type: "response", verdict: "forwarded", latencyMs: 20, dns });
  expect(values("cilium_policy_l7_total")).toEqual({
    ...{ "received envoy": 2, "denied envoy": 1, "parse_errors envoy": 1 },
    ...{ "received fqdn": 1, "forwarded fqdn": 1 },
  });
  expect(values("cilium_proxy_upstream_reply_seconds_sum")).toEqual({ "allow dns upstreamTime": 0.02 });
  metrics.connectionsCollected([{ family: "ipv4", protocol: "TCP", alive: 3, deleted: 1 }], 0.1);
  metrics.connectionsCollected([], 0.1);
  metrics.connectionsCollected(undefined, 0.1);
  expect(values("cilium_datapath_conntrack_gc_entries")).toEqual({ "ipv4 TCP alive": 3, "ipv4 TCP deleted": 1 });
  expect(values("cilium_datapath_conntrack_gc_runs_total")).toMatchObject({
    "ipv6 non-TCP completed": 2,
    "ipv4 TCP uncompleted": 1,
  });
  expect(values("cilium_datapath_conntrack_dump_resets_total")).toEqual({
    "conntrack dump_interrupts ipv4": 1,
    "conntrack dump_interrupts ipv6": 1,
  });
});

test.each([
  ["/api/v1/namespaces/default/pods/xwing", "/api/v1/namespaces/{namespace}/pods/{name}"],
  ["/api/v1/namespaces/default/pods/xwing/status?x=1", "/api/v1/namespaces/{namespace}/pods/{name}/status"],
  ["/api/v1/namespaces/default/pods?watch=true", "/api/v1/namespaces/{namespace}/pods"],
  ["/api/v1/namespaces/default", "/api/v1/namespaces/{name}"],
  ["/api/v1/pods", "/api/v1/pods"],
  ["/apis/cilium.io/v2/ciliumidentities/4711", "/apis/cilium.io/v2/ciliumidentities/{name}"],
  ["/version", "/version"],
])("the path %s counts as %s", (path, template) => {
  expect(pathTemplate(path)).toBe(template);
});
