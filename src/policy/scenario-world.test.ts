import { describe, expect, it } from "vitest";
import { evaluateScenario, type Scenario } from "./scenario.ts";

const byApp = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "p", namespace: "default" },
  spec: { endpointSelector: {}, ingress: [{ fromEndpoints: [{ matchLabels: { app: "client" } }] }] },
};

function verdictOf(config: Scenario["config"]): unknown {
  const pods: Scenario["endpoints"] = [
    { name: "client", labels: { app: "client", role: "x" } },
    { name: "server", labels: { app: "server" } },
  ];
  const query = { id: "q", direction: "ingress", from: "client", to: "server", port: 80 } as const;
  const world: Scenario = { id: "s", policies: [byApp], endpoints: pods, queries: [query] };
  return evaluateScenario(config === undefined ? world : { ...world, config })[0]?.verdict;
}

describe("the labels of a scenario's pods", () => {
  it("are filtered by Cilium's defaults, and by patterns that are given", () => {
    expect(verdictOf(undefined)).toBe("allowed");
    expect(verdictOf({ labels: ["!app"] })).toBe("denied");
    expect(verdictOf({ labels: ["role"] })).toBe("denied");
    expect(verdictOf({ labels: ["role", "app"] })).toBe("allowed");
    expect(() => verdictOf({ labels: ["("] })).toThrow(/label pattern "\("/);
  });
});

describe("a pod with the labels of cluster DNS", () => {
  const dns: Scenario = {
    id: "s",
    policies: [
      {
        ...byApp,
        spec: { endpointSelector: {}, ingress: [{ fromEndpoints: [{ matchLabels: { "k8s-app": "kube-dns" } }] }] },
        metadata: { name: "p", namespace: "kube-system" },
      },
    ],
    endpoints: [
      { name: "a", namespace: "kube-system", labels: { "k8s-app": "kube-dns" }, serviceAccount: "kube-dns" },
      { name: "b", namespace: "kube-system", labels: { app: "b" } },
    ],
    queries: [{ id: "q", direction: "ingress", from: "a", to: "b", port: 53 }],
  };

  it("is judged by its labels, whether or not it has the number that Cilium keeps for it", () => {
    expect(evaluateScenario(dns)[0]?.verdict).toBe("allowed");
    expect(evaluateScenario({ ...dns, config: { wellKnownIdentities: true } })[0]?.verdict).toBe("allowed");
  });
});
