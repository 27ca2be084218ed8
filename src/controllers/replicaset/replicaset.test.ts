import { expect, test } from "vitest";
import { claim } from "../adoption.ts";
import { NOW, ownedBy, pod, thing } from "../test-objects.ts";
import { leastWorth, planReplicas } from "./reconcile.ts";

const labels = { app: "a" };
const set = thing("ReplicaSet", "web", {
  spec: { replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels } } },
});
const mine = (name: string, parts: Parameters<typeof pod>[1] = {}) =>
  pod(name, { ...parts, meta: { labels, ...ownedBy(set), ...parts.meta } });

test("missing pods are made; ended and leaving ones do not count", () => {
  const pods = [
    mine("a"),
    mine("b", { phase: "Failed" }),
    mine("c", { meta: { deletionTimestamp: "2026-01-01T00:00:00Z" } }),
  ];
  const plan = planReplicas(set, pods, NOW);
  expect(plan.create).toBe(1);
  expect(plan.remove).toEqual([]);
  expect(plan.status).toEqual({
    replicas: 1,
    fullyLabeledReplicas: 1,
    readyReplicas: 1,
    availableReplicas: 1,
    observedGeneration: 1,
  });
});

test("of too many, those go that are worth least", () => {
  const waiting = mine("waiting", { spec: { nodeName: undefined }, phase: "Pending", ready: false });
  const unready = mine("unready", { ready: false });
  const young = mine("young", { meta: { creationTimestamp: "2026-01-01T00:30:00Z" } });
  const alone = mine("alone", { spec: { nodeName: "k8s-w2" } });
  const old = mine("old");
  const names = leastWorth([old, alone, young, unready, waiting], 4).map((item) => item.metadata.name);
  expect(names).toEqual(["waiting", "unready", "young", "old"]);
});

test("a pod counts as available after minReadySeconds, and the set is looked at again then", () => {
  const slow = { ...set, spec: { ...(set.spec as object), minReadySeconds: 3602 } };
  const plan = planReplicas(slow, [mine("a"), mine("b")], NOW);
  expect(plan.status).toMatchObject({ readyReplicas: 2 });
  expect(plan.status).not.toHaveProperty("availableReplicas");
  expect(plan.lookAgainIn).toBe(2000);
});

test("orphans that match are adopted, own pods that no longer match are released, others' pods are left alone", () => {
  const orphan = pod("orphan", { meta: { labels } });
  const changed = mine("changed", { meta: { labels: { app: "b" } } });
  const foreign = pod("foreign", { meta: { labels, ...ownedBy(thing("ReplicaSet", "other")) } });
  const result = claim(set, [mine("a"), orphan, changed, foreign]);
  const names = (pods: readonly { metadata: { name: string } }[]) => pods.map((item) => item.metadata.name);
  expect([names(result.held), names(result.adopted), names(result.released)]).toEqual([["a"], ["orphan"], ["changed"]]);
});
