import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FlowSchema, LostEventSchema, LostEventSource, Verdict } from "../../../proto/gen/flow_pb.js";
import { createFlowRing } from "../../flow/index.ts";
import { FlowMetricsServer } from "./server.ts";

const LOCAL = { host: "127.0.0.1", port: 0 };
let log: string[] = [];
let ring = createFlowRing(7);
let server: FlowMetricsServer;

beforeEach(() => {
  log = [];
  ring = createFlowRing(7);
  server = new FlowMetricsServer({ ring, now: () => 2500, log: (message) => log.push(message) });
});

afterEach(() => {
  server.close();
  vi.useRealTimers();
});

const flow = (podName: string) => {
  const source = { namespace: "default", podName };
  ring.append({ kind: "flow", flow: create(FlowSchema, { verdict: Verdict.FORWARDED, source }) });
};
const values = (name: string) =>
  server.registry
    .metrics()
    .filter((metric) => metric.name === name)
    .map(({ labels, value }) => [labels["source"], value]);

test("counts what the ring takes while it is told to, and what was lost", async () => {
  flow("before");
  await server.configure({ list: "flow:sourceContext=pod", address: LOCAL, openMetrics: true });
  // more than the ring holds
  for (let times = 0; times < 20; times++) flow("xwing");
  ring.append({
    kind: "lost",
    lost: create(LostEventSchema, { source: LostEventSource.PERF_EVENT_RING_BUFFER, numEventsLost: 40n }),
  });
  expect(values("hubble_flows_processed_total")).toEqual([["default/xwing", 20]]);
  expect(values("hubble_lost_events_total")).toEqual([["perf_event_ring_buffer", 40]]);
  const answer = await fetch(`http://127.0.0.1:${server.port}/metrics`);
  expect(await answer.text()).toContain('hubble_lost_events_total{source="perf_event_ring_buffer"} 40\n');
  expect(values("hubble_metrics_http_handler_requests_total")).toEqual([[undefined, 1]]);

  await server.configure({ list: "flow:sourceContext=namespace", address: LOCAL, openMetrics: true });
  flow("xwing");
  expect(values("hubble_flows_processed_total")).toEqual([["default", 1]]);
  await server.configure({ list: "flow:sourceContext=namespace", address: undefined, openMetrics: true });
  flow("xwing");
  expect(values("hubble_flows_processed_total")).toEqual([]);
  expect(server.port).toBe(0);
});

test("a list that cannot hold changes nothing, and what means nothing is told", async () => {
  await server.configure({ list: "flow:sourceContext=pod;always drops", address: LOCAL, openMetrics: false });
  expect(log).toEqual([
    "hubble-metrics: flow: option always is not known and does nothing",
    expect.stringContaining("hubble-metrics: drops: no such metric; there are dns, drop, flow"),
  ]);
  for (const [list, message] of [
    ["http httpV2", "http conflicts with httpV2"],
    ["drop drop", "drop is there twice"],
    ["drop:sourceContext=pod-short", "drop: unknown context 'pod-short': write one of identity, namespace, pod, "],
    ["drop:labelsContext=constructor", "drop: invalid labelsContext value: constructor: write one of source_ip"],
    ["constructor", undefined],
  ] as const) {
    const configured = server.configure({ list: `flow:sourceContext=pod ${list}`, address: LOCAL, openMetrics: false });
    if (message !== undefined) await expect(configured, list).rejects.toThrow(message);
    else await configured;
    flow("xwing");
    expect(values("hubble_flows_processed_total")[0]?.[0]).toBe("default/xwing");
  }
});

test("the series of a pod that is gone are forgotten a minute later", async () => {
  vi.useFakeTimers();
  await server.configure({ list: "flow:sourceContext=pod", address: LOCAL, openMetrics: false });
  flow("xwing");
  flow("tiefighter");
  server.forgetPod("default", "xwing");
  vi.advanceTimersByTime(59_000);
  expect(values("hubble_flows_processed_total")).toHaveLength(2);
  vi.advanceTimersByTime(1_000);
  expect(values("hubble_flows_processed_total")).toEqual([["default/tiefighter", 1]]);
});
