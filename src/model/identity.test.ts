import { describe, expect, it } from "vitest";
import { identityCandidates, identityLabelsOfPod, identityNumber, reservedIdentityLabels } from "./identity.ts";
import { formatLabels, parseLabel, toLabels } from "./label.ts";
import { isSecurityRelevant } from "./label-filter.ts";

const pod = {
  podLabels: { org: "empire", "pod-template-hash": "8c4c77fb7" },
  namespace: "default",
  namespaceLabels: { "kubernetes.io/metadata.name": "default" },
  serviceAccount: "default",
  cluster: "default",
};

describe("identityLabelsOfPod", () => {
  it("has the pod's labels, its namespace's, account and cluster, and not the replica set's hash", () => {
    expect(formatLabels(identityLabelsOfPod(pod))).toEqual([
      "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=default",
      "k8s:io.cilium.k8s.policy.cluster=default",
      "k8s:io.cilium.k8s.policy.serviceaccount=default",
      "k8s:io.kubernetes.pod.namespace=default",
      "k8s:org=empire",
    ]);
  });

  it("lets no pod pretend to be in another namespace or cluster", () => {
    const forged = {
      "io.kubernetes.pod.namespace": "kube-system",
      "io.cilium.k8s.policy.cluster": "x",
      "io.cilium.k8s.namespace.labels.a": "b",
    };
    const labels = formatLabels(identityLabelsOfPod({ ...pod, podLabels: forged, serviceAccount: "" }));
    expect(labels).toEqual([
      "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=default",
      "k8s:io.cilium.k8s.policy.cluster=default",
      "k8s:io.kubernetes.pod.namespace=default",
    ]);
  });
});

describe("isSecurityRelevant", () => {
  it.each([
    ["k8s:app", true],
    ["k8s:host", true],
    ["k8s:app.kubernetes.io/name", true],
    ["k8s:io.kubernetes.pod.namespace", true],
    ["k8s:io.kubernetes.pod.name", false],
    ["k8s:kubernetes.io/os", false],
    ["k8s:topology.kubernetes.io/zone", false],
    ["k8s:failure-domain.beta.kubernetes.io/zone", false],
    ["k8s:my-pod-template-hash", true],
    ["k8s:pod-template-hash", false],
    ["k8s:annotation.x", false],
    ["reserved:host", true],
  ])("%s: %s", (label, want) => {
    expect(isSecurityRelevant(parseLabel(label))).toBe(want);
  });
});

describe("identityNumber", () => {
  const labels = identityLabelsOfPod(pod);

  it("does not depend on the order of the labels", () => {
    expect(identityNumber([...labels].reverse())).toBe(identityNumber(labels));
  });

  it("tries every number once, its own first", () => {
    const candidates = [...identityCandidates(labels)];
    expect(candidates[0]).toBe(identityNumber(labels));
    expect(new Set(candidates).size).toBe(65_280);
    expect(Math.min(...candidates)).toBe(256);
    expect(Math.max(...candidates)).toBe(65_535);
  });

  it("spreads", () => {
    const numbers = Array.from({ length: 1000 }, (_, index) => identityNumber([parseLabel(`k8s:app=a${index}`)]));
    expect(new Set(numbers).size).toBeGreaterThan(980);
  });
});

describe("labels", () => {
  it("keeps one label a key and sorts by text", () => {
    expect(formatLabels(toLabels([parseLabel("k8s:b=1"), parseLabel("k8s:a"), parseLabel("any:b=2")]))).toEqual([
      "any:b=2",
      "k8s:a",
    ]);
    expect(parseLabel("$host")).toEqual({ source: "reserved", key: "host", value: "" });
    expect(parseLabel("x=y=z")).toEqual({ source: "unspec", key: "x", value: "y=z" });
  });

  it("knows the reserved identities", () => {
    expect(formatLabels(reservedIdentityLabels(7)!)).toEqual(["reserved:kube-apiserver", "reserved:remote-node"]);
    expect(reservedIdentityLabels(9)).toBeUndefined();
  });
});
