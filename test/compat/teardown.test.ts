import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeEach, expect, test } from "vitest";
import { TestLab } from "../support/lab.ts";
import { differences, type MachineState, machineState } from "../support/machine.ts";

const lab = new TestLab(`d${process.pid}`);
let before: MachineState;

beforeEach(() => {
  before = machineState();
});
afterAll(() => lab.down().then(() => {}));

/** The kernel frees namespaces and programs a moment after their last holder ended. */
async function expectUntouched(): Promise<void> {
  for (let round = 0; round < 100 && differences(before, machineState()).length > 0; round++) await sleep(50);
  expect(differences(before, machineState())).toEqual([]);
}

test("down after the app ran leaves the machine as it was", async () => {
  await lab.up();
  await lab.ok("kubectl apply -f http-sw-app.yaml");
  await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
  await lab.ok("kubectl apply -f sw_l3_l4_l7_policy.yaml");
  expect((await lab.down()).code).toBe(0);
  await expectUntouched();
});

test("down after everything was killed leaves the machine as it was", async () => {
  await lab.up();
  await lab.ok("kubectl apply -f http-sw-app.yaml");
  const text = (await lab.shieldgate("status")).stdout;
  const pids = [...text.matchAll(/^[\w/-]+ +(\d+) +running/gm)].map((match) => Number(match[1]));
  expect(pids.length).toBe(11);
  for (const pid of pids) process.kill(pid, "SIGKILL");
  expect((await lab.down()).code).toBe(0);
  await expectUntouched();
});

test("an up that is killed half way is cleaned by down, and by the next up", async () => {
  const half = lab.watch(`${process.execPath} dist/shieldgate.mjs --name ${lab.name} up`);
  await sleep(250);
  half.stop();
  const up = await lab.shieldgate("up");
  expect([up.code, up.stderr]).toEqual([0, ""]);
  expect((await lab.down()).code).toBe(0);
  await expectUntouched();
});
