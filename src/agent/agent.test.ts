import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AgentWorld, NODE_ADDRESS } from "../../test/support/agent-world.ts";
import {
  CiliumEndpoints,
  CiliumIdentities,
  CiliumNetworkPolicies,
  CiliumNodes,
  EndpointSlices,
  Namespaces,
  Pods,
  Services,
} from "../kube/resources.ts";
import type { StatusResponse } from "./status-model.ts";

const TCP = 6;
const EMPIRE = { org: "empire", class: "deathstar" };
const RULE1 = {
  endpointSelector: { matchLabels: EMPIRE },
  ingress: [
    { fromEndpoints: [{ matchLabels: { org: "empire" } }], toPorts: [{ ports: [{ port: "80", protocol: "TCP" }] }] },
  ],
};
const L7 = {
  ...RULE1,
  ingress: [
    {
      fromEndpoints: [{ matchLabels: { org: "empire" } }],
      toPorts: [
        {
          ports: [{ port: "80", protocol: "TCP" }],
          rules: { http: [{ method: "POST", path: "/v1/request-landing" }] },
        },
      ],
    },
  ],
};

let world: AgentWorld;
beforeEach(() => {
  world = new AgentWorld();
});
afterEach(async () => {
  await world.end();
});

test("the node is registered, and nodes have their reserved identities", async () => {
  world.kube.put(CiliumNodes, {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNode",
    metadata: { name: "k8s-ctr" },
    spec: {
      addresses: [
        { type: "InternalIP", ip: "192.168.10.100" },
        { type: "CiliumInternalIP", ip: "172.20.0.1" },
      ],
    },
  });
  world.kube.put(EndpointSlices, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "kubernetes", namespace: "default", labels: { "kubernetes.io/service-name": "kubernetes" } },
    addressType: "IPv4",
    ports: [{ name: "https", port: 6443, protocol: "TCP" }],
    endpoints: [{ addresses: ["192.168.10.100"] }],
  });
  world.kube.put(Services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "kubernetes", namespace: "default" },
    spec: { clusterIP: "10.96.0.1", ports: [{ name: "https", port: 443, protocol: "TCP" }] },
  });
  await world.startSynced();
  await world.settle();
  expect(world.kube.peek(CiliumNodes, "k8s-w1")?.spec).toMatchObject({
    addresses: [
      { type: "InternalIP", ip: NODE_ADDRESS },
      { type: "CiliumInternalIP", ip: "172.20.1.1" },
    ],
    ipam: { podCIDRs: ["172.20.1.0/24"] },
  });
  expect(Object.fromEntries(world.datapath.listIpcache())).toEqual({
    "0.0.0.0/0": { identity: 2 },
    "172.20.0.0/16": { identity: 3 },
    "192.168.10.101/32": { identity: 1 },
    "172.20.1.1/32": { identity: 1 },
    "192.168.10.100/32": { identity: 7 },
    "172.20.0.1/32": { identity: 7, tunnel: "192.168.10.100" },
  });
  expect(world.datapath.services).toMatchObject([
    { address: "10.96.0.1", port: 443, backends: [{ address: "192.168.10.100", port: 6443 }] },
  ]);
});

test("a pod gets an address, an identity, a policy in force and a CiliumEndpoint before the call is answered", async () => {
  await world.startSynced();
  world.policy("rule1", RULE1);
  await world.settle();
  const request = await world.runPod("deathstar", EMPIRE);
  expect(request.address).toBe("172.20.1.2");
  const [endpoint, host] = await world.endpoints();
  expect(endpoint).toMatchObject({ state: "ready", ingressEnforced: true, egressEnforced: false });
  expect(endpoint?.labels).toContain("k8s:class=deathstar");
  expect(host).toMatchObject({ identity: 1, labels: ["reserved:host"], ingressEnforced: false });
  expect(world.kube.peek(CiliumIdentities, String(endpoint?.identity))).toBeDefined();
  expect(world.kube.peek(CiliumEndpoints, "deathstar", "default")).toMatchObject({
    metadata: { ownerReferences: [{ kind: "Pod", uid: request.podUid }] },
    status: {
      id: endpoint?.id,
      identity: { id: endpoint?.identity },
      networking: { addressing: [{ ipv4: "172.20.1.2" }], node: NODE_ADDRESS },
      policy: { ingress: { enforcing: true, state: "Enabled" }, egress: { enforcing: false, state: "Disabled" } },
      state: "ready",
    },
  });
  const friend = await world.runPod("tiefighter", { org: "empire" });
  const foe = await world.runPod("xwing", { org: "alliance" });
  expect(world.datapath.ingress(friend.address, request.address, TCP, 80)).toBe("allow");
  expect(world.datapath.ingress(friend.address, request.address, TCP, 81)).toBe("deny");
  expect(world.datapath.ingress(foe.address, request.address, TCP, 80)).toBe("deny");
});

