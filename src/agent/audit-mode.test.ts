import { afterEach, beforeEach, expect, it } from "vitest";
import { AgentWorld } from "../../test/support/agent-world.ts";

const DONE = { status: 200 };
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
  expect(await world.call("GET", `/v1/endpoint/${id}/config`)).toMatchObject({
    status: 200,
    body: { realized: { options: { PolicyAuditMode: "Disabled" } } },
  });
  await world.call("PATCH", `/v1/endpoint/${id}/config`, { options: { PolicyAuditMode: "Enabled" } });
  expect(await audited()).toEqual(["a"]);
  expect(await world.call("PATCH", "/v1/config", { options: { PolicyAuditMode: "Enabled" } })).toMatchObject(DONE);
  expect(await world.call("GET", "/v1/config")).toMatchObject({
    body: { status: { realized: { options: { PolicyAuditMode: "Enabled", MonitorAggregationLevel: "Medium" } } } },
  });
  await world.runPod("c", {});
  expect(await audited()).toEqual(["a", "b", "c"]);
  await world.call("PATCH", "/v1/config", { options: { PolicyAuditMode: "0" } });
  expect(await audited()).toEqual([]);
});

it("stays with its endpoint over a restart of the agent", async () => {
  await world.runPod("a", {});
  const id = await idOf("a");
  await world.call("PATCH", `/v1/endpoint/${id}/config`, { options: { PolicyAuditMode: "Enabled" } });
  await world.stop();
  await world.startSynced();
  expect(await audited()).toEqual(["a"]);
});

it("refuses endpoints that are not there, and options that it does not have", async () => {
  expect(await world.call("PATCH", "/v1/endpoint/9/config", { options: { PolicyAuditMode: "Enabled" } })).toMatchObject(
    { status: 404 },
  );
  expect(await world.call("PATCH", "/v1/config", { options: { Debug: "true" } })).toEqual({
    status: 400,
    body: "Debug cannot be changed here; PolicyAuditMode and MonitorAggregationLevel can",
  });
  expect(await world.call("PATCH", "/v1/config", { PolicyAuditMode: true })).toMatchObject({ status: 400 });
  expect(await world.call("PATCH", "/v1/config", { options: { PolicyAuditMode: "yes" } })).toMatchObject({
    status: 400,
  });
  expect(await world.call("POST", "/v1/config", {})).toMatchObject({ status: 405 });
});

it("has a level of trace events beside it: what is asked for counts, whoever monitors", async () => {
  const { datapath } = world;
  expect(datapath.aggregation).toBe(3);
  const level = (name: string) => world.call("PATCH", "/v1/config", { options: { MonitorAggregationLevel: name } });
  expect(await level("None")).toMatchObject(DONE);
  expect(datapath.aggregation).toBe(0);
  expect(await level("Loud")).toMatchObject({
    status: 400,
    body: "MonitorAggregationLevel must be one of None, Lowest, Low, Medium, Max, not Loud",
  });
  expect(datapath.aggregation).toBe(0);
  await level("maximum");
  expect(datapath.aggregation).toBe(4);
});
