import { expect, test } from "vitest";
import { countedLogs } from "./log.ts";
import { Registry } from "./registry.ts";

test("warnings and errors are counted by part, all is written", () => {
  const registry = new Registry();
  const lines: string[] = [];
  const logOf = countedLogs(registry, (line) => lines.push(line));
  const [agent, hubble] = [logOf("agent"), logOf("hubble")];
  agent("synced", "info");
  agent("a policy is refused");
  agent("again");
  hubble("stands still", "error");
  expect(lines).toEqual(["synced", "a policy is refused", "again", "stands still"]);
  const counted = registry.metrics().filter(({ name }) => name === "cilium_errors_warnings_total");
  expect(counted.map(({ labels, value }) => ({ ...labels, value }))).toEqual([
    { level: "ERROR", subsystem: "hubble", value: 1 },
    { level: "WARN", subsystem: "agent", value: 2 },
  ]);
});
