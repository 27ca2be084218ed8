import { expect, test } from "vitest";
import { Pods, ReplicaSets } from "../../kube/client/index.ts";
import { ownedBy, pod, thing } from "../test-objects.ts";
import { OwnerGraph } from "./graph.ts";
import { blocks, isForegroundDeletion, judge, type OwnerState, servedFinalizers } from "./reconcile.ts";

const first = thing("ReplicaSet", "first");
const second = thing("ReplicaSet", "second");
const owners = [...ownedBy(first).ownerReferences!, ...ownedBy(second).ownerReferences!];
const child = (finalizers: string[] = []) => pod("child", { meta: { ownerReferences: owners, finalizers } });
const states = (table: Record<string, OwnerState>) => (owner: { uid: string }) => table[owner.uid] ?? "gone";

test("an object goes when all its owners are gone or wait for it", () => {
  expect(judge(child(), states({ "uid-first": "present", "uid-second": "present" }))).toEqual({ kind: "keep" });
  expect(judge(child(), states({}))).toEqual({ kind: "delete", policy: "Background" });
  expect(judge(child(["foregroundDeletion"]), states({ "uid-first": "waiting" }))).toEqual({
    kind: "delete",
    policy: "Foreground",
  });
});

test("with one owner left it loses only the reference to the other", () => {
  expect(judge(child(), states({ "uid-second": "present" }))).toEqual({ kind: "disown", ownerReferences: [owners[1]] });
});

test("objects without owners, and those that are going, are left alone", () => {
  expect(judge(pod("free"), states({}))).toEqual({ kind: "keep" });
  const going = { ...child(), metadata: { ...child().metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
  expect(judge(going, states({}))).toEqual({ kind: "keep" });
});

test("a deletion in the foreground waits for the dependents that block it", () => {
  const owner = thing("ReplicaSet", "first", {
    meta: { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["other", "foregroundDeletion"] },
  });
  expect(isForegroundDeletion(owner)).toBe(true);
  expect(blocks(child(), "uid-first")).toBe(true);
  expect(blocks(child(), "uid-unknown")).toBe(false);
  expect(servedFinalizers(owner)).toEqual(["other"]);
});

test("the graph follows owners as references come and go", () => {
  const graph = new OwnerGraph();
  graph.put(ReplicaSets, first);
  graph.put(Pods, child());
  expect(graph.dependentsOf("uid-first").map(({ object }) => object.metadata.name)).toEqual(["child"]);
  graph.put(Pods, pod("child", { meta: ownedBy(second) }));
  expect(graph.dependentsOf("uid-first")).toEqual([]);
  expect(graph.dependentsOf("uid-second")).toHaveLength(1);
  graph.remove("uid-child");
  expect(graph.dependentsOf("uid-second")).toEqual([]);
});
