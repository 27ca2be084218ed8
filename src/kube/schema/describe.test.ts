import { expect, test } from "vitest";
import { builtinSchema, definition, definitionName, referenceName, resolve } from "./builtin.ts";
import { ciliumCrds, schemaOfDefinition } from "./custom.ts";
import data from "./descriptions.json" with { type: "json" };
import type { SchemaNode } from "./node.ts";

/** Kinds whose fields people look up. */
const KINDS = [
  ..."Pod Service Endpoints ConfigMap Secret Namespace Node ServiceAccount Event"
    .split(" ")
    .map((kind) => ["", "v1", kind]),
  ..."Deployment ReplicaSet DaemonSet StatefulSet ControllerRevision".split(" ").map((kind) => ["apps", "v1", kind]),
  ..."Job CronJob".split(" ").map((kind) => ["batch", "v1", kind]),
  ["networking.k8s.io", "v1", "NetworkPolicy"],
  ["coordination.k8s.io", "v1", "Lease"],
  ..."Role ClusterRole RoleBinding ClusterRoleBinding"
    .split(" ")
    .map((kind) => ["rbac.authorization.k8s.io", "v1", kind]),
] as [string, string, string][];

const missingIn = (node: SchemaNode, path: string): string[] =>
  Object.entries(node.properties ?? {}).flatMap(([name, field]) => (field.description ? [] : [`${path}.${name}`]));

test("every field of a kind, of its spec and of its status is described", () => {
  const missing = KINDS.flatMap(([group, version, kind]) => {
    const schema = builtinSchema({ group, version, kind })!;
    const parts = ["spec", "status"].flatMap((part) => {
      const node = schema.properties?.[part];
      return node === undefined ? [] : missingIn(resolve(node), `${kind}.${part}`);
    });
    return [...(schema.description ? [] : [kind]), ...missingIn(schema, kind), ...parts];
  });
  expect(missing).toEqual([]);
});

test("nothing is described that is not there", () => {
  for (const [name, words] of Object.entries(data.builtin)) {
    const fullName = [`io.k8s.api.${name}`, `io.k8s.apimachinery.pkg.apis.${name}`].find((one) => {
      try {
        return definition(one) !== undefined;
      } catch {
        return false;
      }
    });
    const fields = definition(fullName!).properties ?? {};
    expect(
      Object.keys(words).filter((field) => field !== "" && !(field in fields)),
      name,
    ).toEqual([]);
  }
});

test("a Cilium policy's rules are described, list and item once", () => {
  const crd = ciliumCrds.find(({ metadata }) => metadata.name === "ciliumnetworkpolicies.cilium.io")!;
  const { spec } = schemaOfDefinition(crd, "v2")!.node.properties!;
  expect(missingIn(spec!, "spec")).toEqual([]);
  const ingress = spec!.properties!["ingress"]!;
  expect(ingress.description).toContain("Who may connect");
  expect(ingress.items?.description).toBeUndefined();
  expect(missingIn(ingress.items!, "ingress")).toEqual([]);
  const http = ingress.items!.properties!["toPorts"]!.items!.properties!["rules"]!.properties!["http"]!;
  expect(missingIn(http.items!, "http")).toEqual([]);
});

test("a definition's name leads to its words", () => {
  const name = definitionName({ group: "", version: "v1", kind: "Pod" })!;
  expect(referenceName(definition(name).properties!["spec"]!)).toBe("io.k8s.api.core.v1.PodSpec");
});
