import { expect, test } from "vitest";
import { bpfUse, mapCallMetrics } from "./bpf.ts";
import { Registry } from "./registry.ts";

test("maps and programs are counted once, however many descriptors they have", () => {
  const head = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\n";
  const map = (id: number, bytes: number) =>
    `${head}map_type:\t11\nmap_flags:\t0x1\nmemlock:\t${bytes}\nmap_id:\t${id}\n`;
  const program = `${head}prog_type:\t3\nprog_jited:\t1\nmemlock:\t8192\nprog_id:\t9\nrun_cnt:\t0\n`;
  expect(bpfUse([head, map(1, 4096), map(1, 4096), map(2, 100), program, ""])).toEqual({
    ...{ maps: 2, mapBytes: 4196, programs: 1, programBytes: 8192 },
  });
});

test("calls on maps are timed by what they do, and changes counted by map", () => {
  const registry = new Registry();
  const told = mapCallMetrics(registry);
  told("sg_ipcache", "update", true, 0.001);
  told("sg_ipcache", "update", false, 0.002);
  told("sg_policy", "delete", true, 0.02);
  told("sg_policy", "lookup", true, 0.25);
  const lines = registry
    .metrics()
    .filter(({ name }) => /_ops_total$|_seconds_sum$/.test(name))
    .map(({ labels, value }) => [Object.values(labels).join(" "), value]);
  expect(Object.fromEntries(lines)).toEqual({
    ...{ "sg_ipcache update success": 1, "sg_ipcache update fail": 1, "sg_policy delete success": 1 },
    ...{ "update success": 0.001, "update fail": 0.002, "delete success": 0.02, "lookup success": 0.25 },
  });
});
