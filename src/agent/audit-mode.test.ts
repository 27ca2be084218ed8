import { afterEach, beforeEach, expect, it } from "vitest";
import { AgentWorld } from "../../test/support/agent-world.ts";

let world: AgentWorld;
beforeEach(async () => {
  world = new AgentWorld();
  await world.startSynced();
});
afterEach(async () => {
  await world.end();
});

const audited = async () =>
  (await world.endpoints())
    .filter((each) => each.audited)
    .map(({ podName }) => podName)
    .sort();
const idOf = async (pod: string) => (await world.endpoints()).find(({ podName }) => podName === pod)!.id;

it("is asked for endpoint by endpoint, or for all, new ones included", async () => {
  await world.runPod("a", {});
  await world.runPod("b", {});
  const id = await idOf("a");
  expect(await world.call("GET", `/v1/endpoint/${id}/config`)).toEqual({
    status: 200,
    body: { PolicyAuditMode: false },
  });
  await world.call("PATCH", `/v1/endpoint/${id}/config`, { PolicyAuditMode: true });
  expect(await audited()).toEqual(["a"]);
  expect(await world.call("PATCH", "/v1/config", { PolicyAuditMode: true })).toEqual({
    status: 200,
    body: { PolicyAuditMode: true, MonitorAggregationLevel: "Medium" },
  });
  await world.runPod("c", {});
  expect(await audited()).toEqual(["a", "b", "c"]);
  await world.call("PATCH", "/v1/config", { PolicyAuditMode: false });
  expect(await audited()).toEqual([]);
});

it("stays with its endpoint over a restart of the agent", async () => {
  await world.runPod("a", {});
  const id = await idOf("a");
  await world.call("PATCH", `/v1/endpoint/${id}/config`, { PolicyAuditMode: true });
  await world.stop();
  await world.startSynced();
  expect(await audited()).toEqual(["a"]);
});

it("refuses endpoints that are not there, and options that it does not have", async () => {
  expect(await world.call("PATCH", "/v1/endpoint/9/config", { PolicyAuditMode: true })).toMatchObject({ status: 404 });
  expect(await world.call("PATCH", "/v1/config", { Debug: true })).toMatchObject({
    status: 400,
    body: { error: "Debug cannot be changed here; PolicyAuditMode and MonitorAggregationLevel can" },
  });
  expect(await world.call("PATCH", "/v1/config", { PolicyAuditMode: "yes" })).toMatchObject({ status: 400 });
  expect(await world.call("POST", "/v1/config", {})).toMatchObject({ status: 405 });
});

it("has a level of trace events beside it: what is asked for counts, whoever monitors", async () => {
  const { datapath } = world;
  expect(datapath.aggregation).toBe(3);
  const level = (name: string) => world.call("PATCH", "/v1/config", { MonitorAggregationLevel: name });
  expect(await level("None")).toEqual({
    status: 200,
    body: { PolicyAuditMode: false, MonitorAggregationLevel: "None" },
  });
  expect(datapath.aggregation).toBe(0);
  expect(await level("Loud")).toMatchObject({
    status: 400,
    body: { error: "MonitorAggregationLevel must be one of None, Lowest, Low, Medium, Max" },
  });
  expect(datapath.aggregation).toBe(0);
});
