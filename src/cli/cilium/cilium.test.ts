import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { craftEvent } from "../../../test/support/craft-event.ts";
import type { L7Notification } from "../../model/access-record.ts";

const MAIN = fileURLToPath(new URL("../cilium.ts", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "sgt-e-"));
const socket = join(directory, "cilium.sock");
const watching: ServerResponse[] = [];

const endpoints = [
  {
    id: 3845,
    containerId: "c2",
    podNamespace: "default",
    podName: "tiefighter",
    address: "172.20.2.11",
    interfaceName: "lxc2",
    identity: 19274,
    labels: ["k8s:class=tiefighter", "k8s:org=empire"],
    state: "ready",
    ingressEnforced: false,
    egressEnforced: false,
    revision: 1,
  },
  {
    id: 871,
    containerId: "c1",
    podNamespace: "default",
    podName: "deathstar-8c4c77fb7-9klws",
    address: "172.20.1.20",
    interfaceName: "lxc1",
    identity: 318,
    labels: ["k8s:app.kubernetes.io/name=deathstar", "k8s:class=deathstar"],
    state: "ready",
    ingressEnforced: true,
    egressEnforced: false,
    revision: 3,
  },
  {
    id: 1,
    podNamespace: "",
    podName: "",
    address: "192.168.10.101",
    identity: 1,
    labels: ["reserved:host"],
    state: "ready",
  },
];

const ANSWERS: Readonly<Record<string, unknown>> = {
  "/v1/endpoint": endpoints,
  "/v1/policy": { revision: 3, rules: [{ endpointSelector: { matchLabels: { "k8s:org": "empire" } } }] },
  "/v1/identity": [
    { id: 318, labels: ["k8s:class=deathstar", "k8s:org=empire"] },
    { id: 2, labels: ["reserved:world"] },
  ],
  "/v1/ip": [
    { cidr: "172.20.2.11/32", identity: 19274, tunnel: "192.168.10.102" },
    { cidr: "0.0.0.0/0", identity: 2, tunnel: "0.0.0.0" },
  ],
  "/v1/service": [
    {
      id: 1,
      address: "10.96.0.10",
      port: 53,
      protocol: 17,
      type: "ClusterIP",
      backends: [{ address: "172.20.1.5", port: 53 }],
    },
  ],
  "/v1/endpoint/871/policy": [
    { deny: true, direction: "ingress", identity: 0, protocol: 0, port: 0, portPrefix: 0, proxyPort: 0, authType: 0 },
  ],
  "/v1/bpf/ct": [],
  "/v1/bpf/endpoint": [],
  "/v1/endpoint/871/config": { PolicyAuditMode: true },
  "/v1/config": { PolicyAuditMode: false, MonitorAggregationLevel: "Medium" },
  "PATCH /v1/config": { PolicyAuditMode: false, MonitorAggregationLevel: "Low" },
  "PATCH /v1/endpoint/871/config": { PolicyAuditMode: true },
  "DELETE /v1/bpf/ct": { flushed: 4 },
  "/v1/healthz": {
    status: "ok",
    version: "v0.1.0",
    nodeName: "k8s-w1",
    kubernetes: "connected",
    endpoints: 2,
    controllers: { "ciliumendpoint a/p1": { lastError: "connect ECONNREFUSED", failures: 2 } },
    flows: { current: 1, max: 4 },
  },
};

const bodies: string[] = [];
let server: Server;
beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === "/v1/monitor") {
      response.writeHead(200);
      response.flushHeaders();
      watching.push(response);
      return;
    }
    const path = request.url ?? "";
    const answer = ANSWERS[request.method === "GET" ? path : `${request.method} ${path}`];
    request.on("data", (chunk) => bodies.push(String(chunk)));
    response.writeHead(answer === undefined ? 404 : 200);
    response.end(JSON.stringify(answer ?? { error: "no such endpoint" }));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true });
});

function start(args: readonly string[], path = socket): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, CILIUM_SOCK: path } });
}

function result(child: ChildProcess): Promise<{ code: number | null; out: string; err: string }> {
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    err += chunk;
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err })));
}

const cilium = (...args: string[]) => result(start(args));

it("endpoint list: the columns of the real command, labels one a line", async () => {
  const { out, code } = await cilium("endpoint", "list");
  expect(code).toBe(0);
  expect(out.split("\n")).toEqual([
    "ENDPOINT   POLICY (ingress)   POLICY (egress)   IDENTITY   LABELS (source:key[=value])            IPv6   IPv4          STATUS   ",
    "           ENFORCEMENT        ENFORCEMENT                                                                                       ",
    "1          Disabled           Disabled          1          reserved:host                                               ready    ",
    "871        Enabled            Disabled          318        k8s:app.kubernetes.io/name=deathstar          172.20.1.20   ready    ",
    "                                                           k8s:class=deathstar                                                  ",
    "3845       Disabled           Disabled          19274      k8s:class=tiefighter                          172.20.2.11   ready    ",
    "                                                           k8s:org=empire                                                       ",
    "",
  ]);
  const asJson: unknown = JSON.parse((await cilium("endpoint", "list", "-o", "json")).out);
  expect(asJson).toMatchObject([
    { id: 3845 },
    { id: 871, status: { identity: { id: 318 }, policy: { realized: { "policy-enabled": "ingress" } } } },
    {},
  ]);
});

