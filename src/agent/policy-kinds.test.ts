import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentWorld } from "../../test/support/agent-world.ts";
import type { KubeObject } from "../kube/object.ts";
import {
  CiliumCIDRGroups,
  CiliumClusterwideNetworkPolicies,
  ClusterNetworkPolicies,
  EndpointSlices,
  NetworkPolicies,
  Nodes,
  Services,
} from "../kube/resources.ts";

const TCP = 6;
const EVERYWHERE = { namespaceSelector: {}, podSelector: {} };

let world: AgentWorld;
beforeEach(async () => {
  world = new AgentWorld();
  await world.startSynced();
});
afterEach(async () => {
  await world.end();
});

function networkPolicy(app: string): KubeObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "p", namespace: "default" },
    spec: {
      podSelector: { matchLabels: { app: "server" } },
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: { matchLabels: { app } } }], ports: [{ protocol: "TCP", port: 80 }] }],
    },
  };
}

function tiers(action: string): KubeObject {
  const clients = { pods: { ...EVERYWHERE, podSelector: { matchLabels: { app: "client" } } } };
  return {
    apiVersion: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    metadata: { name: "t" },
    spec: { tier: "Admin", priority: 1, subject: { pods: EVERYWHERE }, ingress: [{ action, from: [clients] }] },
  };
}

function group(...externalCIDRs: readonly string[]): KubeObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumCIDRGroup",
    metadata: { name: "g", labels: { env: "x" } },
    spec: { externalCIDRs },
  };
}

const service = (spec: object): KubeObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "s", namespace: "default" },
  spec,
});

const slice = (address: string): KubeObject => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name: "s-1", namespace: "default", labels: { "kubernetes.io/service-name": "s" } },
  addressType: "IPv4",
  ports: [{ port: 80, protocol: "TCP" }],
  endpoints: [{ addresses: [address] }],
});

describe("Kubernetes' own kinds", () => {
  it("a NetworkPolicy is in force, follows its changes and goes", async () => {
    world.kube.put(NetworkPolicies, networkPolicy("client"));
    const [server, client, other] = [
      await world.runPod("server", { app: "server" }),
      await world.runPod("client", { app: "client" }),
      await world.runPod("other", { app: "other" }),
    ];
    const verdicts = (port = 80) =>
      [client, other].map(({ address }) => world.datapath.ingress(address, server.address, TCP, port));
    await world.settle();
    expect([verdicts(), verdicts(81)]).toEqual([
      ["allow", "deny"],
      ["deny", "deny"],
    ]);
    world.kube.replace(NetworkPolicies, networkPolicy("other"));
    await world.settle();
    expect(verdicts()).toEqual(["deny", "allow"]);
    world.kube.drop(NetworkPolicies, "p", "default");
    await world.settle();
    expect(verdicts()).toEqual(["allow", "allow"]);
  });

  it("one that cannot be taken leaves the earlier version, and the log says why", async () => {
    world.kube.put(NetworkPolicies, networkPolicy("client"));
    const server = await world.runPod("server", { app: "server" });
    const client = await world.runPod("client", { app: "client" });
    const broken = {
      ...networkPolicy("other"),
      spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: "x" } }] }] },
    };
    world.kube.replace(NetworkPolicies, broken);
    await world.settle();
    expect(world.datapath.ingress(client.address, server.address, TCP, 80)).toBe("allow");
    expect(world.log.join()).toContain(
      "networkpolicies/default/p is refused, an earlier version stays: spec.ingress[0]",
    );
  });

  it("an administrator's tier comes first, and a pass leaves the decision to the others", async () => {
    world.kube.put(NetworkPolicies, networkPolicy("client"));
    world.kube.put(ClusterNetworkPolicies, tiers("Deny"));
    const server = await world.runPod("server", { app: "server" });
    const client = await world.runPod("client", { app: "client" });
    const verdicts = () => [80, 81].map((port) => world.datapath.ingress(client.address, server.address, TCP, port));
    await world.settle();
    expect(verdicts()).toEqual(["deny", "deny"]);
    world.kube.replace(ClusterNetworkPolicies, tiers("Pass"));
    await world.settle();
    expect(verdicts()).toEqual(["allow", "deny"]);
    world.kube.replace(ClusterNetworkPolicies, tiers("Accept"));
    await world.settle();
    expect(verdicts()).toEqual(["allow", "allow"]);
  });
});

