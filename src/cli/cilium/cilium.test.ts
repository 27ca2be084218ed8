import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { AnsweringAgent } from "../../../test/support/cilium-outcome.ts";
import { sampleStatus } from "../../../test/support/status-sample.ts";

const status = { state: "ready", policy: { realized: { "policy-revision": 3 } }, identity: { id: 318, labels: [] } };
const ANSWERS: Readonly<Record<string, unknown>> = {
  "GET /v1/endpoint": [
    { id: 3845, status },
    { id: 871, status },
    { id: 1, status },
  ],
  "GET /v1/identity": [
    { id: 318, labels: ["k8s:class=deathstar", "k8s:org=empire"] },
    { id: 2, labels: ["reserved:world"] },
  ],
  "GET /v1/endpoint/871/policy": [
    { deny: true, direction: "ingress", identity: 0, protocol: 0, port: 0, portPrefix: 0, proxyPort: 0, authType: 0 },
  ],
  "GET /v1/endpoint/3845/policy": [],
  "GET /v1/endpoint/1/policy": [],
  "GET /v1/bpf/ct": [],
  "GET /v1/config": { status: { addressing: { ipv4: { enabled: true } } } },
  "GET /v1/bpf/endpoint": [],
  "GET /v1/bpf/ipcache": [
    { cidr: "172.20.2.11/32", identity: 19274, tunnel: "192.168.10.102" },
    { cidr: "0.0.0.0/0", identity: 2, tunnel: "0.0.0.0" },
  ],
  "GET /v1/bpf/lb": [
    { id: 4, address: "10.96.0.1", port: 443, protocol: 6, type: "ClusterIP", affinitySeconds: 0, backends: [] },
  ],
  "DELETE /v1/bpf/ct": { flushed: 4 },
  "GET /v1/debuginfo": {
    "cilium-version": "0.1.0 shieldgate undated node version v24 linux/amd64",
    "kernel-version": "6.1.0",
    "environment-variables": ["HOME"],
    "cilium-memory-map": "",
    "endpoint-list": [],
    "service-list": [],
    "cilium-status": await sampleStatus(Date.now()),
    policy: { policy: "[]", revision: 1 },
  },
};

// what the command says of answers of Cilium's API is in test/golden/cilium-dbg.test.ts
const agent = new AnsweringAgent(ANSWERS);
beforeAll(() => agent.listen());
afterAll(() => agent.close());

const cilium = (...args: string[]) => agent.runOurs(args);
const AWAY = "/nonexistent/cilium.sock";

it("bpf maps: policies as they stand in the kernel", async () => {
  expect((await cilium("bpf", "policy", "get", "871")).out).toContain("Deny     Ingress     ANY ");
  expect((await cilium("bpf", "policy", "get", "871", "-n")).out).toContain("Deny     Ingress     0  ");
  const every = (await cilium("bpf", "policy", "get", "--all")).out;
  expect(every).toMatch(/^Endpoint ID: 871\nPath: sg_policy, key 871\n\nPOLICY [\s\S]*\n\n\n$/);
  expect(JSON.parse((await cilium("bpf", "policy", "get", "--all", "-o", "json")).out)).toMatchObject([
    { EndpointID: "871", Path: "sg_policy, key 871", Content: [{ Flags: 1, Key: { Prefixlen: 40 } }] },
  ]);
  expect((await cilium("bpf", "policy", "list")).out).toBe(every);
  expect((await cilium("bpf", "policy", "ls", "-o", "yaml")).out).toMatch(
    /^- endpointid: "871"\n {2}path: .*\n {2}content:\n {4}- policyentry:\n/,
  );
  expect(await cilium("bpf", "policy", "get")).toMatchObject({
    code: 1,
    err: "Error: Missing endpoint id argument\n\n",
  });
  expect(await cilium("bpf", "policy", "get", "5")).toMatchObject({
    code: 1,
    err: expect.stringContaining("no such path"),
  });
});

