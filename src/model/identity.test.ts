import { describe, expect, it } from "vitest";
import {
  identityCandidates,
  identityLabelsOfPod,
  identityNumber,
  reservedIdentities,
  reservedIdentityLabels,
} from "./identity.ts";
import { formatLabels, parseLabel, toLabels } from "./label.ts";
import { parseLabelFilter } from "./label-filter.ts";

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

  it("has what a given filter leaves", () => {
    const filter = parseLabelFilter(["k8s:pod-template-hash=?.*", "!io.cilium.k8s.policy.cluster"]);
    expect(formatLabels(identityLabelsOfPod(pod, filter))).toEqual([
      "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=default",
      "k8s:io.cilium.k8s.policy.serviceaccount=default",
      "k8s:io.kubernetes.pod.namespace=default",
    ]);
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
    expect(formatLabels(reservedIdentityLabels(9)!)).toEqual(["reserved:world-ipv4"]);
    expect(formatLabels(reservedIdentityLabels(10)!)).toEqual(["reserved:world-ipv6"]);
    expect(reservedIdentityLabels(11)).toBeUndefined();
    expect([...reservedIdentities().keys()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...reservedIdentities(true).keys()]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});
