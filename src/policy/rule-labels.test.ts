import { expect, it } from "vitest";
import { policyLabels, ruleLabelText } from "./rule-labels.ts";

const key = { kind: "CiliumNetworkPolicy", namespace: "ns", name: "n", uid: "u" };
const texts = (...parameters: Parameters<typeof policyLabels>) => policyLabels(...parameters).map(ruleLabelText);

it("names the policy and sorts its labels with the rule's own", () => {
  const own = [
    { source: "unspec", key: "z", value: "" },
    { source: "any", key: "a", value: "b" },
  ];
  const named = [
    "k8s:io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy",
    "k8s:io.cilium.k8s.policy.name=other",
    "k8s:io.cilium.k8s.policy.namespace=ns",
    "k8s:io.cilium.k8s.policy.uid=u",
  ];
  expect(texts(key, "other", own)).toEqual(["any:a=b", ...named, "unspec:z"]);
  expect(texts(key, "other")).toEqual(named);
  expect(texts({ ...key, namespace: "" }, "other")).toEqual(named.filter((text) => !text.includes("namespace")));
});
