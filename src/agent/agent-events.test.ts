import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AgentWorld } from "../../test/support/agent-world.ts";
import { CiliumEndpoints, CiliumNetworkPolicies } from "../kube/resources.ts";

const EMPIRE = { org: "empire" };
const RULE = { endpointSelector: { matchLabels: EMPIRE }, ingress: [{}] };

let world: AgentWorld;
beforeEach(() => {
  world = new AgentWorld();
});
afterEach(async () => {
  await world.end();
});

/** What is told while something is done: the kinds in their order, each message beside. */
async function told(what: () => Promise<unknown>) {
  const before = world.agentEvents.length;
  await what();
  await world.settle();
  return world.agentEvents.slice(before);
}

test("the agent tells of its start, of policies, of endpoints and of the kernel's addresses", async () => {
  const start = await told(() => world.startSynced());
  expect(start.filter(({ type }) => type === "Cilium agent started")).toEqual([
    { type: "Cilium agent started", message: { time: new Date(world.nowMs).toISOString() } },
  ]);

  const updated = await told(async () => world.policy("rule1", RULE));
  const name = "k8s:io.cilium.k8s.policy.name=rule1";
  expect(updated[0]).toMatchObject({ type: "Policy updated", message: { rule_count: 1 } });
  expect(updated[0]).toMatchObject({ message: { labels: expect.arrayContaining([name]) } });

  let containerId = "";
  const created = await told(async () => {
    containerId = (await world.runPod("deathstar", EMPIRE)).containerId;
  });
  const [endpoint] = await world.endpoints();
  const of = { id: endpoint!.id, labels: expect.arrayContaining(["k8s:org=empire"]) };
  expect(created).toContainEqual({ type: "Endpoint regenerated", message: of });
  expect(created).toContainEqual({
    type: "Endpoint created",
    message: { ...of, "pod-name": "deathstar", namespace: "default" },
  });
  const address = {
    cidr: "172.20.1.2/32",
    id: endpoint!.identity,
    "encrypt-key": 0,
    "pod-name": "deathstar",
    namespace: "default",
  };
  expect(created).toContainEqual({ type: "IPCache entry upserted", message: address });

  const deleted = await told(async () => world.kube.drop(CiliumNetworkPolicies, "rule1", "default"));
  expect(deleted[0]).toMatchObject({ type: "Policy deleted", message: { rule_count: 1 } });

  const removed = await told(() => world.call("DELETE", `/v1/endpoint/${containerId}`));
  expect(removed.map(({ type }) => type)).toEqual(["IPCache entry deleted", "Endpoint deleted"]);
  expect(removed[0]?.message).toMatchObject({ cidr: "172.20.1.2/32", "old-id": endpoint!.identity });
});

test("a policy that the kernel does not take is told as a failed regeneration, with the reason", async () => {
  await world.startSynced();
  await world.runPod("deathstar", EMPIRE);
  const failed = await told(async () => {
    world.datapath.failing.add("setPolicy");
    world.policy("rule1", RULE);
  });
  expect(failed).toContainEqual({
    type: "Failed endpoint regeneration",
    message: expect.objectContaining({ error: expect.stringContaining("no space left on device") }),
  });
  world.datapath.failing.clear();
});

test("what changes of an endpoint together is written once, after the kernels have it", async () => {
  await world.startSynced();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    await world.runPod("deathstar", EMPIRE);
    vi.runOnlyPendingTimers();
    await world.settle();
    const written = () => world.kube.calls.filter((call) => /^update\S* ciliumendpoints/.test(call)).length;
    const ingress = () => world.kube.peek(CiliumEndpoints, "deathstar", "default")?.status;
    const before = written();
    const closed = { endpointSelector: { matchLabels: EMPIRE }, egress: [{}] };
    for (const spec of [RULE, closed, RULE]) {
      world.policy("rule1", spec);
      await world.settle();
    }
    expect(written()).toBe(before);
    vi.runOnlyPendingTimers();
    await world.settle();
    expect(written()).toBe(before + 1);
    expect(ingress()).toMatchObject({ policy: { ingress: { state: "Enabled" }, egress: { state: "Disabled" } } });
  } finally {
    vi.useRealTimers();
  }
});