it("endpoint get: by id or pod, or an error that says where to look", async () => {
  expect(JSON.parse((await cilium("endpoint", "get", "871")).out)).toMatchObject([{ id: 871 }]);
  expect(JSON.parse((await cilium("endpoint", "get", "pod-name:default/tiefighter")).out)).toMatchObject([
    { id: 3845 },
  ]);
  const missing = await cilium("endpoint", "get", "9");
  expect(missing).toMatchObject({ code: 1, out: "", err: expect.stringContaining("Cannot get endpoint 9") });
});

it("bpf maps: what stands in the kernel", async () => {
  expect((await cilium("bpf", "policy", "get", "871")).out).toContain("Deny     Ingress     ANY ");
  expect((await cilium("bpf", "policy", "get", "871", "-n")).out).toContain("Deny     Ingress     0  ");
  expect((await cilium("bpf", "ct", "list", "global")).out).toBe("");
  expect((await cilium("bpf", "ct", "flush")).out).toBe("Flushed 4 entries\n");
  expect(await cilium("bpf", "ct", "list", "cluster")).toMatchObject({
    code: 1,
    err: expect.stringContaining("unknown type"),
  });
  expect((await cilium("bpf", "endpoint", "list")).out).toContain("LOCAL ENDPOINT INFO");
});

it("config: shows audit mode and changes it, and nothing else", async () => {
  expect((await cilium("endpoint", "config", "871")).out).toBe("PolicyAuditMode                   : Enabled\n");
  expect((await cilium("config")).out).toBe(
    "MonitorAggregationLevel           : Medium\nPolicyAuditMode                   : Disabled\n",
  );
  for (const [option, level] of [
    ["MonitorAggregationLevel=low", "Low"],
    ["monitoraggregationlevel=none", "None"],
    ["MonitorAggregationLevel=maximum", "Max"],
    ["MonitorAggregationLevel=3", "Medium"],
  ]) {
    expect((await cilium("config", option!)).code).toBe(0);
    expect(bodies.at(-1)).toBe(JSON.stringify({ MonitorAggregationLevel: level }));
  }
  expect((await cilium("config", "MonitorAggregationLevel=loud")).err).toContain(
    "one of None, Lowest, Low, Medium, Max",
  );
  expect((await cilium("endpoint", "config", "871", "MonitorAggregationLevel=Low")).err).toContain(
    "the only option that can be changed is PolicyAuditMode",
  );
  const changed = await cilium("endpoint", "config", "871", "PolicyAuditMode=Enabled");
  expect([changed.out, bodies.at(-1)]).toEqual([
    "Endpoint 871 configuration updated successfully\n",
    '{"PolicyAuditMode":true}',
  ]);
  for (const option of ["Debug=Enabled", "PolicyAuditMode=perhaps"])
    expect(await cilium("config", option)).toMatchObject({
      code: 1,
      err: expect.stringContaining("Cannot parse option"),
    });
});

