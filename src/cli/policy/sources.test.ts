import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readSources } from "./sources.ts";

const root = mkdtempSync(join(tmpdir(), "sources-"));
const git = (...args: string[]) =>
  execFileSync("git", ["-C", root, "-c", "user.name=x", "-c", "user.email=x@x", ...args]);

beforeAll(() => {
  mkdirSync(join(root, "sub/node_modules"), { recursive: true });
  for (const file of ["b.yaml", "a.json", "sub/c.yml", "sub/node_modules/d.yaml", "e.txt"])
    writeFileSync(join(root, file), `${file} 1`);
  git("init", "-q");
  git("add", "-A");
  git("commit", "-qm", "one");
  writeFileSync(join(root, "sub/c.yml"), "sub/c.yml 2\n");
  rmSync(join(root, "a.json"));
});
afterAll(() => rmSync(root, { recursive: true }));

const read = async (paths: string[], options = {}) => {
  const { texts, problems } = await readSources(
    paths.map((path) => (path === "-" ? path : join(root, path))),
    options,
  );
  return [texts.map(({ file, text }) => [file.replace(`${root}/`, ""), text]), problems.map(({ message }) => message)];
};

test("a folder is read with all below it, in order and each file once", async () => {
  expect(await read(["", "b.yaml"])).toEqual([
    [
      ["b.yaml", "b.yaml 1"],
      ["sub/c.yml", "sub/c.yml 2\n"],
    ],
    [],
  ]);
});

test("a glob, a file of any name, and files that are left out", async () => {
  expect((await read(["*.yaml", "e.txt"]))[0]).toEqual([
    ["b.yaml", "b.yaml 1"],
    ["e.txt", "e.txt 1"],
  ]);
  expect((await read([""], { skip: ["*.yaml"] }))[0]).toEqual([["sub/c.yml", "sub/c.yml 2\n"]]);
});

test("a revision of git is read as it was, whatever is there now", async () => {
  expect(await read([""], { revision: "HEAD" })).toEqual([
    [
      ["HEAD:a.json", "a.json 1"],
      ["HEAD:b.yaml", "b.yaml 1"],
      ["HEAD:sub/c.yml", "sub/c.yml 1"],
      ["HEAD:sub/node_modules/d.yaml", "sub/node_modules/d.yaml 1"],
    ].filter(([name]) => !name!.includes("node_modules")),
    [],
  ]);
  expect((await read(["sub"], { revision: "HEAD" }))[0]).toEqual([["HEAD:sub/c.yml", "sub/c.yml 1"]]);
  expect((await read(["a.json"], { revision: "HEAD" }))[0]).toEqual([["HEAD:a.json", "a.json 1"]]);
  expect((await read([""], { revision: "--output=x" }))[1]).toEqual([expect.stringMatching(/--output=x/)]);
});

test("what is not there, is empty or cannot be read is named, and the rest is read", async () => {
  mkdirSync(join(root, "empty"));
  symlinkSync(join(root, "nowhere"), join(root, "empty/gone.yaml"));
  const [texts, problems] = await read(["none.yaml", "no*.yaml", "empty", "b.yaml"]);
  expect(texts).toEqual([["b.yaml", "b.yaml 1"]]);
  expect(problems).toEqual([
    expect.stringMatching(/no such file/),
    expect.stringMatching(/no such file/),
    expect.stringMatching(/ENOENT/),
  ]);
});
