import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../kube/client/index.ts";
import type { Fields } from "../../kube/object.ts";
import { CONTROL_PLANE_TAINT, NOW, node, ownedBy, pod, thing } from "../test-objects.ts";
import { currentHash, HASH_LABEL, nodeOf, planDaemons } from "./reconcile.ts";

const NODES = [node("k8s-ctr", { taints: [CONTROL_PLANE_TAINT] }), node("k8s-w1"), node("k8s-w2")];

function daemons(spec: Fields = {}, image = "v1"): KubeObject {
  const template = { metadata: { labels: { app: "d" } }, spec: { containers: [{ name: "a", image }], ...spec } };
  return thing("DaemonSet", "cilium", { spec: { selector: { matchLabels: { app: "d" } }, template } });
}

const on = (set: KubeObject, name: string, parts: { ready?: boolean; hash?: string } = {}): KubeObject =>
  pod(`cilium-${name}`, {
    meta: { labels: { app: "d", [HASH_LABEL]: parts.hash ?? currentHash(set) }, ...ownedBy(set) },
    spec: { nodeName: name },
    ready: parts.ready ?? true,
  });

const names = (pods: readonly KubeObject[]): (string | undefined)[] => pods.map(nodeOf);

describe("where daemons belong", () => {
  test("a tainted node only with a toleration", () => {
    expect(names(planDaemons(daemons(), NODES, [], NOW).create)).toEqual(["k8s-w1", "k8s-w2"]);
    const tolerant = daemons({ tolerations: [{ operator: "Exists" }] });
    expect(names(planDaemons(tolerant, NODES, [], NOW).create)).toEqual(["k8s-ctr", "k8s-w1", "k8s-w2"]);
  });

  test("by node selector; cordoned nodes too", () => {
    const nodes = [...NODES, node("k8s-w3", { unschedulable: true }, { disk: "ssd" })];
    expect(names(planDaemons(daemons({ nodeSelector: { disk: "ssd" } }), nodes, [], NOW).create)).toEqual(["k8s-w3"]);
  });
});

test("one daemon a node: extra and misplaced ones go, and the status says so", () => {
  const set = daemons();
  const twin = {
    ...on(set, "k8s-w1"),
    metadata: { ...on(set, "k8s-w1").metadata, name: "twin", creationTimestamp: "2026-01-01T00:30:00Z" },
  };
  const ending = node("k8s-w3", { taints: [{ key: "full", effect: "NoExecute" }] });
  const pods = [twin, on(set, "k8s-w1"), on(set, "k8s-ctr"), on(set, "k8s-w3")];
  const plan = planDaemons(set, [...NODES, ending], pods, NOW);
  // on the control plane's node none would be started, and who is there stays
  expect(plan.remove.map((item) => item.metadata.name)).toEqual(["twin", "cilium-k8s-w3"]);
  expect(names(plan.create)).toEqual(["k8s-w2"]);
  expect(plan.status).toMatchObject({
    desiredNumberScheduled: 2,
    currentNumberScheduled: 1,
    numberReady: 1,
    numberMisscheduled: 2,
    numberUnavailable: 1,
  });
});

test("a daemon that is leaving keeps its node until it is gone", () => {
  const set = daemons();
  const leaving = on(set, "k8s-w1");
  leaving.metadata.deletionTimestamp = "2026-01-01T00:59:59Z";
  expect(names(planDaemons(set, NODES, [leaving], NOW).create)).toEqual(["k8s-w2"]);
});

describe("update", () => {
  const set = daemons({}, "v2");
  const old = { hash: "old" };

  test("one working daemon at a time", () => {
    const plan = planDaemons(set, NODES, [on(set, "k8s-w1", old), on(set, "k8s-w2", old)], NOW);
    expect(plan.remove).toHaveLength(1);
    expect(plan.status).toMatchObject({ numberReady: 2 });
    expect(plan.status).not.toHaveProperty("updatedNumberScheduled");
  });

  test("none while another is missing, but a broken one at once", () => {
    expect(planDaemons(set, NODES, [on(set, "k8s-w1", old), on(set, "k8s-w2", { ready: false })], NOW).remove).toEqual(
      [],
    );
    const broken = planDaemons(set, NODES, [on(set, "k8s-w1", old), on(set, "k8s-w2", { ...old, ready: false })], NOW);
    expect(names(broken.remove)).toEqual(["k8s-w2"]);
  });
});
