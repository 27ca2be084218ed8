import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../kube/client/index.ts";
import type { Fields } from "../../kube/object.ts";
import { CONTROL_PLANE_TAINT, node, ownedBy, pod, thing } from "../test-objects.ts";
import { place } from "./place.ts";
import { quantity } from "./quantity.ts";

const CONTROL_PLANE = node("k8s-ctr", { taints: [CONTROL_PLANE_TAINT] });
const waiting = (spec: Fields = {}, meta = {}): KubeObject =>
  pod("new", { spec: { nodeName: undefined, ...spec }, meta });

/** The lab's three nodes, with pods on the workers. */
const lab = (onFirst: KubeObject[] = [], onSecond: KubeObject[] = []) => [
  { node: CONTROL_PLANE, pods: [] },
  { node: node("k8s-w1"), pods: onFirst },
  { node: node("k8s-w2"), pods: onSecond },
];

test("replicas of one owner go to different nodes, even when that one is fuller", () => {
  const set = thing("ReplicaSet", "web");
  const meta = ownedBy(set);
  const others = [pod("x"), pod("y"), pod("z")];
  expect(place(waiting({}, meta), lab([pod("a", { meta })], others))).toEqual({ node: "k8s-w2" });
});

test("otherwise the node with fewer pods, then the first by name", () => {
  expect(place(waiting(), lab([pod("a")], []))).toEqual({ node: "k8s-w2" });
  expect(place(waiting(), lab())).toEqual({ node: "k8s-w1" });
});

test("a pod that fits nowhere is told why, node by node", () => {
  expect(place(waiting({ nodeSelector: { disk: "ssd" } }), lab())).toEqual({
    unschedulable:
      "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
  });
  expect(place(waiting(), [])).toEqual({ unschedulable: "no nodes available to schedule pods" });
});

describe("what keeps a pod away from a node", () => {
  const why = (spec: Fields, candidate: KubeObject, pods: KubeObject[] = [], labels = {}): unknown => {
    const placement = place(waiting(spec, { labels }), [{ node: candidate, pods }]);
    return "node" in placement
      ? placement.node
      : placement.unschedulable.replace(/^0\/1 nodes are available: 1 |\. preemption.*$/g, "");
  };
  const requests = (cpu: string) => ({ containers: [{ name: "a", image: "x", resources: { requests: { cpu } } }] });

  test("cordon and taint, unless tolerated", () => {
    expect(why({}, node("n", { unschedulable: true }))).toBe("node(s) were unschedulable");
    expect(why({ tolerations: [{ key: CONTROL_PLANE_TAINT.key, operator: "Exists" }] }, CONTROL_PLANE)).toBe("k8s-ctr");
    expect(why({ tolerations: [{ operator: "Exists" }] }, node("n", { unschedulable: true }))).toBe("n");
  });

  test("a node that is not ready", () => {
    const down = { ...node("n"), status: { conditions: [{ type: "Ready", status: "False" }] } };
    expect(why({}, down)).toBe("node(s) had untolerated taint {node.kubernetes.io/not-ready: }");
  });

  test("too little left", () => {
    expect(why(requests("1500m"), node("n"), [pod("a", { spec: requests("1") })])).toBe("Insufficient cpu");
    expect(why(requests("1"), node("n"), [pod("a", { spec: requests("1") })])).toBe("n");
  });

  test("a host port in use", () => {
    const port = { containers: [{ name: "a", image: "x", ports: [{ containerPort: 80, hostPort: 80 }] }] };
    expect(why(port, node("n"), [pod("a", { spec: port })])).toBe(
      "node(s) didn't have free ports for the requested pod ports",
    );
  });

  test("node affinity by expression and by name", () => {
    const require = (term: Fields) => ({
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } } },
    });
    expect(
      why(require({ matchExpressions: [{ key: "gen", operator: "Gt", values: ["3"] }] }), node("n", {}, { gen: "4" })),
    ).toBe("n");
    expect(why(require({ matchFields: [{ key: "metadata.name", operator: "In", values: ["m"] }] }), node("n"))).toMatch(
      /affinity/,
    );
  });

  test("anti-affinity, also the one of a pod that is there", () => {
    const term = { topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: { app: "a" } } };
    const anti = { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } };
    const there = pod("a", { meta: { labels: { app: "a" } } });
    expect(why(anti, node("n"), [there])).toBe("node(s) didn't match pod anti-affinity rules");
    const shy = pod("b", { spec: anti });
    expect(why({}, node("n"), [shy], { app: "a" })).toBe("node(s) didn't satisfy existing pods anti-affinity rules");
    expect(why({}, node("n"), [shy], { app: "b" })).toBe("n");
  });
});

test("a spread constraint holds the skew", () => {
  const labels = { app: "a" };
  const spread = {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: { matchLabels: labels },
      },
    ],
  };
  const candidates = lab([pod("a", { meta: { labels } })], [pod("x"), pod("y")]).slice(1);
  expect(place(waiting(spread, { labels }), candidates)).toEqual({ node: "k8s-w2" });
});

test.each([
  ["250m", 0.25],
  ["2", 2],
  ["1Ki", 1024],
  ["1.5G", 1.5e9],
  ["1e3", 1000],
  ["nonsense", 0],
  [undefined, 0],
])("quantity %s", (text, value) => {
  expect(quantity(text)).toBe(value);
});
