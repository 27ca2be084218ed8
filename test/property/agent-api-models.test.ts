import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { EndpointModel } from "../../src/agent/api-models.ts";
import { statedbRows } from "../../src/cli/cilium/agent-client.ts";
import { typed } from "../../src/cli/cilium/output/value.ts";
import { CiliumNodes, EndpointSlices, Services } from "../../src/kube/resources.ts";
import { jsonText } from "../../src/wire/go-json.ts";
import { AgentWorld } from "../support/agent-world.ts";

const world = new AgentWorld();
let id = 0;

beforeAll(async () => {
  await world.startSynced();
  world.kube.put(CiliumNodes, {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNode",
    metadata: { name: "k8s-w2" },
    spec: {
      addresses: [
        { type: "InternalIP", ip: "192.168.10.102" },
        { type: "CiliumInternalIP", ip: "172.20.2.1" },
      ],
      health: { ipv4: "172.20.2.7" },
      ipam: { podCIDRs: ["172.20.2.0/24"] },
    },
  });
  world.kube.put(Services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "deathstar", namespace: "default" },
    spec: { clusterIP: "10.96.0.20", ports: [{ port: 80, protocol: "TCP" }] },
  });
  world.kube.put(EndpointSlices, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: "deathstar-1",
      namespace: "default",
      labels: { "kubernetes.io/service-name": "deathstar" },
    },
    addressType: "IPv4",
    ports: [{ port: 80, protocol: "TCP" }],
    endpoints: [{ addresses: ["172.20.1.2"], conditions: { ready: true } }],
  });
  await world.runPod("deathstar", { org: "empire" });
  world.policy("rule1", {
    endpointSelector: { matchLabels: { org: "empire" } },
    ingress: [
      {
        fromEndpoints: [{ matchLabels: { org: "empire" } }],
        toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http: [{ method: "GET" }] } }],
      },
    ],
    egress: [{ toFQDNs: [{ matchPattern: "**.example.com" }] }, { toCIDR: ["10.0.0.0/8"] }],
  });
  await world.settle();
  id = (await world.endpoints()).find(({ podName }) => podName === "deathstar")!.id;
  world.proxy.observe([
    { endpointId: id, name: "a.example.com.", addresses: ["20.1.1.7"], ttlSeconds: 60, timeMs: world.nowMs },
  ]);
  await world.settle();
});
afterAll(() => world.end());

const isEmpty = (value: unknown) =>
  [undefined, null, false, 0, ""].includes(value as null) ||
  (typeof value === "object" && Object.values(value as object).length === 0);

/** Paths of what is in `own` and not, or otherwise, in what came of it through the model. */
function lost(own: unknown, modelled: unknown, path = ""): string[] {
  if (isEmpty(own)) return [];
  if (typeof own !== "object" || own === null) return own === modelled ? [] : [path];
  if (typeof modelled !== "object" || modelled === null) return [path];
  return Object.entries(own).flatMap(([key, value]) =>
    lost(value, (modelled as Record<string, unknown>)[key], `${path}/${key}`),
  );
}

it.each([
  ["/healthz", "*StatusResponse"],
  ["/config", "*DaemonConfiguration"],
  ["/cluster/nodes", "*ClusterNodeStatus"],
  ["/node/ids", "[]*NodeID"],
  ["/endpoint", "[]*Endpoint"],
  ["/endpoint/ID", "*Endpoint"],
  ["/endpoint/ID/log", "[]*EndpointStatusChange"],
  ["/endpoint/ID/healthz", "*EndpointHealth"],
  ["/endpoint/ID/labels", "*LabelConfiguration"],
  ["/endpoint/ID/config", "*EndpointConfigurationStatus"],
  ["/identity", "[]*Identity"],
  ["/identity/1", "*Identity"],
  ["/identity/endpoints", "[]*IdentityEndpoints"],
  ["/ip", "[]*IPListEntry"],
  ["/service", "[]*Service"],
  ["/policy", "*Policy"],
  ["/policy/selectors", "[]*SelectorIdentityMapping"],
  ["/policy/subject-selectors", "[]*SelectorIdentityMapping"],
  ["/fqdn/cache", "[]*DNSLookup"],
  ["/fqdn/names", "*NameManager"],
  ["/map", "*BPFMapList"],
  ["/map/sg_ipcache", "*BPFMap"],
  ["/lrp", "[]*LRPSpec"],
  ["/debuginfo", "*DebugInfo"],
])("what the agent answers at %s has the fields of Cilium's model and no other", async (path, type) => {
  const { status, body } = await world.call("GET", `/v1${path.replace("ID", String(id))}`);
  expect(status).toBe(200);
  expect(lost(body, JSON.parse(jsonText(typed(body, type))))).toEqual([]);
  if (!["/node/ids", "/lrp"].includes(path)) expect(isEmpty(body)).toBe(false);
});

