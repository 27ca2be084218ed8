import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Registry } from "../metrics/index.ts";
import { goDuration } from "./go-duration.ts";
import { addHealthMetrics } from "./metrics.ts";
import { type ProbedNode, Prober, roundMs } from "./prober.ts";

const START = Date.parse("2026-11-27T07:50:00Z");
let nodes: ProbedNode[];
let asked: string[];
let dead: Set<string>;
let prober: Prober;

beforeEach(() => {
  vi.useFakeTimers({ now: START });
  nodes = [
    { name: "w1", addresses: ["192.168.10.101"], healthAddresses: ["172.20.1.2"] },
    { name: "w2", addresses: ["192.168.10.102", "fd00::102"], healthAddresses: ["172.20.2.2", "fd00:2::2"] },
  ];
  asked = [];
  dead = new Set();
  const probe = (kind: string) => async (address: string) => {
    asked.push(`${kind} ${address}`);
    if (dead.has(address)) throw new Error("Connection timed out");
    return 1_500_000;
  };
  prober = new Prober({ name: "w1", nodes: () => nodes, icmp: probe("icmp"), http: probe("http"), now: Date.now });
});
afterEach(() => {
  prober.stop();
  vi.useRealTimers();
});

const statusOf = (name: string) => prober.report().nodes.find((node) => node.name === name);

test("before anybody was asked every path is unknown, not unreachable", () => {
  expect(statusOf("w1")).toEqual({
    name: "w1",
    host: { "primary-address": { ip: "192.168.10.101" }, "secondary-addresses": [] },
    endpoint: { ip: "172.20.1.2" },
    "health-endpoint": { "primary-address": { ip: "172.20.1.2" }, "secondary-addresses": [] },
  });
});

test("new addresses are asked at once, known ones are not asked again for that", async () => {
  prober.nodesChanged();
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toHaveLength(12);
  nodes.push({ name: "w3", addresses: ["192.168.10.103"], healthAddresses: [] });
  prober.nodesChanged();
  await vi.advanceTimersByTimeAsync(0);
  expect(asked.slice(12)).toEqual(["icmp 192.168.10.103", "http 192.168.10.103"]);
  expect(statusOf("w3")).toEqual({
    name: "w3",
    host: {
      "primary-address": {
        ip: "192.168.10.103",
        icmp: { latency: 1_500_000, lastProbed: "2026-11-27T07:50:00Z" },
        http: { latency: 1_500_000, lastProbed: "2026-11-27T07:50:00Z" },
      },
      "secondary-addresses": [],
    },
  });
});

test("a round asks each address once, evenly spread, and has Cilium's length", async () => {
  prober.nodesChanged();
  await vi.advanceTimersByTimeAsync(0);
  asked = [];
  await vi.advanceTimersByTimeAsync(roundMs(6) / 6 + 5);
  expect(asked).toEqual(["icmp 192.168.10.101", "http 192.168.10.101"]);
  await vi.advanceTimersByTimeAsync((roundMs(6) / 6) * 5);
  expect(new Set(asked).size).toBe(12);
  expect(asked).toHaveLength(12);
  expect(prober.report()).toMatchObject({ probeInterval: "1m56.754608943s", local: { name: "w1" } });
});

test("what does not answer says why, is asked again before its turn, and is well again when it answers", async () => {
  dead.add("fd00::102");
  prober.nodesChanged();
  await vi.advanceTimersByTimeAsync(0);
  const secondary = () => statusOf("w2")?.host["secondary-addresses"][0];
  expect(secondary()).toMatchObject({
    icmp: { status: "Connection timed out" },
    http: { status: "Connection timed out" },
  });
  dead.clear();
  asked = [];
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked).toEqual(["icmp fd00::102", "http fd00::102"]);
  expect(secondary()?.icmp?.status).toBeUndefined();
});

test("an address that is gone is forgotten, and asked no more", async () => {
  dead.add("172.20.2.2");
  prober.nodesChanged();
  await vi.advanceTimersByTimeAsync(0);
  const gone = nodes.pop()!;
  prober.nodesChanged();
  asked = [];
  await vi.advanceTimersByTimeAsync(300_000);
  expect(asked.filter((line) => !/101|172\.20\.1\.2/.test(line))).toEqual([]);
  expect(prober.report().nodes).toHaveLength(1);
  nodes.push(gone);
  prober.nodesChanged();
  expect(prober.report().nodes[1]?.endpoint).toEqual({ ip: "172.20.2.2" });
  expect(asked.slice(-2)).toEqual(["icmp fd00:2::2", "http fd00:2::2"]);
});

test("durations are written as Go writes them", () => {
  expect([0, 7, 318_511, 1_500_000, 2e9, 116_754_608_943, 7.2e12].map(goDuration)).toEqual([
    "0s",
    "7ns",
    "318.511µs",
    "1.5ms",
    "2s",
    "1m56.754608943s",
    "2h0m0s",
  ]);
});

test("metrics count a node as unreachable when one of its addresses is, and as unknown before it was asked", async () => {
  const registry = new Registry();
  addHealthMetrics(registry, () => prober.report());
  const value = (name: string, type?: string, status?: string) =>
    registry
      .metrics()
      .find(({ name: own, labels }) => own === name && labels["type"] === type && labels["status"] === status)?.value;
  const connectivity = "cilium_node_health_connectivity_status";
  expect(value(connectivity, "node", "unknown")).toBe(2);
  dead.add("fd00::102");
  await prober.probeAll();
  expect(value("cilium_unreachable_nodes")).toBe(1);
  expect(value("cilium_unreachable_health_endpoints")).toBe(0);
  expect(value(connectivity, "node", "reachable")).toBe(1);
  expect(value(connectivity, "endpoint", "reachable")).toBe(2);
});

test("a health endpoint is asked when its node knows this one, or after a second", async () => {
  const known = new Set<string>();
  const probe = (kind: string) => async (address: string) => {
    asked.push(`${kind} ${address}`);
    return 1;
  };
  prober.stop();
  prober = new Prober({
    ...{ name: "w1", nodes: () => nodes, icmp: probe("icmp"), http: probe("http"), now: Date.now },
    knowsUs: ({ name }) => known.has(name),
  });
  prober.nodesChanged();
  await vi.advanceTimersByTimeAsync(0);
  const endpoints = () => asked.filter((line) => /icmp .*2::2|icmp 172/.test(line));
  expect(endpoints()).toEqual(["icmp 172.20.1.2"]);
  expect(asked).toContain("http 192.168.10.102");
  known.add("w2");
  prober.nodesChanged();
  prober.nodesChanged();
  await vi.advanceTimersByTimeAsync(5000);
  expect(endpoints()).toEqual(["icmp 172.20.1.2", "icmp 172.20.2.2", "icmp fd00:2::2"]);
  nodes.push({ name: "w3", addresses: ["192.168.10.103"], healthAddresses: ["172.20.3.2"] });
  prober.nodesChanged();
  await vi.advanceTimersByTimeAsync(999);
  expect(endpoints()).toHaveLength(3);
  await vi.advanceTimersByTimeAsync(1);
  expect(endpoints()[3]).toBe("icmp 172.20.3.2");
});
