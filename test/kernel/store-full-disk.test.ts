/** The API server's objects on a disk that is full: what is said, and what stays. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { KubeObject } from "../../src/kube/object.ts";
import { SqliteStore } from "../../src/kube/storage/sqlite-store.ts";

let disk: string;

beforeEach(() => {
  disk = mkdtempSync(join(tmpdir(), "sgt-full-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]);
});
afterEach(() => {
  execFileSync("umount", ["--lazy", disk]);
  rmSync(disk, { recursive: true });
});

const map = (name: string, data = "x".repeat(400)): KubeObject => ({
  ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" } },
  data,
});
const texts = (store: SqliteStore): string[] => store.list("/configmaps").map(({ json }) => json);

test("a write is refused in words, nothing acknowledged is lost, and what is there can be read", () => {
  const path = join(disk, "store.db");
  const store = new SqliteStore(path);
  let acknowledged = 0;
  const fill = (): void => {
    for (; acknowledged < 5000; acknowledged++) store.create("/configmaps", map(`m${acknowledged}`));
  };
  expect(fill).toThrow(`the disk is full that holds ${path}: nothing was written, and what is stored stays`);
  const count = acknowledged;
  let last = store.get("/configmaps", "default", "m1")!;
  // one more object may take more pages than a change of one: the room that is left is used up too
  const change = (): void => {
    for (; acknowledged < 5000; acknowledged++) last = store.replace("/configmaps", map("m1"), last.revision)!;
  };
  expect(change).toThrow(/the disk is full/);
  const first = store.get("/configmaps", "default", "m0")!;
  expect(() => store.remove("/configmaps", "default", "m0", first.revision)).toThrow(/the disk is full/);
  expect(() => store.replace("/configmaps", map("m0", "new"), first.revision)).toThrow(/the disk is full/);
  const [kept, revision] = [texts(store), store.revision];
  expect([kept.length, revision]).toEqual([count, acknowledged]);
  store.close();

  const again = new SqliteStore(path);
  expect(texts(again)).toEqual(kept);
  expect(again.revision).toBe(revision);
  execFileSync("mount", ["-o", "remount,size=4m", disk]);
  expect(again.remove("/configmaps", "default", "m0", first.revision)?.revision).toBe(revision + 1);
  again.close();
});

test("the log makes room for writes when others have filled the disk", () => {
  const path = join(disk, "store.db");
  const before = new SqliteStore(path);
  let stored = before.create("/configmaps", map("one"))!;
  before.close();
  const store = new SqliteStore(path);
  for (let index = 0; index < 50; index++) stored = store.replace("/configmaps", map("one"), stored.revision)!;
  expect(() => writeFileSync(join(disk, "other"), Buffer.alloc(1 << 20))).toThrow(/ENOSPC/);
  for (let index = 0; index < 200; index++) stored = store.replace("/configmaps", map("one"), stored.revision)!;
  expect(stored.revision).toBe(251);
  store.close();
});
