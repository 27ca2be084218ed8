import { spawnSync } from "node:child_process";
import { afterAll, describe, expect, test } from "vitest";
import { addHealthMetrics } from "../../src/health/metrics.ts";
import { countedLogs, mapCallMetrics } from "../../src/metrics/index.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { AgentWorld } from "../support/agent-world.ts";

const cilium = oracle("agent-metrics");
const reason = skipNote(cilium);
const world = new AgentWorld();
afterAll(() => world.end());

/** Made by other parts of Cilium than the one that lists its metrics. */
const ELSEWHERE =
  /^cilium_(drop|forward)_(count|bytes)_total$|^cilium_(endpoint|ip_addresses|controllers_failing|unreachable_\w+|nodes_all_\w+|bpf_map_pressure)$/;

interface Listed {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

describe.skipIf("missing" in cilium)(`the agent's metrics${reason}`, () => {
  test("have the types, labels and buckets of Cilium's", async () => {
    await world.startSynced();
    addHealthMetrics(world.metrics, () => ({ local: { name: "" }, nodes: [], timestamp: "", probeInterval: "" }));
    mapCallMetrics(world.metrics);
    countedLogs(world.metrics, () => undefined);
    const { stdout } = spawnSync("missing" in cilium ? "" : cilium.path, { encoding: "utf8" });
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Listed);
    const theirs = new Map(lines.map((listed) => [listed.name, listed]));
    const ours = world.metrics.families().filter(({ name }) => name.startsWith("cilium_") && !ELSEWHERE.test(name));
    expect(ours.length).toBeGreaterThan(25);
    for (const family of ours) {
      const samples = family.at(family.labels.map(() => "")).samples();
      const buckets = samples.flatMap(({ le = Infinity }) => (le === Infinity ? [] : [le]));
      const { name, type, labels } = family;
      expect({ name, type, labels, ...(type === "histogram" && { buckets }) }).toEqual(theirs.get(name));
    }
  });
});
