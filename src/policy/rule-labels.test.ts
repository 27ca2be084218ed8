import { expect, it } from "vitest";
import { parsePolicy } from "./parse.ts";
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

function labelsOf(labels: unknown) {
  const parsed = parsePolicy({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "n", namespace: "ns" },
    spec: { endpointSelector: {}, ingress: [{}], labels },
  });
  if (!parsed.ok) return parsed.errors.map(({ field, message }) => `${field} ${message}`);
  return parsed.rules[0]!.labels.filter((text) => !text.includes("io.cilium.k8s.policy"));
}

it("reads labels with a key; null and the empty text count as absent", () => {
  expect(labelsOf([{ key: "a", value: "b", source: "c" }, { key: "d" }])).toEqual(["c:a=b", "unspec:d"]);
  expect(labelsOf([{ key: "a", value: "", source: "" }])).toEqual(["unspec:a"]);
  expect(labelsOf([{ key: "a", value: null, source: null }])).toEqual(["unspec:a"]);
  expect(labelsOf(null)).toEqual([]);
});

it.each([{ value: "b" }, { key: "", value: "b" }])("refuses a label without a key: %j", (label) => {
  expect(labelsOf([{ key: "a" }, label])).toEqual(["spec.labels[1].key is required"]);
});
