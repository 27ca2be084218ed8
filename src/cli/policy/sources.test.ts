import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, createReadStream, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { takeInventory } from "../../prove/inventory.ts";
import { readAll, readFile } from "./input.ts";
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
  for (const skip of [["sub"], ["s?b"], [join(root, "sub")], ["*.yml"]]) {
    expect((await read([""], { skip }))[0]).toEqual([["b.yaml", "b.yaml 1"]]);
    if (!skip[0]!.startsWith("/"))
      expect((await read([""], { skip, revision: "HEAD" }))[0]).toEqual([
        ["HEAD:a.json", "a.json 1"],
        ["HEAD:b.yaml", "b.yaml 1"],
      ]);
  }
});

test("a glob that meets a folder reads what is below it", async () => {
  expect((await read(["s*b"]))[0]).toEqual([["sub/c.yml", "sub/c.yml 2\n"]]);
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

test("bytes that are no UTF-8 are refused with their line", async () => {
  const [bad, wide] = [join(root, "bad.bin"), join(root, "wide.bin")];
  writeFileSync(bad, Buffer.concat([Buffer.from("a: ä\nb: 1\nc: "), Buffer.from([0xff])]));
  writeFileSync(wide, Buffer.from("\ufeffa: 1\n", "utf16le"));
  const { problems } = await readSources([bad, wide], {});
  expect(problems).toEqual([
    { severity: "error", file: bad, line: 3, message: expect.stringMatching(/no UTF-8/) },
    { severity: "error", file: wide, line: 1, message: "is UTF-16: save it as UTF-8" },
  ]);
});

const errorsOf = async (paths: readonly string[], options = {}) => {
  const { texts, problems } = await readSources(paths, options);
  return [...problems, ...takeInventory(texts).problems].map(
    ({ severity, file, line, message }) => `${severity} ${file.replace(`${root}/`, "")}:${line} ${message}`,
  );
};
const BARE = "holds no object of Kubernetes (where nothing is wanted, give /dev/null)";

test("who names a file or a folder means that an object is in it; beside others a file may be empty", async () => {
  const folder = join(root, "bare");
  mkdirSync(folder);
  const files = { "zero.yaml": "", "comment.yaml": "---\n# no\n" };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  const paths = Object.keys(files).map((file) => join(folder, file));
  expect(await errorsOf([folder, "/dev/null"])).toEqual([`error bare:1 ${BARE}`]);
  expect(await errorsOf([join(folder, "z*.yaml")])).toEqual([`error bare/z*.yaml:1 ${BARE}`]);
  expect(await errorsOf(paths)).toEqual(Object.keys(files).map((file) => `error bare/${file}:1 ${BARE}`));
  writeFileSync(join(folder, "full.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n");
  expect(await errorsOf([folder])).toEqual([]);
  // What is read once is there for all who name it.
  expect(await errorsOf([join(folder, "full.yaml"), folder])).toEqual([]);
  expect(await errorsOf([paths[0]!, folder])).toEqual([`error bare/zero.yaml:1 ${BARE}`]);
});

test("files of a revision are no less: UTF-8, with an object in them; what was bare before is new", async () => {
  mkdirSync(join(root, "old/none"), { recursive: true });
  writeFileSync(join(root, "old/bad.yaml"), Buffer.from([0x61, 0x0a, 0xff]));
  writeFileSync(join(root, "old/none/zero.yaml"), "# no\n");
  git("add", "old");
  git("commit", "-qm", "two");
  const [old, none] = [join(root, "old"), join(root, "old/none")];
  expect(await errorsOf([old], { revision: "HEAD" })).toEqual([
    expect.stringMatching(/^error HEAD:old\/bad.yaml:2 bytes that are no UTF-8/),
    `error HEAD:${old.replace(`${root}/`, "")}:1 ${BARE}`,
  ]);
  expect(await errorsOf([none], { revision: "HEAD", mayBeMissing: true })).toEqual([
    "warning HEAD:old/none:1 holds no object of Kubernetes: all of it is new",
  ]);
});

test("a device and a socket are refused by name, the rest is read; /dev/null is an empty file", async () => {
  const socket = join(root, "s.yaml");
  const server = createServer().listen(socket);
  await once(server, "listening");
  try {
    const { texts, problems } = await readSources(["/dev/urandom", "/dev/null", socket, join(root, "b.yaml")], {});
    expect(texts.map(({ text }) => text)).toEqual(["", "b.yaml 1"]);
    expect(problems).toEqual([
      { severity: "error", file: "/dev/urandom", line: 1, message: expect.stringMatching(/^is a device/) },
      { severity: "error", file: socket, line: 1, message: expect.stringMatching(/^is a socket/) },
    ]);
  } finally {
    server.close();
    await once(server, "close");
  }
});

test("a file that is longer than it says, and a pipe without end, are read so far and no further", async () => {
  expect(() => readFile("/dev/zero", 1 << 20)).toThrow("longer than 1048576 bytes");
  expect(readFile("/proc/self/status", 1 << 20)).toMatch(/^Name:/);
  await expect(readAll(createReadStream("/dev/zero"), 1 << 20)).rejects.toThrow("longer than 1048576 bytes");
});

test("what a pipe gives is there again for who reads it again, also beside a revision", async () => {
  const pipe = join(root, "once");
  execFileSync("mkfifo", [pipe]);
  const writer = spawn("sh", ["-c", 'echo once > "$0"', pipe]);
  expect((await read(["once"]))[0]).toEqual([["once", "once\n"]]);
  expect((await read(["once", "b.yaml"], { revision: "HEAD" }))[0]).toEqual([
    ["once", "once\n"],
    ["HEAD:b.yaml", "b.yaml 1"],
  ]);
  if (writer.exitCode === null) await once(writer, "exit");
});

test("a pipe in a folder, which perhaps nobody writes into, is not waited for", async () => {
  mkdirSync(join(root, "pipes"));
  execFileSync("mkfifo", [join(root, "pipes/p.yaml")]);
  expect((await read(["pipes"]))[1]).toEqual([expect.stringMatching(/is a pipe/)]);
});

test("links that go round, and folders that may not be read, keep nobody from the rest", async () => {
  const folder = join(root, "round");
  mkdirSync(join(folder, "a/closed"), { recursive: true });
  writeFileSync(join(folder, "a/one.yaml"), "one");
  writeFileSync(join(folder, "a/closed/no.yaml"), "no");
  symlinkSync("..", join(folder, "a/up"));
  symlinkSync("itself.yaml", join(folder, "itself.yaml"));
  symlinkSync("a", join(folder, "z"));
  symlinkSync(join(root, "sub"), join(folder, "elsewhere"));
  const asNobody = process.getuid?.() === 0;
  const seen = () => read(["round"]);
  const all = [
    ["round/a/closed/no.yaml", "no"],
    ["round/a/one.yaml", "one"],
    ["round/elsewhere/c.yml", "sub/c.yml 2\n"],
  ];
  expect(await seen()).toEqual([all, [expect.stringMatching(/ELOOP/)]]);
  chmodSync(root, 0o755);
  chmodSync(join(folder, "a/closed"), 0o700);
  if (!asNobody) return;
  process.seteuid!(65_534);
  const [texts, problems] = await seen().finally(() => process.seteuid!(0));
  expect(texts).toEqual(all.slice(1));
  expect(problems).toEqual([expect.stringMatching(/EACCES.*a\/closed/), expect.stringMatching(/ELOOP/)]);
});

test("more than may be read together is told once, with the file, and what came before counts", async () => {
  mkdirSync(join(root, "much"));
  for (const name of ["a", "b", "c", "d"]) writeFileSync(join(root, `much/${name}.yaml`), name.repeat(40));
  const { texts, problems } = await readSources([join(root, "much")], { mostBytes: 100 });
  expect(texts).toHaveLength(2);
  expect(problems).toEqual([
    {
      severity: "error",
      file: join(root, "much/c.yaml"),
      line: 1,
      message: expect.stringMatching(/longer than 100 bytes/),
    },
  ]);
});