it("refuses by name what it has not, as texts in the API's form", async () => {
  const refusals = [
    ["GET", "/v1/prefilter", 500, "deny ranges by a policy"],
    ["GET", "/v1/cgroup-dump-metadata", 500, "`endpoint list` shows the pods"],
    ["GET", "/v1/bgp/peers", 501, "no BGP control plane"],
    ["GET", "/v1/map/sg_ipcache/events", 404, "the monitor tells of them"],
    ["GET", "/v1/map/none", 404, "GET /v1/map lists them"],
    ["GET", "/v1/endpoint/cep:x", 400, 'unknown kind of endpoint name "cep"'],
    ["GET", "/v1/endpoint/70000", 400, "a number up to 65535"],
    ["GET", "/v1/endpoint/70", 404, "no endpoint 70 on this node"],
    ["GET", `/v1/endpoint/${id}/x`, 404, "no such path"],
    ["DELETE", `/v1/endpoint/${id}`, 400, "`kubectl delete pod`"],
    ["PUT", `/v1/endpoint/cni-attachment-id:x`, 400, "`kubectl delete pod`"],
    ["PATCH", `/v1/endpoint/${id}/labels`, 500, "`kubectl label pod`"],
    ["DELETE", "/v1/endpoint", 400, "one by one"],
    ["GET", "/v1/identity/77", 404, "no identity 77"],
    ["GET", "/v1/identity/x", 400, "it is a number"],
    ["GET", "/v1/ip?cidr=x", 400, "cidr must be like"],
    ["GET", "/v1/ip?cidr=1.0.0.0/8", 404, "no such address"],
    ["GET", "/v1/%zz", 400, "not escaped"],
    ["GET", "/v1/nothing", 404, "no such path: /v1/nothing"],
    ["POST", "/v1/service", 405, "POST is not a call on /v1/service"],
  ] as const;
  for (const [method, path, status, text] of refusals)
    expect(await world.call(method, path), path).toEqual({ status, body: expect.stringContaining(text) });
});

it("finds endpoints by every name that Cilium has for them, and by labels", async () => {
  const one = async (path: string) => ((await world.call("GET", path)).body as { readonly id: number }).id;
  for (const name of [`cilium-local:${id}`, "cep-name:default/deathstar", "ipv4:172.20.1.2"])
    expect(await one(`/v1/endpoint/${encodeURIComponent(name)}`), name).toBe(id);
  const labelled = await world.call("GET", "/v1/endpoint", ["k8s:org=empire"]);
  expect((labelled.body as readonly { readonly id: number }[]).map((endpoint) => endpoint.id)).toEqual([id]);
  expect((await world.call("GET", "/v1/endpoint", ["k8s:org=rebels"])).status).toBe(404);
  const identities = await world.call("GET", "/v1/identity", ["reserved:host"]);
  expect(identities.body).toMatchObject([{ id: 1 }]);
});

it("an endpoint says which ports its rules are about, and what the agent does for it", async () => {
  const { status } = (await world.call("GET", `/v1/endpoint/${id}`)).body as EndpointModel;
  const { l4 } = status.policy.realized;
  const rule1 = expect.arrayContaining([expect.stringContaining("policy.name=rule1")]);
  expect(l4.ingress).toContainEqual({
    rule: '{"port":80,"protocol":"TCP","l7":"http"}',
    "derived-from-rules": expect.arrayContaining([rule1]),
  });
  expect(status.policy.realized["allowed-egress-identities"]).toEqual(expect.arrayContaining([expect.any(Number)]));
  expect(status.controllers).toMatchObject([{ name: "ciliumendpoint default/deathstar" }]);
});

it("an endpoint's log tells its way, newest first", async () => {
  const log = async () => (await world.call("GET", `/v1/endpoint/${id}/log`)).body;
  expect(await log()).toMatchObject([
    { code: "ok", state: "ready", message: expect.stringMatching(/^Policy revision \d+ in force$/) },
    { code: "ok", state: "regenerating", message: "Waiting for the proxy" },
    { code: "ok", state: "ready" },
    { code: "ok", state: "regenerating", message: expect.stringMatching(/^Identity \d+ allocated$/) },
    { code: "ok", state: "waiting-for-identity", message: "Endpoint creation" },
  ]);
});

it("the module health of statedb is one row a task, and no other table is there", async () => {
  vi.stubEnv("CILIUM_SOCK", world.socketPath);
  const rows = await statedbRows<{ readonly ID: object; readonly Level: string }>(
    "health",
    "agent",
    AbortSignal.timeout(5000),
  );
  vi.unstubAllEnvs();
  const health = (name: string) => ({ Level: "OK", ID: { Module: ["agent", "controlplane"], Component: [name] } });
  expect(rows).toMatchObject([health("ciliumendpoint default/deathstar"), health("ciliumnode")]);
  expect(await world.call("GET", "/statedb/query", { table: "devices" })).toMatchObject({ status: 404 });
  expect(await world.call("GET", "/statedb/dump")).toMatchObject({ status: 200, body: { health: rows } });
});
