import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { AnsweringAgent } from "../../../test/support/cilium-outcome.ts";

const agent = new AnsweringAgent({});
const ours = (...args: string[]) => agent.runOurs(args);

it("loadinfo: load, memory, and the processes that take more than a hundredth of a processor", async () => {
  const { out } = await ours("loadinfo");
  const [load, memory, swap, ...processes] = out.trimEnd().split("\n");
  expect(load).toMatch(/^Load 1-min: \d+\.\d\d 5-min: \d+\.\d\d 15min: \d+\.\d\d$/);
  expect(memory).toMatch(/^Memory: Total: \d+ Used: \d+ \(\d+\.\d\d%\) Free: \d+ Buffers: \d+ Cached: \d+$/);
  expect(swap).toMatch(/^Swap: Total: \d+ Used: \d+ \((?:\d+\.\d\d|NaN)%\) Free: \d+$/);
  const own = processes.find((line) => line.includes(` PID ${process.pid} `));
  expect(own).toMatch(/^NAME .+ STATUS \w PID \d+ CPU: \d+\.\d\d% MEM: \d+\.\d\d% CMDLINE: \[.+\] MEM-EXT: RSS: \d+ /);
});

it("looks into no configuration that there is", async () => {
  expect(existsSync("/etc/passwd")).toBe(true);
  expect(await ours("troubleshoot", "kvstore", "--etcd-config", "/etc/passwd")).toMatchObject({
    code: 1,
    err: expect.stringContaining("neither etcd nor other clusters"),
  });
});
