import { expect, it } from "vitest";
import { parseLabel, toLabels } from "../model/label.ts";
import { Limits } from "../model/limits.ts";
import { parsePolicy } from "./parse.ts";
import { Repository } from "./repository.ts";

const NAMESPACE = "k8s:io.kubernetes.pod.namespace";
const labelsOf = (...texts: readonly string[]) => toLabels(texts.map(parseLabel));
const inX = labelsOf("k8s:app=a", `${NAMESPACE}=x`);

function rulesOf(name: string, namespace: string, app: string, isNode = false) {
  const selector = { matchLabels: { app } };
  const result = parsePolicy({
    apiVersion: "cilium.io/v2",
    kind: namespace === "" ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy",
    metadata: { name, namespace },
    spec: { ...(isNode ? { nodeSelector: selector } : { endpointSelector: selector }), ingress: [{}] },
  });
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result;
}

/** Adds policies to a repository, one by one; asks for a subject's after each. */
function follow(...steps: readonly (readonly [name: string, namespace: string, app: string, isNode?: boolean])[]) {
  const repository = new Repository();
  const asked: string[][] = [];
  for (const step of steps) {
    const { key, rules } = rulesOf(...step);
    repository.upsert(key, rules);
    asked.push(namesFor(repository));
  }
  return { repository, asked };
}

function namesFor(repository: Repository, labels = inX, namespace = "x", isNode = false): string[] {
  return repository.rulesSelecting(labels, namespace, isNode).map(({ sides }) => sides.ingress!.first[0]!.name);
}

it("keeps the rules of a subject by name, clusterwide ones first, whatever came when", () => {
  const { asked } = follow(
    ["m", "x", "a"],
    ["z", "x", "a"],
    ["b", "x", "a"],
    ["n", "x", "a"],
    ["q", "", "a"],
    ["c", "", "a"],
  );
  expect(asked).toEqual([
    ["m"],
    ["m", "z"],
    ["b", "m", "z"],
    ["b", "m", "n", "z"],
    ["q", "b", "m", "n", "z"],
    ["c", "q", "b", "m", "n", "z"],
  ]);
});

it("gives a new subject the same as one that was asked before", () => {
  const { repository } = follow(
    ["m", "x", "a"],
    ["b", "x", "a"],
    ["m", "x", "a"],
    ["q", "", "a"],
    ["o", "y", "a"],
    ["k", "x", "b"],
  );
  expect(namesFor(repository)).toEqual(["q", "b", "m"]);
  expect(namesFor(repository, labelsOf("k8s:app=a", `${NAMESPACE}=x`))).toEqual(["q", "b", "m"]);
  expect(namesFor(repository, inX, "y")).toEqual(["q"]);
  expect(namesFor(repository, inX, "x")).toEqual(["q", "b", "m"]);
  expect(namesFor(repository, inX, "")).toEqual(["q"]);
});

it("takes a policy out where it is removed or selects others now", () => {
  const { repository, asked } = follow(["b", "x", "a"], ["m", "x", "a"], ["b", "x", "b"], ["b", "x", "a"]);
  expect(asked).toEqual([["b"], ["b", "m"], ["m"], ["b", "m"]]);
  expect(repository.remove({ kind: "CiliumNetworkPolicy", namespace: "x", name: "m" })).toBe(true);
  expect(namesFor(repository)).toEqual(["b"]);
  expect(namesFor(repository, labelsOf("k8s:app=a", `${NAMESPACE}=x`))).toEqual(["b"]);
  expect(repository.remove({ kind: "CiliumNetworkPolicy", namespace: "x", name: "b" })).toBe(true);
  expect(namesFor(repository)).toEqual([]);
  expect(namesFor(repository, labelsOf("k8s:app=a", `${NAMESPACE}=x`))).toEqual([]);
});

it("keeps rules of nodes and of pods apart, also for the same labels", () => {
  const { repository } = follow(["pods", "", "a"], ["nodes", "", "a", true]);
  expect(namesFor(repository, inX, "x", false)).toEqual(["pods"]);
  expect(namesFor(repository, inX, "x", true)).toEqual(["nodes"]);
  expect(namesFor(repository, inX, "x", false)).toEqual(["pods"]);
});

it("remembers only so many subjects, and answers all of them", () => {
  const { repository } = follow(["m", "x", "a"]);
  for (let count = 0; count <= Limits.CachedSubjects; count++) {
    namesFor(repository, labelsOf("k8s:app=a", `k8s:n=${count}`, `${NAMESPACE}=x`));
  }
  const { key, rules } = rulesOf("b", "x", "a");
  repository.upsert(key, rules);
  expect(namesFor(repository)).toEqual(["b", "m"]);
});

it("gives up the selections of a policy that goes", () => {
  const repository = new Repository();
  const { key } = rulesOf("m", "x", "a");
  const parsed = parsePolicy({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "m", namespace: "x" },
    spec: { endpointSelector: {}, ingress: [{ fromEndpoints: [{ matchLabels: { app: "a" } }] }] },
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  const joined = () =>
    repository.selectors.upsertIdentity(300, [...inX, parseLabel("k8s:io.cilium.k8s.policy.cluster=default")])
      .selections.length;
  repository.upsert(key, parsed.rules);
  expect(joined()).toBe(0);
  repository.rulesSelecting(inX, "x", false);
  expect(joined()).toBe(1);
  repository.upsert(key, parsed.rules);
  expect(joined()).toBe(1);
  repository.remove(key);
  expect(joined()).toBe(0);
});
