import { describe, expect, it } from "vitest";
import {
  clusterOfIdentity,
  FIRST_LOCAL_IDENTITY,
  FIRST_REMOTE_NODE_IDENTITY,
  scopeOfIdentity,
  scopeOfLabels,
} from "./identity-scope.ts";
import { parseLabel, toLabels } from "./label.ts";

describe("scopeOfIdentity", () => {
  it.each([
    [0, "global"],
    [7, "global"],
    [65_536, "global"],
    [0x00ff_ffff, "global"],
    [0x0100_0000, "local"],
    [FIRST_LOCAL_IDENTITY, "local"],
    [16_777_217, "local"],
    [0x01ff_ffff, "local"],
    [FIRST_REMOTE_NODE_IDENTITY, "remoteNode"],
    [33_554_433, "remoteNode"],
    [0x02ff_ffff, "remoteNode"],
    [0x0300_0000, undefined],
    [0xffff_ffff, undefined],
  ])("%d: %s", (id, want) => expect(scopeOfIdentity(id)).toBe(want));

  it("begins each local scope with 1", () => {
    expect([FIRST_LOCAL_IDENTITY, FIRST_REMOTE_NODE_IDENTITY]).toEqual([16_777_217, 33_554_433]);
  });
});

describe("clusterOfIdentity", () => {
  it.each([
    [8, 255, 0],
    [65_535, 255, 0],
    [65_536, 255, 1],
    [0x00ff_1234, 255, 255],
    [32_767, 511, 0],
    [32_768, 511, 1],
    [0x00ff_ffff, 511, 511],
    [FIRST_LOCAL_IDENTITY, 255, undefined],
    [FIRST_REMOTE_NODE_IDENTITY, 255, undefined],
  ] as const)("%d with %d clusters: %s", (id, clusters, want) => expect(clusterOfIdentity(id, clusters)).toBe(want));

  it("has eight bits when nobody says otherwise", () => expect(clusterOfIdentity(0x0003_8000)).toBe(3));
});

describe("scopeOfLabels", () => {
  it.each([
    [["k8s:app=x", "k8s:io.kubernetes.pod.namespace=a"], "global"],
    [["cidr:10.0.0.0/8", "reserved:world"], "local"],
    [["fqdn:example.com", "reserved:world-ipv4"], "local"],
    [["cidrgroup:io.cilium.policy.cidrgroupname/g", "cidrgroup:a=b"], "local"],
    [["reserved:kube-apiserver", "reserved:world"], "local"],
    [["cidr:10.0.0.0/8", "node:zone=a"], "global"],
    [["reserved:remote-node", "node:zone=a"], "remoteNode"],
    [["reserved:remote-node", "reserved:kube-apiserver", "cidr:10.0.0.1/32"], "remoteNode"],
    [["k8s:remote-node", "k8s:app=x"], "remoteNode"],
    [["reserved:ingress", "k8s:app=x"], "local"],
    [["k8s:ingress", "k8s:app=x"], "global"],
    [["k8s:ingress", "reserved:init"], "local"],
    [[], "global"],
  ])("%j: %s", (labels, want) => expect(scopeOfLabels(toLabels(labels.map(parseLabel)))).toBe(want));
});