describe("peers that are looked up", () => {
  const egressTo = (peer: object) => world.policy("p", { endpointSelector: {}, egress: [peer] });

  it("prefixes of a group, by its name and by its labels", async () => {
    world.kube.put(CiliumCIDRGroups, group("10.1.0.0/16"));
    egressTo({ toCIDRSet: [{ cidrGroupRef: "g" }] });
    const pod = await world.runPod("client", {});
    const verdicts = () =>
      ["10.1.0.9", "10.2.0.9"].map((address) => world.datapath.egress(pod.address, address, TCP, 80));
    await world.settle();
    expect(verdicts()).toEqual(["allow", "deny"]);
    world.kube.replace(CiliumCIDRGroups, group("10.2.0.0/16"));
    await world.settle();
    expect(verdicts()).toEqual(["deny", "allow"]);
    world.kube.replace(CiliumCIDRGroups, { ...group(), spec: { externalCIDRs: ["bad"] } });
    await world.settle();
    expect(verdicts()).toEqual(["deny", "allow"]);
    egressTo({ toCIDRSet: [{ cidrGroupSelector: { matchLabels: { env: "x" } } }] });
    await world.settle();
    expect(verdicts()).toEqual(["deny", "allow"]);
    world.kube.drop(CiliumCIDRGroups, "g");
    await world.settle();
    expect(verdicts()).toEqual(["deny", "deny"]);
  });

  it("a prefix inside a group's is in the group too", async () => {
    world.kube.put(CiliumCIDRGroups, group("10.0.0.0/8"));
    world.policy("p", {
      endpointSelector: {},
      egress: [{ toCIDRSet: [{ cidrGroupRef: "g" }] }],
      egressDeny: [{ toCIDR: ["10.1.0.0/16"], toPorts: [{ ports: [{ port: "81", protocol: "TCP" }] }] }],
    });
    const pod = await world.runPod("client", {});
    await world.settle();
    const verdicts = [80, 81].map((port) => world.datapath.egress(pod.address, "10.1.0.9", TCP, port));
    expect(verdicts).toEqual(["allow", "deny"]);
  });

  it("whom a service selects, and the addresses behind one that selects nobody", async () => {
    world.kube.put(Services, service({ clusterIP: "10.96.0.9", selector: { app: "server" }, ports: [{ port: 80 }] }));
    egressTo({ toServices: [{ k8sService: { serviceName: "s", namespace: "default" } }] });
    const client = await world.runPod("client", {});
    const server = await world.runPod("server", { app: "server" });
    const verdicts = () =>
      [server.address, "10.1.0.9"].map((address) => world.datapath.egress(client.address, address, TCP, 80));
    await world.settle();
    expect(verdicts()).toEqual(["allow", "deny"]);
    world.kube.replace(Services, service({ clusterIP: "10.96.0.9", ports: [{ port: 80 }] }));
    world.kube.put(EndpointSlices, slice("10.1.0.9"));
    await world.settle();
    expect(verdicts()).toEqual(["deny", "allow"]);
    world.kube.drop(Services, "s", "default");
    await world.settle();
    expect(verdicts()).toEqual(["deny", "deny"]);
  });
});

describe("the node's own policy", () => {
  const guard = (matchLabels: Record<string, string>, kind = "CiliumClusterwideNetworkPolicy"): KubeObject => ({
    apiVersion: "cilium.io/v2",
    kind,
    metadata: { name: "host" },
    spec: { nodeSelector: { matchLabels }, ingress: [{ fromEntities: ["cluster"] }] },
  });
  const enforced = async () => {
    await world.settle();
    const host = (await world.endpoints()).find(({ identity }) => identity === 1)!;
    return [
      host.ingressEnforced,
      host.egressEnforced,
      (await world.call("GET", `/v1/endpoint/${host.id}/policy`)).body,
    ];
  };

  it("is in force where its selector selects the node, as the node's labels are now", async () => {
    const told: string[] = [];
    world.datapath.onChange = (what) => told.push(what);
    world.kube.put(CiliumClusterwideNetworkPolicies, guard({ role: "guarded" }));
    expect((await enforced()).slice(0, 2)).toEqual([false, false]);
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: "k8s-w1", labels: { role: "guarded" } } };
    world.kube.put(Nodes, node);
    const [ingress, egress, rows] = await enforced();
    expect([ingress, egress]).toEqual([true, false]);
    expect(rows).toContainEqual(expect.objectContaining({ direction: "ingress", identity: 6, deny: false }));
    const writes = told.filter((what) => what.startsWith("setHostPolicy")).length;
    await world.runPod("a", {});
    await world.settle();
    world.kube.replace(Nodes, { ...node, metadata: { ...node.metadata, labels: { role: "free" } } });
    expect((await enforced()).slice(0, 2)).toEqual([false, false]);
    expect(told.filter((what) => what.startsWith("setHostPolicy")).length).toBeGreaterThan(writes);
  });

  it("says nothing of pods, and theirs nothing of it", async () => {
    world.kube.put(CiliumClusterwideNetworkPolicies, guard({}));
    const pod = await world.runPod("a", {});
    world.policy("p", { endpointSelector: {}, egress: [{}] });
    const [ingress, egress] = await enforced();
    expect([ingress, egress]).toEqual([true, false]);
    expect(world.datapath.ingress("10.9.9.9", pod.address, TCP, 80)).toBe("allow");
  });
});
