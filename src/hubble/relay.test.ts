import { once } from "node:events";
import { connect } from "node:http2";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, expect, it } from "vitest";
import { FlowSchema } from "../../proto/gen/flow_pb.js";
import { Health, HealthCheckResponse_ServingStatus } from "../../proto/gen/health_pb.js";
import { type GetFlowsResponse, Observer } from "../../proto/gen/observer_pb.js";
import { NodeState } from "../../proto/gen/relay_pb.js";
import { createFlowRing, type FlowRing } from "../flow/index.ts";
import { Registry } from "../metrics/index.ts";
import { createObserver, createRelay } from "./index.ts";

const START_MS = 1_790_294_400_000;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function node(name: string, port = 0) {
  const ring = createFlowRing(255);
  const observer = createObserver({ ring, nodeName: name, version: "v0.1.0", now: Date.now });
  await observer.serve([{ host: "127.0.0.1", port }]);
  closing.push(() => observer.close());
  return { name, ring, observer, address: `127.0.0.1:${observer.port}` };
}

function append(ring: FlowRing, nodeName: string, uuid: string, timeMs: number): void {
  ring.append({ kind: "flow", flow: create(FlowSchema, { uuid, nodeName, time: timestampFromMs(timeMs) }) });
}

async function relayOver(peers: { name: string; address: string }[], metrics = new Registry()) {
  const relay = createRelay({ peers, metrics, version: "v0.1.0", now: Date.now, nodeName: "relay" });
  await relay.serve([{ host: "127.0.0.1", port: 0 }]);
  closing.push(() => relay.close());
  const url = `http://127.0.0.1:${relay.port}`;
  const transport = createGrpcTransport({ baseUrl: url });
  return { client: createClient(Observer, transport), health: createClient(Health, transport), url };
}

function text({ responseTypes }: GetFlowsResponse): string {
  if (responseTypes.case === "flow") return responseTypes.value.uuid;
  if (responseTypes.case !== "nodeStatus") return String(responseTypes.case);
  return `${NodeState[responseTypes.value.stateChange]} ${responseTypes.value.nodeNames.join()}`;
}

const unused = "127.0.0.1:9";

it.each([
  ["/peer.Peer/Notify", "unknown service peer.Peer"],
  ["/observer.Observer/GetMore", "unknown method GetMore for service observer.Observer"],
  ["/a.b/c.d/E", "unknown service a.b/c.d"],
  ["/nothing", 'malformed method name: "/nothing"'],
])("says of %s, which it has not, what gRPC's servers say", async (path, message) => {
  const { url } = await relayOver([]);
  const session = connect(url);
  const request = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  request.end(Buffer.alloc(5));
  const [headers] = (await once(request, "response")) as [Record<string, string>];
  session.close();
  expect(headers).toMatchObject({ ":status": 200, "content-type": "application/grpc", "grpc-status": "12" });
  expect(decodeURIComponent(headers["grpc-message"] ?? "")).toBe(message);
  expect(headers["hubble-relay-version"]).toBe("v0.1.0");
});

it("merges the nodes' histories by time, after word of who answers", async () => {
  const nodes = [await node("default/k8s-ctr"), await node("default/k8s-w1"), await node("default/k8s-w2")];
  for (let i = 0; i < 30; i++) {
    const { ring, name } = nodes[(i * 7) % 3]!;
    append(ring, name, `f${i}`, START_MS + i);
  }
  const { client } = await relayOver([...nodes, { name: "default/k8s-w3", address: unused }]);
  const got: string[] = [];
  for await (const response of client.getFlows({})) got.push(text(response));
  expect(got).toEqual([
    "NODE_CONNECTED default/k8s-ctr,default/k8s-w1,default/k8s-w2",
    "NODE_UNAVAILABLE default/k8s-w3",
    ...Array.from({ length: 30 }, (_, i) => `f${i}`),
  ]);
});

it("tells what has become of its connections", async () => {
  const metrics = new Registry();
  const peers = [await node("default/k8s-w1"), { name: "default/k8s-w3", address: unused }];
  const { client } = await relayOver(peers, metrics);
  const connections = () =>
    Object.fromEntries(
      metrics.metrics().flatMap(({ labels, value }) => (value > 0 ? [[labels["status"], value]] : [])),
    );
  expect(connections()).toEqual({ IDLE: 2 });
  await client.serverStatus({});
  expect(connections()).toEqual({ READY: 1, TRANSIENT_FAILURE: 1 });
});

