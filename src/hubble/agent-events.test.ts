import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, expect, it } from "vitest";
import { AgentEventType, FlowSchema } from "../../proto/gen/flow_pb.js";
import { type GetAgentEventsResponse, Observer } from "../../proto/gen/observer_pb.js";
import { createFlowPipeline, createFlowRing, type FlowContext } from "../flow/index.ts";
import type { AgentNotification } from "../model/agent-notification.ts";
import { createObserver } from "./index.ts";

const START_MS = 1_790_294_400_000;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function observe() {
  const ring = createFlowRing(63);
  const pipeline = createFlowPipeline({ ring, context: {} as FlowContext });
  const observer = createObserver({ ring, nodeName: "k8s-w1", version: "v0.1.0", now: () => START_MS });
  await observer.serve([{ host: "127.0.0.1", port: 0 }]);
  closing.push(() => observer.close());
  const client = createClient(Observer, createGrpcTransport({ baseUrl: `http://127.0.0.1:${observer.port}` }));
  const happens = (notification: AgentNotification, atMs: number) =>
    pipeline.agent(notification, BigInt(START_MS + atMs) * 1_000_000n);
  const flow = (atMs: number) =>
    ring.append({ kind: "flow", flow: create(FlowSchema, { uuid: "f", time: timestampFromMs(START_MS + atMs) }) });
  return { client, happens, flow };
}

const regenerated = (id: number): AgentNotification => ({
  type: "Endpoint regenerated",
  message: { id, labels: ["k8s:app=x"] },
});

async function eventsOf(stream: AsyncIterable<GetAgentEventsResponse>): Promise<GetAgentEventsResponse[]> {
  const found: GetAgentEventsResponse[] = [];
  for await (const response of stream) found.push(response);
  return found;
}

it("tells what the agent did, among flows and apart from them", async () => {
  const { client, happens, flow } = await observe();
  const labels = ["k8s:app=x"];
  happens({ type: "Cilium agent started", message: { time: "2026-09-25T00:00:00.000Z" } }, 0);
  happens({ type: "Policy updated", message: { labels, revision: 3, rule_count: 2 } }, 1);
  happens({ type: "Policy deleted", message: { labels, revision: 4, rule_count: 1 } }, 2);
  flow(3);
  happens({ type: "Failed endpoint regeneration", message: { id: 7, labels, error: "no room" } }, 4);
  happens({ type: "Endpoint created", message: { id: 7, labels, "pod-name": "p", namespace: "n" } }, 5);
  happens({ type: "Endpoint deleted", message: { id: 7, labels } }, 6);
  const message = { cidr: "10.0.0.1/32", id: 5, "old-id": 0, "host-ip": "10.1.1.1", "encrypt-key": 0 };
  happens({ type: "IPCache entry upserted", message }, 7);
  happens({ type: "IPCache entry deleted", message: { cidr: "10.0.0.1/32", id: 5, "encrypt-key": 0 } }, 8);

  const events = await eventsOf(client.getAgentEvents({}));
  expect(events.map(({ agentEvent }) => agentEvent?.type)).toEqual([
    AgentEventType.AGENT_STARTED,
    AgentEventType.POLICY_UPDATED,
    AgentEventType.POLICY_DELETED,
    AgentEventType.ENDPOINT_REGENERATE_FAILURE,
    AgentEventType.ENDPOINT_CREATED,
    AgentEventType.ENDPOINT_DELETED,
    AgentEventType.IPCACHE_UPSERTED,
    AgentEventType.IPCACHE_DELETED,
  ]);
  expect(events[1]).toMatchObject({ nodeName: "k8s-w1", time: timestampFromMs(START_MS + 1) });
  const told = events.map(({ agentEvent }) => agentEvent?.notification.value);
  expect(told[0]).toMatchObject({ time: timestampFromMs(Date.parse("2026-09-25T00:00:00Z")) });
  expect(told[1]).toMatchObject({ labels, revision: 3n, ruleCount: 2n });
  expect(told[3]).toMatchObject({ id: 7n, labels, error: "no room" });
  expect(told[4]).toMatchObject({ id: 7n, podName: "p", namespace: "n" });
  // an old identity of 0 is known, an absent one is not
  expect(told[6]).toMatchObject({ cidr: "10.0.0.1/32", identity: 5, oldIdentity: 0, hostIp: "10.1.1.1" });
  expect(told[7]).not.toHaveProperty("oldIdentity");

  const flows: string[] = [];
  for await (const { responseTypes } of client.getFlows({})) flows.push(String(responseTypes.case));
  expect(flows).toEqual(["flow"]);
});

it("counts agent events alone, and bounds them by time", async () => {
  const { client, happens, flow } = await observe();
  for (let i = 1; i <= 4; i++) {
    happens(regenerated(i), i * 1000);
    for (let j = 1; j <= 5; j++) flow(i * 1000 + j);
  }
  const ids = async (request: Parameters<typeof client.getAgentEvents>[0]) =>
    (await eventsOf(client.getAgentEvents(request))).map(({ agentEvent }) => {
      const value = agentEvent?.notification.value as { id: bigint };
      return Number(value.id);
    });
  expect(await ids({ number: 2n })).toEqual([3, 4]);
  expect(await ids({ number: 2n, first: true })).toEqual([1, 2]);
  const [since, until] = [timestampFromMs(START_MS + 2000), timestampFromMs(START_MS + 3000)];
  expect(await ids({ since, until })).toEqual([2, 3]);
  await expect(ids({ first: true, follow: true })).rejects.toThrow("first cannot be specified with follow");
});

it("follows agent events", async () => {
  const { client, happens, flow } = await observe();
  happens(regenerated(1), 0);
  const stop = new AbortController();
  const stream = client.getAgentEvents({ follow: true, number: 1n }, { signal: stop.signal })[Symbol.asyncIterator]();
  expect((await stream.next()).value?.agentEvent?.notification.value).toMatchObject({ id: 1n });
  const next = stream.next();
  flow(1);
  happens(regenerated(2), 2);
  expect((await next).value?.agentEvent?.notification.value).toMatchObject({ id: 2n });
  stop.abort();
});

it("has no debug events, like an agent without debug mode", async () => {
  const { client, happens, flow } = await observe();
  happens(regenerated(1), 0);
  flow(1);
  for await (const _ of client.getDebugEvents({})) throw new Error("an event");
});
