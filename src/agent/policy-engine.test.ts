import { afterEach, beforeEach, expect, it } from "vitest";
import { AgentWorld } from "../../test/support/agent-world.ts";
import { Pods } from "../kube/resources.ts";

const TCP = 6;
let world: AgentWorld;
let written: string[];
beforeEach(async () => {
  world = new AgentWorld();
  await world.startSynced();
  written = [];
});
afterEach(async () => {
  await world.end();
});

/** Pods whose policy the kernel was told since the last call. */
async function told(): Promise<string[]> {
  await world.settle();
  const names = new Map((await world.endpoints()).map(({ id, podName }) => [String(id), podName]));
  const pods = written.splice(0).flatMap((what) => names.get(/^setPolicy (\d+)/.exec(what)?.[1] ?? "") ?? []);
  return [...new Set(pods)].sort();
}

const from = (app: string, port: string) => ({
  fromEndpoints: [{ matchLabels: { app } }],
  toPorts: [{ ports: [{ port, protocol: "TCP" }] }],
});
const policyFor = (app: string, ...ingress: object[]) => ({ endpointSelector: { matchLabels: { app } }, ingress });

it("tells the kernel of nothing but what a change concerns", async () => {
  for (const app of ["a", "b", "c"]) await world.runPod(app, { app });
  world.datapath.onChange = (what) => written.push(what);
  await told();
  world.policy("p", policyFor("a", from("b", "80")));
  expect(await told()).toEqual(["a"]);
  world.policy("q", policyFor("b", from("a", "80")));
  expect(await told()).toEqual(["b"]);
  // A new identity concerns those whose policies select it.
  await world.runPod("b2", { app: "b", more: "labels" });
  expect(await told()).toEqual(["a", "b2"]);
  world.policy("p", policyFor("a", from("b", "81")));
  expect(await told()).toEqual(["a"]);
});

it("gives each endpoint its own policy when labels part them", async () => {
  const first = await world.runPod("a", { app: "a" });
  const second = await world.runPod("a2", { app: "a" });
  const client = await world.runPod("b", { app: "b" });
  world.policy("p", policyFor("a", from("b", "80")));
  await world.settle();
  const verdicts = () => [first, second].map(({ address }) => world.datapath.ingress(client.address, address, TCP, 81));
  expect(verdicts()).toEqual(["deny", "deny"]);
  const pod = world.kube.peek(Pods, "a2", "default")!;
  world.kube.replace(Pods, { ...pod, metadata: { ...pod.metadata, labels: { app: "other" } } });
  await world.settle();
  expect(verdicts()).toEqual(["deny", "allow"]);
  await world.removePod(first);
  world.policy("p", policyFor("other", from("b", "80")));
  await world.settle();
  expect(world.datapath.ingress(client.address, second.address, TCP, 81)).toBe("deny");
});

it("shows the revision that every endpoint was compared with, whether or not it changed", async () => {
  await world.runPod("a", { app: "a" });
  await world.runPod("b", { app: "b" });
  world.policy("p", policyFor("a", from("b", "80")));
  await world.settle();
  const revisions = new Set((await world.endpoints()).map(({ revision }) => revision));
  expect(revisions.size).toBe(1);
});
