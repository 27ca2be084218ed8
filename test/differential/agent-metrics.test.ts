import { spawnSync } from "node:child_process";
import { afterAll, describe, expect, test } from "vitest";
import { addHealthMetrics } from "../../src/health/metrics.ts";
import { countedLogs, mapCallMetrics } from "../../src/metrics/index.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { AgentWorld } from "../support/agent-world.ts";
import { NOT_SERVED } from "../support/metrics-page.ts";

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

/** What Cilium's agent can serve, by name, and which of it is there before anything is counted. */
function listed(): { readonly families: ReadonlyMap<string, Listed>; readonly atRest: readonly string[] } {
  const { stdout } = spawnSync("missing" in cilium ? "" : cilium.path, { encoding: "utf8" });
  const lines = stdout.trim().split("\n");
  const { atRest } = JSON.parse(lines.pop() ?? "") as { readonly atRest: readonly string[] };
  return { families: new Map(lines.map((line) => JSON.parse(line) as Listed).map((one) => [one.name, one])), atRest };
}

describe.skipIf("missing" in cilium)(`the agent's metrics${reason}`, () => {
  test("have the types, labels and buckets of Cilium's", async () => {
    await world.startSynced();
    addHealthMetrics(world.metrics, () => ({ local: { name: "" }, nodes: [], timestamp: "", probeInterval: "" }));
    mapCallMetrics(world.metrics);
    countedLogs(world.metrics, () => undefined);
    const { families: theirs } = listed();
    const ours = world.metrics.families().filter(({ name }) => name.startsWith("cilium_") && !ELSEWHERE.test(name));
    expect(ours.length).toBeGreaterThan(25);
    for (const family of ours) {
      const samples = family.at(family.labels.map(() => "")).samples();
      const buckets = samples.flatMap(({ le = Infinity }) => (le === Infinity ? [] : [le]));
      const { name, type, labels } = family;
      expect({ name, type, labels, ...(type === "histogram" && { buckets }) }).toEqual(theirs.get(name));
    }
  });

  test("of a kvstore are not served by an agent of Cilium's that has none either", () => {
    const { families, atRest } = listed();
    const names = Object.keys(NOT_SERVED).map((name) => name.replace(/_(sum|count|bucket)$/, ""));
    expect([...new Set(names)].filter((name) => families.has(name))).toEqual([
      "cilium_kvstore_events_queue_seconds",
      "cilium_kvstore_operations_duration_seconds",
    ]);
    expect(atRest.filter((name) => names.includes(name))).toEqual([]);
    expect(atRest).toContain("cilium_policy");
  });
});