test("an address outside the node's range, or another endpoint's, is refused and leaves nothing", async () => {
  await world.startSynced();
  const first = await world.runPod("a", {});
  const second = await world.prepare(world.putPod("b", {}));
  expect(await world.put({ ...second, address: "172.20.2.9" })).toMatchObject({ status: 400 });
  expect(await world.put({ ...second, address: first.address })).toMatchObject({ status: 409 });
  expect(await world.put(first)).toMatchObject({ status: 201 });
  expect(world.datapath.listEndpoints()).toHaveLength(1);
});

test("a caller whose address was given back by a restart of the agent between its two calls has it again", async () => {
  await world.startSynced();
  const request = await world.prepare(world.putPod("a", {}));
  expect(await world.put({ ...request, address: "172.20.1.99" })).toMatchObject({ status: 201 });
  const other = await world.prepare(world.putPod("b", {}));
  expect(other.address).not.toBe("172.20.1.99");
});

test("a failing kernel makes the call fail and leaves no endpoint", async () => {
  await world.startSynced();
  const request = await world.prepare(world.putPod("a", {}));
  world.datapath.failing.add("setPolicy");
  expect(await world.put(request)).toMatchObject({
    status: 500,
    body: expect.stringContaining("no space left"),
  });
  expect(world.datapath.listEndpoints()).toEqual([]);
  world.datapath.failing.clear();
  expect(await world.put(request)).toMatchObject({ status: 201 });
});

test("what the kernel does not take stays as it was, is told, and is done when there is room again", async () => {
  await world.startSynced();
  const server = await world.runPod("server", { app: "server" });
  await world.settle();
  for (const method of ["upsertIpcache", "deleteIpcache", "setServices"] as const) world.datapath.failing.add(method);
  world.policy("rule1", { ...RULE1, endpointSelector: {}, ingress: [{ fromCIDR: ["10.1.0.0/16"] }] });
  world.kube.put(Services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "s", namespace: "default" },
    spec: { clusterIP: "10.96.0.9", ports: [{ port: 80 }] },
  });
  await world.settle();
  const outside = () => world.datapath.ingress("10.1.0.9", server.address, TCP, 80);
  expect([outside(), world.datapath.services]).toEqual(["deny", []]);
  const { body } = await world.call("GET", "/v1/healthz");
  const failing = { "last-failure-msg": expect.stringContaining("no space left on device") };
  expect(body).toMatchObject({
    kubernetes: { state: "Ok", msg: "1.34 (v1.34.4) [linux/amd64]" },
    controllers: expect.arrayContaining([
      expect.objectContaining({ name: "tables of the kernel", status: expect.objectContaining(failing) }),
    ]),
  });
  // An endpoint that is taken away stays closed, whatever the kernel keeps of its address.
  await world.removePod(server);
  world.datapath.failing.clear();
  await vi.waitFor(async () => {
    expect(world.datapath.services).toHaveLength(1);
    const { controllers } = (await world.call("GET", "/v1/healthz")).body as StatusResponse;
    expect(controllers.filter(({ status }) => status["consecutive-failure-count"] > 0)).toEqual([]);
  });
  expect(world.datapath.listIpcache().has("10.1.0.0/16")).toBe(true);
  expect(world.datapath.listIpcache().has(`${server.address}/32`)).toBe(false);
});

