import { describe, expect, it } from "vitest";
import { identityLabelsOfPod } from "./identity.ts";
import { formatLabels } from "./label.ts";
import { wellKnownIdentities, wellKnownIdentity } from "./well-known-identity.ts";

const known = wellKnownIdentities("east", "cilium");

function pod(namespace: string, serviceAccount: string, podLabels: Record<string, string>, hasName = false) {
  return identityLabelsOfPod({
    podLabels,
    namespace,
    namespaceLabels: hasName ? { "kubernetes.io/metadata.name": namespace } : {},
    serviceAccount,
    cluster: "east",
  });
}

const dns = { "k8s-app": "kube-dns" };
const eks = (component: string) => ({ ...dns, "eks.amazonaws.com/component": component });
const operator = {
  name: "cilium-operator",
  "io.cilium/app": "operator",
  "app.kubernetes.io/part-of": "cilium",
  "app.kubernetes.io/name": "cilium-operator",
};

describe("well-known identities", () => {
  it.each([
    [102, 110, "kube-system", "kube-dns", dns],
    [103, 111, "kube-system", "kube-dns", eks("kube-dns")],
    [104, 112, "kube-system", "coredns", dns],
    [105, 113, "cilium", "cilium-operator", operator],
    [106, 114, "kube-system", "coredns", eks("coredns")],
  ])("%d, and %d with the name of the namespace: %s/%s", (plain, named, namespace, account, labels) => {
    expect(wellKnownIdentity(pod(namespace, account, labels), known)).toBe(plain);
    expect(wellKnownIdentity(pod(namespace, account, labels, true), known)).toBe(named);
  });

  it("are ten, each with its labels", () => {
    expect([...known.keys()].sort((a, b) => a - b)).toEqual([102, 103, 104, 105, 106, 110, 111, 112, 113, 114]);
    expect(formatLabels(known.get(112)!)).toEqual([
      "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=kube-system",
      "k8s:io.cilium.k8s.policy.cluster=east",
      "k8s:io.cilium.k8s.policy.serviceaccount=coredns",
      "k8s:io.kubernetes.pod.namespace=kube-system",
      "k8s:k8s-app=kube-dns",
    ]);
  });

  it("want exactly the labels", () => {
    const labels = pod("kube-system", "coredns", dns);
    expect(wellKnownIdentity(pod("kube-system", "coredns", { ...dns, app: "x" }), known)).toBeUndefined();
    expect(wellKnownIdentity(pod("kube-system", "coredns", { "k8s-apq": "kube-dns" }), known)).toBeUndefined();
    expect(wellKnownIdentity(labels.slice(1), known)).toBeUndefined();
    expect(wellKnownIdentity(pod("default", "coredns", dns), known)).toBeUndefined();
    expect(wellKnownIdentity(pod("kube-system", "other", dns), known)).toBeUndefined();
    expect(
      wellKnownIdentity(
        labels.map((label) => ({ ...label, source: "any" })),
        known,
      ),
    ).toBeUndefined();
    expect(wellKnownIdentity(labels, wellKnownIdentities("west", "cilium"))).toBeUndefined();
    expect(wellKnownIdentity([], known)).toBeUndefined();
  });
});
