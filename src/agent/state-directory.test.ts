import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openStateDirectory } from "./state-directory.ts";

const path = mkdtempSync(join(tmpdir(), "sg-state-"));
afterAll(() => rmSync(path, { recursive: true, force: true }));
const files = () => readdirSync(join(path, "policies")).filter((name) => name.endsWith(".json"));
const object = (name: string) => ({ apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: { name } });

test("accepted policies are known at once and on disk soon after, and so is their going", async () => {
  const { policies } = openStateDirectory(path);
  policies.save("cnp/default/a", object("a"));
  policies.save("cnp/default/b", object("b"));
  policies.remove("cnp/default/b");
  expect([policies.load("cnp/default/a"), policies.load("cnp/default/b")]).toEqual([object("a"), undefined]);
  expect(policies.keys()).toEqual(["cnp/default/a"]);
  expect(files()).toEqual([]);
  await policies.written();
  expect(openStateDirectory(path).policies.keys()).toEqual(["cnp/default/a"]);
  expect(openStateDirectory(path).policies.load("cnp/default/a")).toEqual(object("a"));
});

test("what could not be written is told, still known, and written with the next one", async () => {
  const told: string[] = [];
  const { policies } = openStateDirectory(path, (message) => told.push(message));
  rmSync(join(path, "policies"), { recursive: true });
  policies.save("cnp/default/c", object("c"));
  await policies.written();
  expect(told).toEqual([expect.stringContaining("cnp/default/c is in force but was not kept")]);
  expect(policies.load("cnp/default/c")).toEqual(object("c"));
  openStateDirectory(path);
  policies.save("cnp/default/d", object("d"));
  await policies.written();
  expect([...openStateDirectory(path).policies.keys()].sort()).toEqual(["cnp/default/c", "cnp/default/d"]);
});

test("versions that come while one is written are written in their order, the last one last", async () => {
  const { policies } = openStateDirectory(path);
  const kept = () => readFileSync(join(path, "policies", "cnp%2Fdefault%2Fe.json"), "utf8");
  policies.save("cnp/default/e", object("first"));
  policies.save("cnp/default/f", object("f"));
  const midway = new Promise<void>((resolve) => setImmediate(resolve));
  await midway;
  policies.save("cnp/default/e", object("second"));
  policies.remove("cnp/default/f");
  policies.save("cnp/default/e", object("third"));
  expect(policies.load("cnp/default/e")).toEqual(object("third"));
  await policies.written();
  expect(JSON.parse(kept())).toEqual(object("third"));
  expect(policies.keys()).not.toContain("cnp/default/f");
  expect(readdirSync(join(path, "policies")).filter((name) => name.endsWith(".new"))).toEqual([]);
});