test("a tightened L7 rule drops until the proxy has it, a widened one keeps flowing", async () => {
  await world.startSynced();
  const request = await world.runPod("deathstar", EMPIRE);
  const friend = await world.runPod("tiefighter", { org: "empire" });
  const verdict = () => world.datapath.ingress(friend.address, request.address, TCP, 80);
  world.proxy.answers = false;
  world.policy("rule1", L7);
  await world.settle();
  expect(verdict()).toBe("deny");
  expect((await world.endpoints()).find((endpoint) => endpoint.podName === "deathstar")?.state).toBe("regenerating");
  world.proxy.acknowledge();
  await world.settle();
  expect(verdict()).toBe("redirect");
  const wider = structuredClone(L7);
  wider.ingress[0]!.toPorts[0]!.rules.http.push({ method: "GET", path: "/.*" });
  world.policy("rule1", wider);
  await world.settle();
  expect(verdict()).toBe("redirect");
  world.proxy.acknowledge();
  await world.settle();
  world.policy("rule1", L7);
  await world.settle();
  expect(verdict()).toBe("deny");
  world.proxy.acknowledge();
  await world.settle();
  expect(verdict()).toBe("redirect");
});

test("labels of a running pod or of its namespace change its identity and its policy", async () => {
  await world.startSynced();
  world.policy("rule1", RULE1);
  const request = await world.runPod("pod", { org: "empire" });
  const other = await world.runPod("other", { org: "alliance" });
  const [before] = (await world.endpoints()).filter((endpoint) => endpoint.podName === "pod");
  expect(world.datapath.ingress(other.address, request.address, TCP, 80)).toBe("allow");
  const pod = world.kube.peek(Pods, "pod", "default")!;
  world.kube.replace(Pods, { ...pod, metadata: { ...pod.metadata, labels: EMPIRE } });
  await world.settle();
  const [after] = (await world.endpoints()).filter((endpoint) => endpoint.podName === "pod");
  expect(after?.identity).not.toBe(before?.identity);
  expect(after?.state).toBe("ready");
  expect(world.datapath.ingress(other.address, request.address, TCP, 80)).toBe("deny");
  expect(world.datapath.listIpcache().get(`${request.address}/32`)).toEqual({ identity: after?.identity });
  const namespace = world.kube.peek(Namespaces, "default")!;
  world.kube.replace(Namespaces, { ...namespace, metadata: { ...namespace.metadata, labels: { team: "x" } } });
  await world.settle();
  const [last] = (await world.endpoints()).filter((endpoint) => endpoint.podName === "pod");
  expect(last?.labels).toContain("k8s:io.cilium.k8s.namespace.labels.team=x");
  expect(last?.identity).not.toBe(after?.identity);
});

test("an invalid version leaves the earlier one in force, over a restart too, and says why in the status", async () => {
  await world.startSynced();
  const request = await world.runPod("deathstar", EMPIRE);
  const foe = await world.runPod("xwing", { org: "alliance" });
  world.policy("rule1", RULE1);
  await world.settle();
  world.policy("rule1", { ...RULE1, ingress: [{ fromEndpoint: [] }] });
  await world.settle();
  expect(world.datapath.ingress(foe.address, request.address, TCP, 80)).toBe("deny");
  const status = world.kube.peek(CiliumNetworkPolicies, "rule1", "default")?.status;
  expect(status).toMatchObject({
    conditions: [{ type: "Valid", status: "False", message: expect.stringContaining("fromEndpoint") }],
  });
  await world.stop();
  await world.startSynced();
  await world.settle();
  expect(world.datapath.ingress(foe.address, request.address, TCP, 80)).toBe("deny");
  world.kube.drop(CiliumNetworkPolicies, "rule1", "default");
  await world.settle();
  expect(world.datapath.ingress(foe.address, request.address, TCP, 80)).toBe("allow");
});

test("a restarted agent touches nothing while the API is away and adopts what runs", async () => {
  await world.startSynced();
  const request = await world.runPod("deathstar", EMPIRE);
  const foe = await world.runPod("xwing", { org: "alliance" });
  world.policy("rule1", RULE1);
  await world.settle();
  const before = await world.endpoints();
  await world.stop();
  world.kube.away = true;
  const changes = vi.fn();
  world.datapath.onChange = changes;
  const agent = await world.start();
  await world.settle();
  expect(changes).not.toHaveBeenCalled();
  expect((await world.endpoints()).map(({ id, identity, state }) => [id, identity, state])).toEqual(
    before.map(({ id, identity, podName }) => [id, identity, podName === "" ? "ready" : "restoring"]),
  );
  world.kube.comeBack();
  await agent.synced;
  await world.settle();
  expect((await world.endpoints()).map(({ state }) => state)).toEqual(["ready", "ready", "ready"]);
  expect(world.datapath.ingress(foe.address, request.address, TCP, 80)).toBe("deny");
});

