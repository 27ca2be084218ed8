import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KubeObject } from "../object.ts";
import { EventHistory } from "./event-history.ts";
import { SqliteStore } from "./sqlite-store.ts";
import { HistoryGone, type StoreEvent } from "./store.ts";

const pod = (name: string, extra: Record<string, unknown> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default" },
  ...extra,
});

const NO_SQLITE = spawnSync("sqlite3", ["--version"]).status !== 0;

function thrownBy(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}

describe("SqliteStore", () => {
  let directory: string;
  let store: SqliteStore;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "shieldgate-store-"));
    store = new SqliteStore(join(directory, "store.db"));
  });

  afterEach(() => {
    store.close();
    rmSync(directory, { recursive: true });
  });

  it("gives each write the next revision, across resources", () => {
    expect(store.create("/pods", pod("a"))?.revision).toBe(1);
    expect(store.create("/services", pod("a"))?.revision).toBe(2);
    expect(store.get("/pods", "default", "a")?.object.metadata.resourceVersion).toBe("1");
  });

  it("refuses a taken name and an old revision", () => {
    const first = store.create("/pods", pod("a"))!;
    expect(store.create("/pods", pod("a"))).toBeUndefined();
    const second = store.replace("/pods", pod("a", { spec: 1 }), first.revision)!;
    expect(store.replace("/pods", pod("a", { spec: 2 }), first.revision)).toBeUndefined();
    expect(store.remove("/pods", "default", "a", first.revision)).toBeUndefined();
    expect(store.remove("/pods", "default", "a", second.revision)?.revision).toBe(3);
  });

  it("replays what happened after a revision, then follows, each change once and in order", () => {
    const first = store.create("/pods", pod("a"))!;
    const second = store.replace("/pods", pod("a", { spec: 1 }), first.revision)!;
    const seen: string[] = [];
    store.watch("/pods", first.revision, (event: StoreEvent) => seen.push(`${event.type}@${event.stored.revision}`));
    store.create("/services", pod("x"));
    store.remove("/pods", "default", "a", second.revision);
    expect(seen).toEqual(["MODIFIED@2", "DELETED@4"]);
  });

  it("keeps objects and the revision across restarts, and says that older history is gone", () => {
    store.create("/pods", pod("a"));
    store.create("/pods", pod("b"));
    const last = store.remove("/pods", "default", "b", 2)!;
    store.close();
    store = new SqliteStore(join(directory, "store.db"));
    expect(store.revision).toBe(last.revision);
    expect(store.list("/pods").map(({ object }) => object.metadata.name)).toEqual(["a"]);
    expect(store.create("/pods", pod("c"))?.revision).toBe(last.revision + 1);
    store.close();
    store = new SqliteStore(join(directory, "store.db"));
    expect(store.revision).toBe(last.revision + 1);
    expect(() => store.watch("/pods", 1, () => {})).toThrow(HistoryGone);
    expect(() => store.watch("/pods", last.revision + 1, () => {})).not.toThrow();
    expect(() => store.watch("/pods", last.revision + 2, () => {})).toThrow(HistoryGone);
  });

  it("says that a damaged file is damaged, and leaves it as it is", () => {
    for (let index = 0; index < 300; index++) store.create("/pods", pod(`p${index}`, { data: "x".repeat(400) }));
    store.close();
    const path = join(directory, "store.db");
    const whole = readFileSync(path);
    const bytes = Buffer.from(whole);
    bytes.fill(0x5a, 3 * 4096, 5 * 4096);
    writeFileSync(path, bytes);
    expect(() => new SqliteStore(path)).toThrow(/store\.db cannot be read: .*\.dump/s);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    writeFileSync(path, "no database at all, but long enough to be looked at\n".repeat(100));
    expect(() => new SqliteStore(path)).toThrow(/store\.db cannot be read: .*not a database/s);
    writeFileSync(path, whole);
    store = new SqliteStore(path);
    expect(store.list("/pods")).toHaveLength(300);
  });

  it.skipIf(NO_SQLITE)("the commands that it names save the rest (skipped without sqlite3)", () => {
    for (let index = 0; index < 300; index++) store.create("/pods", pod(`p${index}`, { data: "x".repeat(400) }));
    const last = store.revision;
    store.close();
    const path = join(directory, "store.db");
    const bytes = readFileSync(path);
    bytes.fill(0x5a, 20 * 4096, 21 * 4096);
    writeFileSync(path, bytes);
    const [, commands = ""] =
      /\(with the package sqlite3\): (.*)/.exec(String(thrownBy(() => new SqliteStore(path)))) ?? [];
    execFileSync("sh", ["-c", commands], { stdio: "ignore" });
    store = new SqliteStore(path);
    expect(store.list("/pods").length).toBeGreaterThan(250);
    expect(store.revision).toBeGreaterThan(last - 20);
    expect(readFileSync(join(`${path}.damaged`, "store.db")).length).toBe(bytes.length);
  });

  it("refuses a file of a newer program", () => {
    store.close();
    const path = join(directory, "store.db");
    const newer = new DatabaseSync(path);
    newer.exec("PRAGMA user_version = 99");
    newer.close();
    expect(() => new SqliteStore(path)).toThrow(/written by a newer program \(version 99/);
    rmSync(path);
    store = new SqliteStore(path);
  });

  it.each([
    [0, 7],
    [1, 7],
    [2, 9], // its clock may be behind its objects
  ])("goes on with a file of version %i", (version, newest) => {
    store.close();
    const path = join(directory, "older.db");
    const older = new DatabaseSync(path);
    older.exec(`CREATE TABLE objects (resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
      revision INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID;
      CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 0), revision INTEGER NOT NULL);
      INSERT INTO clock VALUES (0, 7); PRAGMA user_version = ${version}`);
    const write = older.prepare("INSERT INTO objects VALUES (?, 'default', 'a', ?, ?)");
    const bodyOf = (template: object, revision: number) => {
      const annotations = { said: '{"creationTimestamp":null}' };
      const metadata = { name: "a", namespace: "default", annotations, resourceVersion: `${revision}` };
      return { apiVersion: "apps/v1", kind: "Deployment", metadata, spec: { template } };
    };
    const [empty, before, behind] = [
      { creationTimestamp: null },
      { creationTimestamp: null, name: "x" },
      { name: "x" },
    ];
    write.run("apps/deployments", newest, JSON.stringify(bodyOf({ metadata: empty }, newest)));
    write.run("apps/replicasets", 6, JSON.stringify(bodyOf({ metadata: before }, 6)));
    write.run("batch/jobs", 5, JSON.stringify(bodyOf({ metadata: { ...behind, creationTimestamp: null } }, 5)));
    write.run("example.com/own", 4, JSON.stringify(bodyOf(before, 4)));
    older.close();
    store = new SqliteStore(path);
    expect(store.revision).toBe(newest);
    const objects = ["apps/deployments", "apps/replicasets", "batch/jobs", "example.com/own"].map(
      (resource) => store.get(resource, "default", "a")?.object,
    );
    expect(objects).toEqual([
      bodyOf({ metadata: {} }, newest),
      bodyOf({ metadata: behind }, 6),
      bodyOf({ metadata: behind }, 5),
      bodyOf(before, 4),
    ]);
    expect(store.create("/pods", pod("new"))?.revision).toBe(newest + 1);
  });

  it("is small again after most of it was deleted", () => {
    const path = join(directory, "store.db");
    for (let index = 0; index < 600; index++) store.create("/pods", pod(`p${index}`, { data: "x".repeat(20_000) }));
    for (let index = 0; index < 590; index++) store.remove("/pods", "default", `p${index}`, index + 1);
    store.close();
    const before = statSync(path).size;
    store = new SqliteStore(path);
    expect(store.list("/pods")).toHaveLength(10);
    store.close();
    expect(statSync(path).size).toBeLessThan(before / 10);
    store = new SqliteStore(path);
  });

  it("lists in order of namespace and name", () => {
    for (const name of ["b", "a-b", "a"]) store.create("/pods", pod(name));
    store.create("/pods", { ...pod("z"), metadata: { name: "z", namespace: "alpha" } });
    expect(store.list("/pods").map(({ object }) => object.metadata.name)).toEqual(["z", "a", "a-b", "b"]);
    expect(store.list("/pods", "alpha")).toHaveLength(1);
  });
});

describe("EventHistory", () => {
  it("forgets the oldest changes and says so", () => {
    const history = new EventHistory(2, 0);
    for (let revision = 1; revision <= 5; revision++) {
      const stored = { object: pod("a"), json: "", revision };
      history.add({ type: "MODIFIED", stored, old: undefined });
    }
    const seen: number[] = [];
    history.watch(3, (event) => seen.push(event.stored.revision));
    expect(seen).toEqual([4, 5]);
    expect(() => history.watch(1, () => {})).toThrow(HistoryGone);
  });
});
