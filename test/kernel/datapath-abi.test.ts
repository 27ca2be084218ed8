import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { LAYOUT } from "../../src/datapath/ebpf/layout.ts";
import {
  PROXY_MARK_EGRESS,
  PROXY_MARK_INGRESS,
  PROXY_MARK_MASK,
  PROXY_MARK_TO_PROXY,
} from "../../src/model/proxy-mark.ts";

const bpf = new URL("../../bpf", import.meta.url).pathname;
const MARKS = {
  SG_MARK_TO_PROXY: PROXY_MARK_TO_PROXY,
  SG_MARK_FROM_PROXY_INGRESS: PROXY_MARK_INGRESS,
  SG_MARK_FROM_PROXY_EGRESS: PROXY_MARK_EGRESS,
  SG_MARK_MASK: PROXY_MARK_MASK,
};

interface BtfType {
  kind: string;
  name: string;
  size: number;
  members: { name: string; bits_offset: number }[];
}

let directory: string;
let structs: Map<string, BtfType>;

/** clang keeps only the types that an object uses by value: a variable of each makes it keep all. */
function dumpBtf(): BtfType[] {
  const variables = Object.keys(LAYOUT).map((name) => `struct ${name} v_${name};`);
  const asserts = Object.entries(MARKS).map(([name, value]) => `_Static_assert(${name} == ${value}, "${name}");`);
  writeFileSync(join(directory, "abi.c"), `#include "kernel.h"\n${[...variables, ...asserts].join("\n")}\n`);
  const object = join(directory, "abi.o");
  const include = ["build", "lib", "."].flatMap((path) => ["-I", join(bpf, path)]);
  execFileSync("clang", ["-target", "bpf", "-O2", "-g", ...include, "-c", join(directory, "abi.c"), "-o", object]);
  const text = execFileSync("bpftool", ["btf", "dump", "file", object, "-j"], {
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  return (JSON.parse(text) as { types: BtfType[] }).types;
}

beforeAll(() => {
  execFileSync("sh", [join(bpf, "../scripts/build-bpf.sh")]);
  directory = mkdtempSync(join(tmpdir(), "sgt-c-abi-"));
  structs = new Map(dumpBtf().map((type) => [type.name, type]));
});
afterAll(() => rmSync(directory, { recursive: true }));

it.each(Object.keys(LAYOUT) as (keyof typeof LAYOUT)[])("%s lies as the C compiler lays it", (name) => {
  const type = structs.get(name);
  const fields = Object.fromEntries((type?.members ?? []).map((member) => [member.name, member.bits_offset / 8]));
  expect({ size: type?.size, fields }).toEqual(LAYOUT[name]);
});