it("bpf maps: connections, endpoints and the ipcache, in every format", async () => {
  expect((await cilium("bpf", "ct", "list", "global")).out).toBe("\n\n");
  for (const clock of ["", "ktime"])
    expect((await cilium("bpf", "ct", "list", "-d", "--time-diff-clocksource-mode", clock)).out).toBe("\n\n");
  for (const [clock, said] of [
    ["jiffies", "say ktime"],
    ["sun", "could not determine clocksource: invalid clocksource"],
  ] as const)
    expect(await cilium("bpf", "ct", "list", "-d", "--time-diff-clocksource-mode", clock)).toMatchObject({
      code: 1,
      err: expect.stringContaining(said),
    });
  expect(await cilium("bpf", "ct", "list", "871")).toMatchObject({
    ...{ code: 0, out: "", err: "Invalid argument: unknown type 871" },
  });
  expect((await cilium("bpf", "ct", "flush")).out).toBe("Flushed 4 entries\n");
  expect(await cilium("bpf", "ct", "list", "cluster")).toMatchObject({
    ...{ code: 0, out: "", err: "Invalid argument: missing clusterID" },
  });
  expect(await cilium("bpf", "ct", "list", "cluster", "2")).toMatchObject({
    code: 1,
    err: expect.stringContaining("no map of their own here"),
  });
  expect(await cilium("bpf", "lb", "maglev", "list")).toMatchObject({
    code: 1,
    err: expect.stringContaining("bpf lb maglev is not here: backends are chosen by chance"),
  });
  expect((await cilium("bpf", "endpoint", "list")).out).toContain("LOCAL ENDPOINT INFO");
  const ipcache = (await cilium("bpf", "ipcache", "list")).out;
  expect(ipcache).toContain(
    "172.20.2.11/32      identity=19274 encryptkey=0 tunnelendpoint=192.168.10.102 flags=hastunnel",
  );
  expect(ipcache).toContain("identity=2 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>");
  expect(JSON.parse((await cilium("bpf", "ipcache", "list", "-o", "json")).out)).toMatchObject({
    "0.0.0.0/0": ["identity=2 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>"],
  });
  expect((await cilium("bpf", "ipcache", "list", "-o", "yaml")).out).toContain(
    "172.20.2.11/32:\n    - identity=19274 ",
  );
});

it("bpf lb list: services, or a part of what is kept of them", async () => {
  const services = await cilium("bpf", "lb", "list");
  expect(services.out).toMatch(
    /^SERVICE ADDRESS .*\n10\.96\.0\.1:443\/TCP \(0\) +0\.0\.0\.0:0 \(4\) \(0\) \[ClusterIP, non-routable\] +\n$/,
  );
  expect((await cilium("bpf", "lb", "list", "--revnat")).out).toMatch(/^ID .*\n4 +10\.96\.0\.1:443 +\n$/);
  expect(JSON.parse((await cilium("bpf", "lb", "list", "--revnat", "-o", "json")).out)).toEqual({
    "4": ["10.96.0.1:443"],
  });
  expect((await cilium("bpf", "lb", "list", "--source-ranges")).out).toBe("SOURCE RANGE (REVNAT_ID)   \n");
  expect((await cilium("bpf", "lb", "list", "--backends")).out).toBe("ID   BACKEND ADDRESS (REVNAT_ID) (SLOT)\n");
  expect((await cilium("bpf", "lb", "list", "--frontends")).out).toBe(
    "SERVICE ADDRESS         BACKEND ID\n10.96.0.1:443/TCP (0)   16777216 0[0] (4) [0x0 0x0]   \n",
  );
});

it("version: both sides, and what the other side is when it is away", async () => {
  const { out } = await cilium("version");
  expect(out).toMatch(/^Client: 1\.20\.2\+shieldgate .* linux\/\w+\nDaemon: 0\.1\.0 shieldgate undated node /);
  expect(JSON.parse((await cilium("version", "-o", "json")).out)).toMatchObject({
    Client: { Version: "1.20.2+shieldgate", GoRuntimeVersion: expect.stringMatching(/^v\d/) },
    Daemon: { Version: "0.1.0", Revision: "shieldgate", Arch: "linux/amd64" },
  });
  const away = await agent.runOurs(["version"], AWAY);
  expect(away).toMatchObject({ code: 0, out: expect.stringContaining("\nDaemon: Not responding\n") });
});

it.each([
  [
    "get 172.20.2.11",
    "172.20.2.11 maps to identity identity=19274 encryptkey=0 tunnelendpoint=192.168.10.102 flags=hastunnel\n",
  ],
  ["get 172.20.2.12", "172.20.2.12 maps to identity identity=2 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>\n"],
  ["get fd00::1", "fd00::1 does not map to any identity\n"],
  ["match 0.0.0.0/0", 'key 0.0.0.0/0 has value "identity=2 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>"\n'],
  ["match 172.20.2.0/24", "172.20.2.0/24 does not match to any ipcache entry\n"],
])("bpf ipcache %s", async (line, out) => {
  const code = out.includes(" not ") ? 1 : 0;
  expect(await cilium("bpf", "ipcache", ...line.split(" "))).toMatchObject({ out, err: "", code });
});

