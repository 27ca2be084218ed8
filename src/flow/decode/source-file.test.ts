import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { SOURCE_FILES } from "./source-file.ts";

const bpf = new URL("../../../bpf/", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, bpf), "utf8");

it("the files that drop packets, or count them, are listed in bpf/abi.h, and here in the same order", () => {
  const listed = [...read("abi.h").matchAll(/^\tX\("(\S+)", (\d+)\)/gm)].map(([, name, number]) => [number, name]);
  expect(listed).toEqual(SOURCE_FILES.map((name, index) => [String(index + 1), name]));
  const sources = [...readdirSync(bpf), ...readdirSync(new URL("lib/", bpf)).map((name) => `lib/${name}`)];
  const failing = sources.filter(
    (name) => /\.[ch]$/.test(name) && /[^\w ]\s*FAIL\(|return FAIL\(|\ttrace\(/.test(read(name)),
  );
  const dropping = failing.map((name) => name.replace("lib/", "")).filter((name) => name !== "kernel.h");
  expect(dropping.sort()).toEqual([...SOURCE_FILES].sort());
});
