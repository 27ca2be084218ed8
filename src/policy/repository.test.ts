import { expect, it } from "vitest";
import { parseLabel, toLabels } from "../model/label.ts";
import { parsePolicy } from "./parse.ts";
import { Repository, requiredCidrs } from "./repository.ts";

function add(repository: Repository, name: string, namespace: string, spec: unknown): void {
  const kind = namespace === "" ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy";
  const result = parsePolicy({ apiVersion: "cilium.io/v2", kind, metadata: { name, namespace }, spec });
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  repository.upsert(result.key, result.rules);
}

const spec = { endpointSelector: {}, ingress: [{}] };

it("replaces by name, counts revisions and lists in a fixed order", () => {
  const repository = new Repository();
  add(repository, "b", "x", spec);
  add(repository, "a", "x", spec);
  add(repository, "b", "x", { ...spec, description: "second" });
  expect(repository.revision).toBe(4);
  expect(repository.toApi()).toHaveLength(2);
  expect(repository.toApi()[1]).toMatchObject({ description: "second" });
  expect(repository.remove({ kind: "CiliumNetworkPolicy", namespace: "x", name: "b" })).toBe(true);
  expect(repository.remove({ kind: "CiliumNetworkPolicy", namespace: "x", name: "b" })).toBe(false);
  expect(repository.revision).toBe(5);
});

it("offers an endpoint the policies of its namespace and the clusterwide ones", () => {
  const repository = new Repository();
  add(repository, "mine", "x", spec);
  add(repository, "other", "y", spec);
  add(repository, "wide", "", spec);
  const names = (namespace: string | undefined) => {
    const labels = namespace === undefined ? "k8s:a=b" : `k8s:io.kubernetes.pod.namespace=${namespace}`;
    const rules = repository.rulesSelecting(toLabels([parseLabel(labels)]), namespace, false);
    return rules.map(({ sides }) => sides.ingress!.first[0]!.name);
  };
  expect(names("x")).toEqual(["wide", "mine"]);
  expect(names(undefined)).toEqual(["wide"]);
});

it("knows which prefixes need identities, exceptions too", () => {
  const repository = new Repository();
  const egress = [
    { toCIDR: ["1.2.3.4", "0.0.0.0/0"] },
    { toCIDRSet: [{ cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] }] },
  ];
  add(repository, "a", "x", {
    endpointSelector: {},
    egress,
    ingressDeny: [{ fromCIDR: ["1.2.3.4/32", "2001:db8::/32"] }],
  });
  expect(requiredCidrs(repository)).toEqual(["1.2.3.4/32", "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"]);
});
