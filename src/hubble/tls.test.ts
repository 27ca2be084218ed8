import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { Observer } from "../../proto/gen/observer_pb.js";
import { NodeState } from "../../proto/gen/relay_pb.js";
import { createFlowRing } from "../flow/index.ts";
import { openAuthority } from "../kube/pki/authority.ts";
import {
  createObserver,
  createRelay,
  observerDomain,
  observerServerName,
  type TlsIdentity,
  type TlsSource,
} from "./index.ts";

const directory = mkdtempSync(join(tmpdir(), "sgt-hubble-tls-"));
afterAll(() => rmSync(directory, { recursive: true }));
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const SERVER_NAME = observerServerName("k8s.w1", "default");
let server: TlsIdentity;
let client: TlsIdentity;
let strangersClient: TlsIdentity;

beforeAll(() => {
  const authority = openAuthority(join(directory, "own"), new Date(), "Cilium CA");
  const stranger = openAuthority(join(directory, "stranger"), new Date(), "Cilium CA");
  const names = `*.${observerDomain("default")}`;
  const { ca } = authority;
  server = { ...authority.server("server", names, [names]), ca };
  client = { ...authority.client("client", "relay", []), ca };
  strangersClient = { ...stranger.client("client", "relay", []), ca };
});

/** An identity that can be exchanged for another. */
function source(identity: TlsIdentity): TlsSource & { renew(next: TlsIdentity): void } {
  const listeners = new Set<() => void>();
  let now = identity;
  return {
    current: () => now,
    onRenewed: (listener) => listeners.add(listener),
    renew(next) {
      now = next;
      for (const listener of listeners) listener();
    },
  };
}

async function observe(tls: TlsSource = source(server)) {
  const options = { ring: createFlowRing(15), nodeName: "default/k8s.w1", version: "v0.1.0", now: Date.now };
  const observer = createObserver(options);
  await observer.serve([{ host: "127.0.0.1", port: 0, tls }]);
  closing.push(() => observer.close());
  return observer;
}

function status(port: number, identity: Partial<TlsIdentity>, servername = SERVER_NAME) {
  const nodeOptions = { ...identity, servername };
  const transport = createGrpcTransport({ baseUrl: `https://127.0.0.1:${port}`, nodeOptions });
  return createClient(Observer, transport).serverStatus({}, { timeoutMs: 5000 });
}

it("names a node's certificate as upstream's peers do", () => {
  expect(SERVER_NAME).toBe("k8s-w1.default.hubble-grpc.cilium.io");
  expect(observerServerName("a", "b.c")).toBe("a.b-c.hubble-grpc.cilium.io");
});

it("answers who shows a certificate of the authority, and nobody else", async () => {
  const { port } = await observe();
  expect((await status(port, client)).version).toBe("v0.1.0");
  await expect(status(port, { ca: client.ca })).rejects.toThrow(/certificate required|closed|aborted/);
  await expect(status(port, strangersClient)).rejects.toThrow(/unknown ca|closed|aborted/);
  await expect(status(port, client, "k8s-w1.other.hubble-grpc.cilium.io")).rejects.toThrow("altnames");
  await expect(
    createClient(Observer, createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` })).serverStatus({}),
  ).rejects.toThrow();
});

it("speaks nothing older than TLS 1.3", async () => {
  const { port } = await observe();
  const failure = new Promise((_, reject) => {
    const options = { ...client, port, servername: SERVER_NAME, ALPNProtocols: ["h2"], maxVersion: "TLSv1.2" as const };
    connectTls(options).once("error", reject);
  });
  await expect(failure).rejects.toThrow(/protocol version/);
});

it("shows a renewed certificate to who connects from then on", async () => {
  const tls = source(server);
  const { port } = await observe(tls);
  const shown = () =>
    new Promise<string>((resolve, reject) => {
      const socket: TLSSocket = connectTls({ ...client, port, servername: SERVER_NAME, ALPNProtocols: ["h2"] }, () => {
        resolve(socket.getPeerX509Certificate()?.serialNumber ?? "");
        socket.destroy();
      });
      socket.once("error", reject);
    });
  const before = await shown();
  const authority = openAuthority(join(directory, "own"), new Date(), "Cilium CA");
  tls.renew({ ...authority.server("renewed", "renewed", [`*.${observerDomain("default")}`]), ca: authority.ca });
  expect(await shown()).not.toBe(before);
});

it("listens in clear on loopback alone", async () => {
  const observer = createObserver({ ring: createFlowRing(1), nodeName: "n", version: "v0.1.0", now: Date.now });
  await expect(observer.serve([{ host: "0.0.0.0", port: 0 }])).rejects.toThrow("the flow API needs TLS");
});

it("ends with connections that never finished their handshake", async () => {
  const observer = await observe();
  const silent = connectTcp(observer.port, "127.0.0.1");
  await new Promise((resolve) => silent.once("connect", resolve));
  const ended = new Promise((resolve) => silent.once("close", resolve));
  silent.on("error", () => undefined);
  closing.length = 0;
  await observer.close();
  await ended;
});

it("lets a relay ask nodes by their names, and tells who is reached how", async () => {
  const { port } = await observe();
  const address = `127.0.0.1:${port}`;
  const peers = [
    { name: "default/k8s.w1", address, serverName: SERVER_NAME },
    { name: "other/k8s.w1", address, serverName: observerServerName("k8s.w1", "other") },
  ];
  const relay = createRelay({ peers, version: "v0.1.0", now: Date.now, nodeName: "relay", tls: source(client) });
  await relay.serve([{ host: "127.0.0.1", port: 0 }]);
  closing.push(() => relay.close());
  const asked = createClient(Observer, createGrpcTransport({ baseUrl: `http://127.0.0.1:${relay.port}` }));
  expect((await asked.getNodes({})).nodes).toMatchObject([
    { name: "default/k8s.w1", state: NodeState.NODE_CONNECTED, tls: { enabled: true, serverName: SERVER_NAME } },
    { name: "other/k8s.w1", state: NodeState.NODE_UNAVAILABLE, tls: { enabled: true } },
  ]);
});

it("makes no relay that would ask half of its nodes in clear by accident", () => {
  const options = { version: "v0.1.0", now: Date.now, nodeName: "relay" };
  const withName = [{ name: "a", address: "127.0.0.1:9", serverName: "x" }];
  expect(() => createRelay({ ...options, peers: withName })).toThrow("go together");
  const plain = [{ name: "a", address: "127.0.0.1:9" }];
  expect(() => createRelay({ ...options, peers: plain, tls: source(client) })).toThrow("go together");
});
