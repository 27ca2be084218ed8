import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AgentWorld } from "../../test/support/agent-world.ts";
import { CiliumClusterwideNetworkPolicies, CiliumEndpoints, CiliumIdentities, CiliumNodes } from "../kube/resources.ts";
import type { IpamResponse } from "./api.ts";

let world: AgentWorld;
let closed: number;
beforeEach(() => {
  closed = 0;
  world = new AgentWorld();
  let ifindex = 900;
  world.openHealthLink = async (addressing: IpamResponse) => {
    world.healthAddresses.push(addressing.address);
    world.interfaces.add("lxc_health");
    const macs = { mac: "aa:bb:cc:00:00:03", hostMac: "aa:bb:cc:00:00:04" };
    const close = () => {
      closed++;
      world.interfaces.delete("lxc_health");
    };
    return { interfaceName: "lxc_health", ifindex: ++ifindex, ...macs, close };
  };
});
afterEach(() => world.end());

const health = async () => (await world.endpoints()).find(({ identity }) => identity === 4);
const standing = () => vi.waitFor(async () => expect(await health()).toMatchObject({ state: "ready" }));

test("the node's health endpoint has identity 4, an address of its pods, and no object but its CiliumNode", async () => {
  await world.startSynced();
  await standing();
  expect(await health()).toMatchObject({ address: "172.20.1.2", labels: ["reserved:health"], podName: "" });
  expect(world.datapath.listEndpoints()).toMatchObject([{ identity: 4, interfaceName: "lxc_health" }]);
  expect(world.datapath.listIpcache().get("172.20.1.2/32")).toEqual({ identity: 4 });
  await world.settle();
  expect(world.kube.peek(CiliumNodes, "k8s-w1")?.spec).toMatchObject({ health: { ipv4: "172.20.1.2" } });
  expect(world.kube.objects(CiliumEndpoints)).toEqual([]);
  expect(world.kube.objects(CiliumIdentities)).toEqual([]);
});

test("other nodes are told of it when it stands, and not to forget it while an agent starts", async () => {
  const open = world.openHealthLink!;
  let proceed = () => {};
  world.openHealthLink = async (addressing) => {
    await new Promise<void>((resolve) => {
      proceed = resolve;
    });
    return open(addressing);
  };
  const told = () => world.kube.peek(CiliumNodes, "k8s-w1")?.spec;
  await world.startSynced();
  await world.settle();
  expect(told()).not.toHaveProperty("health");
  proceed();
  await vi.waitFor(() => expect(told()).toMatchObject({ health: { ipv4: "172.20.1.2" } }));
  await world.stop();
  await world.startSynced();
  await world.settle();
  expect(told()).toMatchObject({ health: { ipv4: "172.20.1.2" } });
  proceed();
  await standing();
});

test("another agent makes it anew at the same address, and a pod never gets that", async () => {
  await world.startSynced();
  await standing();
  await world.stop();
  expect(closed).toBe(1);
  await world.startSynced();
  await standing();
  expect(world.healthAddresses).toEqual(["172.20.1.2", "172.20.1.2"]);
  expect(world.datapath.listEndpoints()).toHaveLength(1);
  expect((await world.runPod("xwing", { org: "alliance" })).address).not.toBe("172.20.1.2");
});

test("an interface that somebody removed is made again", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  try {
    await world.startSynced();
    await standing();
    world.interfaces.delete("lxc_health");
    await vi.advanceTimersByTimeAsync(60_000);
    await vi.waitFor(() => expect(world.healthAddresses).toHaveLength(2));
    await standing();
    expect(world.datapath.listEndpoints()).toMatchObject([{ ifindex: 902 }]);
  } finally {
    vi.useRealTimers();
  }
});

test("a clusterwide policy may select it", async () => {
  await world.startSynced();
  await standing();
  world.kube.put(CiliumClusterwideNetworkPolicies, {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name: "cilium-health-checks" },
    spec: {
      endpointSelector: { matchLabels: { "reserved:health": "" } },
      ingress: [{ fromEntities: ["remote-node"] }],
    },
  });
  await world.settle();
  expect(await health()).toMatchObject({ ingressEnforced: true, egressEnforced: false });
});