it("takes the number per node, as the real relay does", async () => {
  const nodes = [await node("default/k8s-w1"), await node("default/k8s-w2")];
  for (const { ring, name } of nodes) for (let i = 0; i < 5; i++) append(ring, name, `${name}-${i}`, START_MS + i);
  const { client } = await relayOver(nodes);
  const got: string[] = [];
  for await (const response of client.getFlows({ number: 2n })) got.push(text(response));
  expect(got.slice(1).sort()).toEqual(["default/k8s-w1-3", "default/k8s-w1-4", "default/k8s-w2-3", "default/k8s-w2-4"]);
});

it("shows a followed flow although the other node is silent, and in order", async () => {
  const nodes = [await node("default/k8s-w1"), await node("default/k8s-w2")];
  const [one, two] = nodes;
  const { client } = await relayOver(nodes);
  const stop = new AbortController();
  const stream = client.getFlows({ follow: true }, { signal: stop.signal })[Symbol.asyncIterator]();
  expect(text((await stream.next()).value)).toMatch(/^NODE_CONNECTED/);
  const next = stream.next();
  await new Promise((resolve) => setTimeout(resolve, 100));
  append(two!.ring, two!.name, "later", Date.now() + 5);
  append(one!.ring, one!.name, "earlier", Date.now());
  expect(text((await next).value)).toBe("earlier");
  expect(text((await stream.next()).value)).toBe("later");
  append(one!.ring, one!.name, "alone", Date.now());
  expect(text((await stream.next()).value)).toBe("alone");
  stop.abort();
});

it("joins a restarted node again and misses nothing of it", async () => {
  const first = await node("default/k8s-w1");
  const port = first.observer.port;
  const { client } = await relayOver([first]);
  const stop = new AbortController();
  const stream = client.getFlows({ follow: true }, { signal: stop.signal })[Symbol.asyncIterator]();
  expect(text((await stream.next()).value)).toMatch(/^NODE_CONNECTED/);
  const next = stream.next();
  await new Promise((resolve) => setTimeout(resolve, 100));
  append(first.ring, first.name, "before", Date.now());
  expect(text((await next).value)).toBe("before");
  await first.observer.close();
  expect(text((await stream.next()).value)).toBe("NODE_ERROR default/k8s-w1");
  const second = await node("default/k8s-w1", port);
  append(second.ring, second.name, "while away", Date.now());
  expect(text((await stream.next()).value)).toBe("NODE_CONNECTED default/k8s-w1");
  expect(text((await stream.next()).value)).toBe("while away");
  stop.abort();
});

it("adds the nodes up, and is healthy while one answers", async () => {
  const one = await node("default/k8s-w1");
  append(one.ring, one.name, "f", START_MS);
  const { client, health } = await relayOver([one, { name: "default/k8s-w2", address: unused }]);
  const status = await client.serverStatus({});
  expect(status).toMatchObject({
    numFlows: 1n,
    maxFlows: 255n,
    numConnectedNodes: 1,
    numUnavailableNodes: 1,
    unavailableNodes: ["default/k8s-w2"],
  });
  const { nodes } = await client.getNodes({});
  expect(nodes.map(({ name, state }) => [name, state])).toEqual([
    ["default/k8s-w1", NodeState.NODE_CONNECTED],
    ["default/k8s-w2", NodeState.NODE_UNAVAILABLE],
  ]);
  expect((await health.check({ service: "hubble.server.Observer" })).status).toBe(
    HealthCheckResponse_ServingStatus.SERVING,
  );
  const lonely = await relayOver([{ name: "default/k8s-w2", address: unused }]);
  expect((await lonely.health.check({})).status).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING);
});

it("refuses a bad filter without asking the nodes", async () => {
  const { client } = await relayOver([]);
  const read = async () => {
    for await (const _ of client.getFlows({ whitelist: [{ sourceIp: ["x"] }] })) throw new Error("a flow");
  };
  await expect(read()).rejects.toThrow("source_ip: invalid IP address");
});
