import { expect, test } from "vitest";
import { bpfUse } from "./bpf.ts";

test("maps and programs are counted once, however many descriptors they have", () => {
  const head = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\n";
  const map = (id: number, bytes: number) =>
    `${head}map_type:\t11\nmap_flags:\t0x1\nmemlock:\t${bytes}\nmap_id:\t${id}\n`;
  const program = `${head}prog_type:\t3\nprog_jited:\t1\nmemlock:\t8192\nprog_id:\t9\nrun_cnt:\t0\n`;
  expect(bpfUse([head, map(1, 4096), map(1, 4096), map(2, 100), program, ""])).toEqual({
    ...{ maps: 2, mapBytes: 4196, programs: 1, programBytes: 8192 },
  });
});