it("policy get: the rules, then the revision", async () => {
  const { out } = await cilium("policy", "get");
  expect(out).toMatch(/^\[\n {2}\{\n {4}"endpointSelector": \{[\s\S]*\}\n\]\nRevision: 3\n$/);
});

it("identities, addresses, services, maps, status", async () => {
  expect((await cilium("identity", "list")).out).toBe(
    "ID    LABELS                \n2     reserved:world        \n318   k8s:class=deathstar   \n      k8s:org=empire        \n",
  );
  expect((await cilium("identity", "get", "318")).out).toContain("318");
  expect(await cilium("identity", "get", "7")).toMatchObject({ code: 1, out: "" });
  const ipcache = (await cilium("bpf", "ipcache", "list")).out;
  expect(ipcache).toContain(
    "172.20.2.11/32      identity=19274 encryptkey=0 tunnelendpoint=192.168.10.102 flags=hastunnel",
  );
  expect(ipcache).toContain("identity=2 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>");
  expect((await cilium("ip", "list")).out).toContain("0.0.0.0/0        reserved:world");
  expect((await cilium("service", "list")).out).toContain(
    "1    10.96.0.10:53/UDP   ClusterIP      1 => 172.20.1.5:53/UDP (active)",
  );
  expect(await cilium("bpf", "policy", "get", "5")).toMatchObject({
    code: 1,
    err: expect.stringContaining("no such endpoint"),
  });
  const status = (await cilium("status")).out;
  expect(status).toContain("Kubernetes:             connected\n");
  expect(status).toContain("Hubble:                 Ok   Current/Max Flows: 1/4 (25.00%)\n");
  expect(status).toContain("Failing ciliumendpoint a/p1: connect ECONNREFUSED\n");
  expect(status).not.toContain("Envoy");
});

it("refuses what it does not know as cobra does", async () => {
  expect(await cilium("endpoint", "lst")).toMatchObject({
    code: 1,
    err: expect.stringContaining('Error: unknown command "lst" for "cilium endpoint"'),
  });
  expect(await cilium("bogus")).toMatchObject({
    code: 1,
    err: expect.stringContaining('unknown command "bogus" for "cilium"'),
  });
  expect(await cilium("endpoint", "list", "--bogus")).toMatchObject({
    code: 1,
    err: expect.stringContaining("unknown flag: --bogus"),
  });
  expect(await cilium("endpoint", "list", "-o", "yaml")).toMatchObject({
    code: 1,
    err: expect.stringContaining("only json"),
  });
  expect(await cilium("monitor", "--type", "debug")).toMatchObject({
    code: 1,
    err: expect.stringContaining("emits no debug events"),
  });
  const away = await result(start(["endpoint", "list"], join(directory, "none.sock")));
  expect(away).toMatchObject({ code: 1, err: expect.stringContaining("Is the agent running?") });
});

function frame(kind: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32LE(body.length + 1);
  head[4] = kind;
  return Buffer.concat([head, body]);
}

const notification: L7Notification = {
  record: {
    type: "request",
    verdict: "denied",
    timeMs: 0,
    direction: "ingress",
    endpointId: 871,
    sourceIdentity: 19274,
    destinationIdentity: 318,
    sourceAddress: "172.20.2.11",
    sourcePort: 59020,
    destinationAddress: "172.20.1.20",
    destinationPort: 80,
    protocol: "HTTP/1.1",
    method: "PUT",
    url: "http://deathstar/v1/exhaust-port",
    status: 0,
    latencyMs: 0,
    headers: [],
    reason: "no rule matched",
  },
  source: { id: 3845, identity: 19274, labels: ["k8s:org=empire"] },
  destination: { id: 871, identity: 318, labels: ["k8s:org=empire"] },
};

const STREAM = Buffer.concat([
  frame(
    1,
    craftEvent({
      type: 1,
      subtype: 133,
      endpoint: 871,
      destinationEndpoint: 871,
      sourceIdentity: 10135,
      destinationIdentity: 318,
    }),
  ),
  frame(2, Buffer.from(JSON.stringify(notification))),
  frame(3, Buffer.from('{"lost": 7}')),
  frame(4, Buffer.from('{"type": "Policy updated", "message": {"revision": 3}}')),
]);

/** Runs a monitor, feeds it the stream in two awkward pieces, and interrupts it. */
async function watch(...args: string[]) {
  const child = start(["monitor", ...args]);
  const done = result(child);
  while (watching.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  const response = watching.pop();
  response?.write(STREAM.subarray(0, 11));
  await new Promise((resolve) => setTimeout(resolve, 30));
  response?.write(STREAM.subarray(11));
  await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill("SIGINT");
  return done;
}

it("monitor: a line an event until Ctrl-C", async () => {
  const { code, out, err } = await watch();
  expect(code).toBe(0);
  expect(out.split("\n")).toEqual([
    expect.stringMatching(/^xx drop \(Policy denied\) flow 0xb6b3b6b3 to endpoint 871, .*172.20.1.20:80 tcp SYN$/),
    "<- Request http from 3845 ([k8s:org=empire]) to 871 ([k8s:org=empire]), identity 19274->318, verdict Denied PUT http://deathstar/v1/exhaust-port => 0",
    "Lost 7 events",
    '>> Policy updated: {"revision":3}',
    "",
  ]);
  expect(err).toMatch(
    /^Listening for events on \d+ CPUs\nPress Ctrl-C to quit\n\nReceived an interrupt, disconnecting from monitor...\n/,
  );
});

it("monitor: types, endpoints, verbosity, JSON", async () => {
  const l7 = await watch("-v", "--type", "l7");
  expect(l7.out.split("\n")).toEqual([expect.stringMatching(/^<- Request http/), "Lost 7 events", ""]);
  const verbose = await watch("-v", "-v", "--type", "drop");
  expect(verbose.out).toContain("FROM 871 DROP: 54 bytes, reason Policy denied");
  expect(verbose.out).toContain("TCP\t{SrcPort=43966 DstPort=80 ");
  expect((await watch("-vv", "-x", "-t", "drop")).out).toContain("00000000  02 00 00 00 00 02");
  expect((await watch("--from", "3845")).out).toMatch(/^<- Request http[^\n]*\nLost 7 events\n$/);
  expect((await watch("--related-to", "5")).out).toBe("Lost 7 events\n");
  const lines = (await watch("-j")).out.trim().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual([
    "drop",
    "logRecord",
    "lost",
    "agent",
  ]);
});
