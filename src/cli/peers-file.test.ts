import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { peersFile } from "./peers-file.ts";

const directory = mkdtempSync(join(tmpdir(), "sgt-peers-file-"));
afterAll(() => rmSync(directory, { recursive: true }));
const NODES = [
  { name: "default/a", address: "192.0.2.1:4244", serverName: "a.default.hubble-grpc.cilium.io" },
  { name: "default/b", address: "192.0.2.2" },
];

test("nodes are read as they were written; without a file there are none", () => {
  const log: string[] = [];
  const file = peersFile(join(directory, "peers.json"), (message) => log.push(message));
  expect(file.read()).toEqual([]);
  file.write(NODES);
  expect(file.read()).toEqual(NODES);
  expect(log).toEqual([]);
});

test.each(["", "{", "{}", "[1]", "[null]", '[{"name":"a"}]', '[{"name":"a","address":"b","serverName":1}]'])(
  "a file with %j is told of and has none",
  (text) => {
    const path = join(directory, "damaged.json");
    writeFileSync(path, text);
    const log: string[] = [];
    expect(peersFile(path, (message) => log.push(message)).read()).toEqual([]);
    expect(log).toEqual([expect.stringContaining(`the nodes in ${path} are not used: `)]);
  },
);

test("what cannot be kept is told, and nothing ends", () => {
  const log: string[] = [];
  peersFile(join(directory, "no/such/folder.json"), (message) => log.push(message)).write(NODES);
  expect(log).toEqual([expect.stringContaining("the nodes are not kept for a restart: ENOENT")]);
});
