import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CiliumCommand } from "../../../test/support/cilium-command.ts";

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
  "/v1/endpoint/3845/policy": [],
  "/v1/endpoint/1/policy": [],
  "/v1/policy/selectors": [
    {
      selector: "cidr:10.0.0.0/8",
      identities: [16777217, 16777218],
      users: 2,
      labels: [
        [
          { source: "k8s", key: "io.cilium.k8s.policy.name", value: "rule1" },
          { source: "k8s", key: "io.cilium.k8s.policy.namespace", value: "default" },
        ],
      ],
    },
    { selector: "MatchName: a, MatchPattern: ", identities: [], users: 1, labels: [] },
  ],
  "/v1/bpf/ct": [],
  "/v1/bpf/endpoint": [],
  "/v1/endpoint/871/config": { PolicyAuditMode: true },
  "/v1/config": { PolicyAuditMode: false, MonitorAggregationLevel: "Medium" },
  "PATCH /v1/config": { PolicyAuditMode: false, MonitorAggregationLevel: "Low" },
  "PATCH /v1/endpoint/871/config": { PolicyAuditMode: true },
  "DELETE /v1/bpf/ct": { flushed: 4 },
};

const command = new CiliumCommand(ANSWERS);
const { bodies } = command;
beforeAll(() => command.listen());
afterAll(() => command.close());

const cilium = (...args: string[]) => command.run(args);

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

it("bpf maps: policies as they stand in the kernel", async () => {
  expect((await cilium("bpf", "policy", "get", "871")).out).toContain("Deny     Ingress     ANY ");
  expect((await cilium("bpf", "policy", "get", "871", "-n")).out).toContain("Deny     Ingress     0  ");
  const every = (await cilium("bpf", "policy", "get", "--all")).out;
  expect(every).toMatch(/^Endpoint ID: 871\nPath: sg_policy, key 871\n\nPOLICY [\s\S]*\n\n\n$/);
  expect(JSON.parse((await cilium("bpf", "policy", "get", "--all", "-o", "json")).out)).toMatchObject([
    { EndpointID: "871", Content: [{ deny: true }] },
  ]);
  expect((await cilium("bpf", "policy", "get")).err).toContain("name an endpoint id, or give --all");
});

it("bpf maps: connections and endpoints", async () => {
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

it("policy selectors: whom each selects, one identity a row, and which policies ask for it", async () => {
  expect((await cilium("policy", "selectors")).out.split("\n").map((line) => line.trimEnd())).toEqual([
    "SELECTOR                       LABELS          USERS   IDENTITIES",
    "MatchName: a, MatchPattern:                    1",
    "cidr:10.0.0.0/8                default/rule1   2       16777217",
    "                                                       16777218",
    "",
  ]);
  expect((await cilium("policy", "selectors", "-v")).out).toContain(
    "[k8s:io.cilium.k8s.policy.name=rule1 k8s:io.cilium.k8s.policy.namespace=default]   2 ",
  );
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
  const away = await command.run(["endpoint", "list"], join(command.directory, "none.sock"));
  expect(away).toMatchObject({ code: 1, err: expect.stringContaining("Is the agent running?") });
});
