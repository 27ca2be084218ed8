import { mkdtempSync, rmSync } from "node:fs";
import { connect as netConnect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, expect, it } from "vitest";
import { FlowSchema, LostEventSource } from "../../proto/gen/flow_pb.js";
import { Health, HealthCheckResponse_ServingStatus } from "../../proto/gen/health_pb.js";
import { type GetFlowsRequestSchema, type GetFlowsResponse, Observer } from "../../proto/gen/observer_pb.js";
import { ChangeNotificationType, Peer } from "../../proto/gen/peer_pb.js";
import { createFlowRing, type FlowRing } from "../flow/index.ts";
import { createObserver } from "./index.ts";
import type { PeerNode } from "./peer.ts";

const START_MS = 1_790_294_400_000;
const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function append(ring: FlowRing, uuid: string, atMs: number, init: MessageInitShape<typeof FlowSchema> = {}): void {
  const flow = create(FlowSchema, {
    uuid,
    nodeName: "default/k8s-w1",
    time: timestampFromMs(START_MS + atMs),
    ...init,
  });
  ring.append({ kind: "flow", flow });
}

async function observe(
  capacity = 15,
  peers: PeerNode[] = [],
  changed: (() => void)[] = [],
  now = () => START_MS + 60_000,
) {
  const ring = createFlowRing(capacity);
  const onChange = (listener: () => void) => {
    changed.push(listener);
    return () => undefined;
  };
  const source = { list: () => peers, onChange };
  const observer = createObserver({
    ring,
    nodeName: "default/k8s-w1",
    version: "v0.1.0",
    now,
    peers: source,
  });
  await observer.serve([{ host: "127.0.0.1", port: 0 }]);
  closing.push(() => observer.close());
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${observer.port}` });
  return { ring, observer, client: createClient(Observer, transport), transport };
}

/** Resolves when somebody waits for the ring's next entry. */
function untilWaited(ring: FlowRing): Promise<void> {
  const { onAppend } = ring;
  return new Promise((resolve) => {
    ring.onAppend = (listener) => {
      resolve();
      return onAppend(listener);
    };
  });
}

const label = (response: GetFlowsResponse) =>
  response.responseTypes.case === "flow"
    ? response.responseTypes.value.uuid
    : response.responseTypes.case === "lostEvents"
      ? `lost ${response.responseTypes.value.numEventsLost}`
      : String(response.responseTypes.case);

type Client = Awaited<ReturnType<typeof observe>>["client"];
async function flows(client: Client, request: MessageInitShape<typeof GetFlowsRequestSchema>): Promise<string[]> {
  const found: string[] = [];
  for await (const response of client.getFlows(request)) found.push(label(response));
  return found;
}

it("gives all, the last, the first, and what lies between two times", async () => {
  const { ring, client } = await observe();
  for (let i = 1; i <= 6; i++) append(ring, `f${i}`, i * 1000, { verdict: i % 2 === 0 ? 2 : 1 });
  expect(await flows(client, {})).toEqual(["f1", "f2", "f3", "f4", "f5", "f6"]);
  expect(await flows(client, { number: 2n })).toEqual(["f5", "f6"]);
  expect(await flows(client, { number: 2n, first: true })).toEqual(["f1", "f2"]);
  expect(await flows(client, { number: 2n ** 64n - 1n })).toHaveLength(6);
  expect(
    await flows(client, { since: timestampFromMs(START_MS + 3000), until: timestampFromMs(START_MS + 5000) }),
  ).toEqual(["f3", "f4", "f5"]);
  expect(await flows(client, { since: timestampFromMs(START_MS + 3000), number: 1n })).toEqual(["f3"]);
});

it("counts only flows that pass the filters", async () => {
  const { ring, client } = await observe();
  for (let i = 1; i <= 6; i++) append(ring, `f${i}`, i * 1000, { verdict: i % 2 === 0 ? 2 : 1 });
  expect(await flows(client, { number: 2n, whitelist: [{ verdict: [2] }] })).toEqual(["f4", "f6"]);
  expect(await flows(client, { number: 2n, blacklist: [{ verdict: [2] }] })).toEqual(["f3", "f5"]);
});

it("follows: only new flows unless history is asked for, and past the number", async () => {
  const { ring, client } = await observe();
  append(ring, "old", 0);
  const stop = new AbortController();
  const seen: string[] = [];
  const following = (async () => {
    for await (const response of client.getFlows({ follow: true, number: 1n }, { signal: stop.signal })) {
      seen.push(label(response));
      if (seen.length < 4) append(ring, `new${seen.length}`, seen.length * 1000);
      else stop.abort();
    }
  })();
  await expect(following).rejects.toMatchObject({ code: Code.Canceled });
  expect(seen).toEqual(["old", "new1", "new2", "new3"]);

  const later = new AbortController();
  const fresh = client.getFlows({ follow: true }, { signal: later.signal })[Symbol.asyncIterator]();
  const waits = untilWaited(ring);
  const first = fresh.next();
  await waits;
  append(ring, "fresh", 9000);
  expect(label((await first).value)).toBe("fresh");
  later.abort();
});

it("says how much the ring overwrote", async () => {
  const { ring, client } = await observe(15, [], [], Date.now);
  const stop = new AbortController();
  const reading = client.getFlows({ follow: true }, { signal: stop.signal })[Symbol.asyncIterator]();
  const waits = untilWaited(ring);
  const first = reading.next();
  await waits;
  for (let i = 1; i <= 40; i++) append(ring, `f${i}`, i);
  const got = [label((await first).value)];
  while (got.at(-1) !== "f40") got.push(label((await reading.next()).value));
  expect(got[0]).toBe("lost 25");
  expect(got.slice(1)).toEqual(Array.from({ length: 15 }, (_, i) => `f${i + 26}`));
  // At most once a second, but then also when nothing comes any more.
  for (let i = 1; i <= 40; i++) append(ring, `g${i}`, i);
  const rest: string[] = [];
  while (rest.length < 16) rest.push(label((await reading.next()).value));
  expect(rest).toEqual([...Array.from({ length: 15 }, (_, i) => `g${i + 26}`), "lost 25"]);
  stop.abort();
});

it("passes events that the kernel lost, whatever the filter", async () => {
  const { ring, client } = await observe();
  ring.append({
    kind: "lost",
    lost: { $typeName: "flow.LostEvent", source: LostEventSource.PERF_EVENT_RING_BUFFER, numEventsLost: 7n },
  });
  expect(await flows(client, { whitelist: [{ verdict: [2] }] })).toEqual(["lost 7"]);
});

it("keeps only the masked fields, and the ones that a verdict's line needs", async () => {
  const { ring, client } = await observe();
  append(ring, "f1", 0, { verdict: 2, policyMatchType: 2, trafficDirection: 1, source: { identity: 4, podName: "x" } });
  const read = async (paths: string[]) => {
    for await (const response of client.getFlows({ fieldMask: { paths } })) return response;
    throw new Error("no flow");
  };
  const narrow = await read(["verdict", "source.identity"]);
  expect(narrow.responseTypes.value).toMatchObject({
    uuid: "",
    verdict: 2,
    policyMatchType: 0,
    source: { identity: 4, podName: "" },
  });
  expect(narrow.time).toBeUndefined();
  const line = await read(["time", "verdict", "event_type"]);
  expect(line.responseTypes.value).toMatchObject({ policyMatchType: 2, trafficDirection: 1 });
  await expect(read(["no_such"])).rejects.toMatchObject({ code: Code.Unknown });
});

it("refuses what it cannot do, by name", async () => {
  const { client } = await observe();
  await expect(flows(client, { first: true, follow: true })).rejects.toThrow("first cannot be specified with follow");
  const bad = flows(client, { whitelist: [{ protocol: ["quic"] }] });
  await expect(bad).rejects.toMatchObject({ code: Code.Unknown, rawMessage: 'unknown protocol: "quic"' });
  await expect(client.getNodes({})).rejects.toMatchObject({ code: Code.Unimplemented });
  const until = flows(client, { until: { seconds: 1n, nanos: -1 } });
  await expect(until).rejects.toThrow("until: 1 seconds and -1 nanoseconds are no valid time");
});

it("tells status, namespaces, health and version", async () => {
  const { ring, client, transport } = await observe();
  append(ring, "f1", 30_000, { source: { namespace: "kube-system", clusterName: "default" } });
  append(ring, "f2", 40_000, { destination: { namespace: "default", clusterName: "default" } });
  append(ring, "f3", 50_000, { destination: { namespace: "default", clusterName: "other" } });
  let version: string | null = "";
  const status = await client.serverStatus(
    {},
    { onHeader: (headers) => (version = headers.get("hubble-server-version")) },
  );
  expect(status).toMatchObject({ numFlows: 3n, maxFlows: 15n, seenFlows: 3n, version: "v0.1.0", flowsRate: 3 / 60 });
  expect(version).toBe("v0.1.0");
  const { namespaces } = await client.getNamespaces({});
  expect(namespaces.map(({ cluster, namespace }) => [cluster, namespace])).toEqual([
    ["", "default"],
    ["", "kube-system"],
    ["other", "default"],
  ]);
  const health = createClient(Health, transport);
  expect((await health.check({ service: "hubble.server.Observer" })).status).toBe(
    HealthCheckResponse_ServingStatus.SERVING,
  );
  await expect(health.check({ service: "x" })).rejects.toMatchObject({ code: Code.NotFound });
});

it("sends the version's header before the first flow", async () => {
  const { client } = await observe();
  const stop = new AbortController();
  const version = new Promise((resolve) => {
    const headers = (found: Headers) => resolve(found.get("hubble-server-version"));
    const stream = client.getFlows({ follow: true }, { signal: stop.signal, onHeader: headers });
    stream[Symbol.asyncIterator]()
      .next()
      .catch(() => undefined);
  });
  expect(await version).toBe("v0.1.0");
  stop.abort();
});

it("notifies of peers and their changes", async () => {
  const changed: (() => void)[] = [];
  const peers = [{ name: "default/k8s-w1", address: "192.168.10.101" }];
  const { transport } = await observe(15, peers, changed);
  const stop = new AbortController();
  const notices = createClient(Peer, transport).notify({}, { signal: stop.signal })[Symbol.asyncIterator]();
  expect((await notices.next()).value).toMatchObject({
    name: "default/k8s-w1",
    type: ChangeNotificationType.PEER_ADDED,
  });
  peers[0] = { name: "default/k8s-w1", address: "192.168.10.201" };
  for (const listener of changed) listener();
  expect((await notices.next()).value).toMatchObject({
    address: "192.168.10.201",
    type: ChangeNotificationType.PEER_UPDATED,
  });
  stop.abort();
});

it("listens on a unix socket too, also over one that a killed predecessor left", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sgt-e-"));
  closing.push(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "hubble.sock");
  const { ring, observer } = await observe();
  await observer.serve([{ path }]);
  append(ring, "f1", 0);
  const transport = createGrpcTransport({
    baseUrl: "http://hubble",
    nodeOptions: { createConnection: () => netConnect(path) },
  });
  expect(await flows(createClient(Observer, transport), {})).toEqual(["f1"]);
});

it("survives a client that goes away in the middle of a large answer", async () => {
  const { ring, client } = await observe(4095);
  for (let i = 0; i < 4095; i++) append(ring, `f${i}`, i, { Summary: "x".repeat(500) });
  const stop = new AbortController();
  await expect(
    (async () => {
      for await (const _ of client.getFlows({}, { signal: stop.signal })) stop.abort();
    })(),
  ).rejects.toBeInstanceOf(ConnectError);
  expect(await flows(client, { number: 3n })).toEqual(["f4092", "f4093", "f4094"]);
  expect(await flows(client, {})).toHaveLength(4095);
});