test("a removed pod leaves no endpoint, no address, no ipcache entry and no CiliumEndpoint", async () => {
  await world.startSynced();
  const request = await world.runPod("deathstar", EMPIRE);
  await world.removePod(request);
  await world.settle();
  expect(world.datapath.listEndpoints()).toEqual([]);
  expect(world.datapath.listIpcache().has(`${request.address}/32`)).toBe(false);
  expect(world.kube.peek(CiliumEndpoints, "deathstar", "default")).toBeUndefined();
  expect(await world.call("DELETE", `/v1/endpoint/${request.containerId}`)).toMatchObject({ status: 200 });
});

test("an identity that vanishes while a pod has it is made again", async () => {
  await world.startSynced();
  await world.runPod("deathstar", EMPIRE);
  const identity = String((await world.endpoints())[0]?.identity);
  world.kube.drop(CiliumIdentities, identity);
  await world.settle();
  expect(world.kube.peek(CiliumIdentities, identity)).toMatchObject({
    "security-labels": { "k8s:class": "deathstar" },
  });
});

test("prefixes of policies get identities of this node, and give them back", async () => {
  await world.startSynced();
  const request = await world.runPod("deathstar", EMPIRE);
  world.policy("cidr", {
    endpointSelector: {},
    egress: [{ toCIDRSet: [{ cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] }] }],
  });
  await world.settle();
  const verdicts = () =>
    ["10.2.0.1", "10.1.0.1", "8.8.8.8"].map((peer) => world.datapath.egress(request.address, peer, TCP, 443));
  expect(verdicts()).toEqual(["allow", "deny", "deny"]);
  const numbers = world.datapath.listIpcache();
  await world.stop();
  await world.startSynced();
  expect(world.datapath.listIpcache()).toEqual(numbers);
  world.kube.drop(CiliumNetworkPolicies, "cidr", "default");
  await world.settle();
  expect(verdicts()).toEqual(["allow", "allow", "allow"]);
  expect(world.datapath.listIpcache().has("10.0.0.0/8")).toBe(false);
});

test("a proxy that comes back on other ports moves the redirects, and unknown endpoints do not matter", async () => {
  await world.startSynced();
  world.policy("rule1", L7);
  await world.settle();
  await world.runPod("deathstar", EMPIRE);
  await world.settle();
  const id = (await world.endpoints())[0]!.id;
  const port = () => [...world.datapath.policyOf(id)!.proxyPorts.values()];
  expect(port()).toEqual([10_000]);
  world.proxy.movePorts(id, new Map([["ingress:TCP:80", 12_345]]));
  world.proxy.movePorts(id + 1, new Map());
  expect(port()).toEqual([12_345]);
});

test("events reach the flow pipeline, and a rule's cookie leads back to the rule", async () => {
  await world.startSynced();
  world.policy("rule1", RULE1);
  await world.settle();
  const request = await world.runPod("deathstar", EMPIRE);
  world.datapath.emit(new Uint8Array([1, 2, 3]));
  expect(world.flowEvents).toEqual([new Uint8Array([1, 2, 3])]);
  const context = world.agent!.flowContext;
  const endpoint = (await world.endpoints())[0]!;
  const realized = world.datapath.policyOf(endpoint.id)!;
  const names = realized.cookies.flatMap((cookie) => context.ruleOrigins(cookie).map(({ name }) => name));
  expect(names).toContain("rule1");
  expect(context.endpointByAddress(request.address)).toMatchObject({ podName: "deathstar", id: endpoint.id });
  expect(context.endpointByAddress(NODE_ADDRESS)).toMatchObject({ identity: 1, podName: "" });
  expect(context.labelsOfIdentity(endpoint.identity)).toContain("k8s:org=empire");
  expect(context.identityByAddress("8.8.8.8")).toBe(2);
  expect(context.identityByAddress("172.20.2.77")).toBe(3);
});
