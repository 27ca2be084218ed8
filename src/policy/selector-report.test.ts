import { expect, test } from "vitest";
import { parseLabel, toLabels } from "../model/label.ts";
import { parsePolicy } from "./parse.ts";
import { Repository } from "./repository.ts";
import { peerSelectors, subjectSelectors } from "./selector-report.ts";

const CLUSTER = "k8s:io.cilium.k8s.policy.cluster=default";

function add(repository: Repository, name: string, spec: unknown): void {
  const result = parsePolicy({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name, namespace: "x", uid: "u" },
    spec,
  });
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  repository.upsert(result.key, result.rules);
}

test("every peer selector in use, as Cilium prints it, with whom it selects and who asks for it", () => {
  const repository = new Repository();
  const identity = (id: number, ...labels: string[]) =>
    repository.selectors.upsertIdentity(id, toLabels([...labels, CLUSTER].map(parseLabel)));
  identity(4, "reserved:health");
  identity(600, "k8s:app=a", "k8s:io.kubernetes.pod.namespace=x");
  identity(500, "k8s:app=a", "k8s:io.kubernetes.pod.namespace=x");
  identity(700, "k8s:app=a", "k8s:io.kubernetes.pod.namespace=y");
  const app = { matchLabels: { app: "a" } };
  add(repository, "p", {
    endpointSelector: app,
    ingress: [{ fromEndpoints: [app] }, { fromEntities: ["health"] }],
    egress: [
      { toEndpoints: [{ matchExpressions: [{ key: "tier", operator: "NotIn", values: ["b", "a"] }] }] },
      { toCIDRSet: [{ cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] }, { cidrGroupRef: "g" }] },
      { toFQDNs: [{ matchPattern: "*.io" }] },
    ],
  });
  add(repository, "q", { endpointSelector: {}, ingress: [{ fromEndpoints: [app] }] });
  const reports = new Map(peerSelectors(repository).map((report) => [report.selector, report]));
  const namespace = "k8s.io.cilium.k8s.policy.cluster: default,k8s.io.kubernetes.pod.namespace: x,";
  const apps = `&LabelSelector{MatchLabels:map[string]string{any.app: a,${namespace}},MatchExpressions:[]LabelSelectorRequirement{},}`;
  expect([...reports.keys()].sort()).toEqual([
    apps,
    `&LabelSelector{MatchLabels:map[string]string{${namespace}},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:any.tier,Operator:NotIn,Values:[a b],},},}`,
    "&LabelSelector{MatchLabels:map[string]string{reserved.health: ,},MatchExpressions:[]LabelSelectorRequirement{},}",
    "MatchName: , MatchPattern: *.io",
    "cidr:10.0.0.0/8-[10.1.0.0/16]",
    "cidrgroup:io.cilium.policy.cidrgroupname/g",
  ]);
  const shared = reports.get(apps);
  expect(shared).toMatchObject({ identities: [500, 600], users: 2 });
  expect(shared?.labels.map((labels) => labels.find(({ key }) => key.endsWith("policy.name"))?.value)).toEqual([
    "p",
    "q",
  ]);
  const health = reports.get([...reports.keys()].find((key) => key.includes("reserved.health"))!);
  expect(health?.identities).toEqual([4]);
  expect(subjectSelectors(repository).map(({ identities }) => identities)).toEqual([
    [500, 600],
    [500, 600],
  ]);
});

test("an entity is shown by its selectors, not by what it knows of numbers", () => {
  const repository = new Repository();
  add(repository, "p", {
    endpointSelector: {},
    ingress: [{ fromEntities: ["cluster"] }, { fromEntities: ["cluster-mesh"] }],
  });
  const selectors = peerSelectors(repository).map(({ selector }) => selector);
  expect(selectors.length).toBeGreaterThan(8);
  expect(selectors.filter((selector) => selector.includes("number"))).toEqual([]);
});