it("debuginfo: says what it cannot do before it asks", async () => {
  for (const [args, reason] of [
    [["--output", "html"], "if HTML is specified as the output format, it is required"],
    [["--output", "bogus"], "bogus is not a valid output format; exiting\n"],
    [["--output-directory", "/tmp"], 'invalid option combination; specified output-directory "/tmp", but did not'],
    [["--output", "json", "--file-per-command"], "json does not support dumping a file per command; exiting\n"],
  ] as const)
    expect(await cilium("debuginfo", ...args)).toMatchObject({
      ...{ code: 1, out: "", asked: [], err: expect.stringMatching(`^${reason}`) },
    });
  expect((await cilium("debuginfo")).err).toBe("");
  expect((await cilium("debuginfo")).out).toMatch(
    /^# Cilium debug information\n[\s\S]*\n#### Cilium encryption\n\n\n\n$/,
  );
});

it("debuginfo: files in every format, HTML of each part among them", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sgt-debuginfo-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const files = ["--file", "--output-directory", directory];
  const { out, err } = await cilium("debuginfo", ...files, "--output", "json,jsonpath={.kernel-version}");
  expect(err).toBe("");
  const [json = "", path = ""] = out
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/^\w+ output at /, ""));
  expect(JSON.parse(readFileSync(json, "utf8"))).toMatchObject({ "kernel-version": "6.1.0" });
  expect(readFileSync(path, "utf8")).toBe("jsonpath=6.1.0");
  const parts = await cilium("debuginfo", ...files, "--file-per-command", "--output", "html");
  expect(parts.out.split("\n")).toHaveLength(11);
  const [, kernel = ""] = /html output at (.*-kernel-version\.html)/.exec(parts.out) ?? [];
  expect(readFileSync(kernel, "utf8")).toBe(
    "<h1>Cilium debug information</h1>\n\n<h4>Kernel version</h4>\n\n<pre><code>6.1.0\n</code></pre>\n",
  );
});

it("names the socket that does not answer, and refuses what it does not know as cobra does", async () => {
  const away = await agent.runOurs(["endpoint", "list"], AWAY);
  const reason = `dial unix ${AWAY}: connect: no such file or directory`;
  expect(away).toMatchObject({
    code: 1,
    err: `Error: cannot get endpoint list: Get "http://localhost/v1/endpoint": ${reason}\n\n`,
  });
  expect(await cilium("bogus")).toMatchObject({
    code: 1,
    out: 'unknown command "bogus" for "cilium-dbg"\n',
    err: 'Error: unknown command "bogus" for "cilium-dbg"\nRun \'cilium-dbg --help\' for usage.\n',
  });
  expect(await cilium("kvstore", "get", "-o", "json")).toMatchObject({
    code: 1,
    err: "Error: kvstore is not here: the Kubernetes API is the only store: use kubectl\n",
  });
  expect(await cilium("bpf", "nat", "list")).toMatchObject({
    code: 1,
    err: expect.stringContaining("bpf nat is not here: the datapath has no such map"),
  });
  expect(await cilium("bpf", "policy", "add", "1", "ingress", "2")).toMatchObject({
    code: 1,
    err: expect.stringContaining("bpf policy add is not here: only the agent changes the kernel's maps"),
  });
});

it("--host names the socket, before CILIUM_SOCK; --debug tells of each call", async () => {
  const ours = `unix://${agent.socket}`;
  expect((await agent.runOurs(["-H", ours, "bpf", "ct", "flush"], AWAY)).out).toBe("Flushed 4 entries\n");
  const told = await cilium("bpf", "ct", "flush", "--debug");
  expect(told.err).toBe(`level=debug msg="DELETE /v1/bpf/ct" socket=${agent.socket} answer=200\n`);
  expect((await cilium("bpf", "ct", "flush")).err).toBe("");
  expect(await cilium("monitor", "--monitor-socket", "/a")).toMatchObject({
    code: 1,
    err: expect.stringContaining("name its socket with --host"),
  });
  expect(await cilium("--host", "tcp://127.0.0.1:80", "status")).toMatchObject({
    code: 1,
    err: expect.stringContaining("an agent listens on its socket alone: unix:///var/run/cilium/cilium.sock"),
  });
});

it("flags of upstream's that there are not here say what to do instead", async () => {
  for (const [flags, said] of [
    [["status", "--config", "a.yaml"], "--config is not here: say --host"],
    [["version", "--log-driver", "syslog"], "--log-driver is not here: what the command has to say"],
    [["version", "--log-opt", "a=b"], "--log-opt is not here: "],
    [["config", "-n", "8"], "--num-pages is not here: all events of a node come over one ring"],
  ] as const)
    expect(await cilium(...flags)).toMatchObject({ code: 1, err: expect.stringContaining(said) });
});
