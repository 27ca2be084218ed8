import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
    expect(() => store.watch("/pods", 1, () => {})).toThrow(HistoryGone);
    expect(() => store.watch("/pods", last.revision, () => {})).not.toThrow();
    expect(() => store.watch("/pods", last.revision + 2, () => {})).toThrow(HistoryGone);
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
