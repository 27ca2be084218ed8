import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { openStateDirectory } from "./state-directory.ts";

const path = mkdtempSync(join(tmpdir(), "sg-state-"));
afterAll(() => rmSync(path, { recursive: true, force: true }));
const object = (name: string) => ({ apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: { name } });

test("accepted policies are known at once and on disk when the turn is over, and so is their going", async () => {
  const { policies } = openStateDirectory(path);
  policies.save("cnp/default/a", object("a"));
  policies.save("cnp/default/b", object("b"));
  policies.remove("cnp/default/b");
  expect([policies.load("cnp/default/a"), policies.load("cnp/default/b")]).toEqual([object("a"), undefined]);
  expect(policies.keys()).toEqual(["cnp/default/a"]);
  expect(readdirSync(join(path, "policies"))).toEqual([]);
  await turn();
  expect(openStateDirectory(path).policies.keys()).toEqual(["cnp/default/a"]);
  expect(openStateDirectory(path).policies.load("cnp/default/a")).toEqual(object("a"));
});

test("what could not be written is told, still known, and written with the next one", async () => {
  const told: string[] = [];
  const { policies } = openStateDirectory(path, (message) => told.push(message));
  rmSync(join(path, "policies"), { recursive: true });
  policies.save("cnp/default/c", object("c"));
  await turn();
  expect(told).toEqual([expect.stringContaining("cnp/default/c is in force but was not kept")]);
  expect(policies.load("cnp/default/c")).toEqual(object("c"));
  openStateDirectory(path);
  policies.save("cnp/default/d", object("d"));
  await turn();
  expect([...openStateDirectory(path).policies.keys()].sort()).toEqual(["cnp/default/c", "cnp/default/d"]);
});
