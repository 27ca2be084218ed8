/** The documents hold what kubectl looks for in them. */
import { describe, expect, test } from "vitest";
import type { KubeObject } from "../object.ts";
import { ciliumCrds } from "../schema/index.ts";
import { ALL_VERBS, declareKind, SCALE, statusOf } from "../server/kind.ts";
import { openApiV2, openApiV2Protobuf, openApiV3, openApiV3Index, type ServedKind } from "./index.ts";

const pod = declareKind({
  group: "",
  version: "v1",
  kind: "Pod",
  resource: "pods",
  namespaced: true,
  subresources: [statusOf("Pod")],
});
const node = declareKind({ group: "", version: "v1", kind: "Node", resource: "nodes", namespaced: false });
const deployment = declareKind({
  group: "apps",
  version: "v1",
  kind: "Deployment",
  resource: "deployments",
  namespaced: true,
  subresources: [statusOf("Deployment"), SCALE],
});
const definition = ciliumCrds.find((crd) => crd.metadata.name === "ciliumnetworkpolicies.cilium.io")!;
const policyOf = (crd: KubeObject): ServedKind => ({
  group: "cilium.io",
  version: "v2",
  kind: "CiliumNetworkPolicy",
  resource: "ciliumnetworkpolicies",
  namespaced: true,
  verbs: ALL_VERBS,
  subresources: [],
  definition: crd,
});
const KINDS: readonly ServedKind[] = [pod, node, deployment, policyOf(definition)];

/** Every `$ref` in a document. */
function references(value: unknown, found = new Set<string>()): Set<string> {
  if (Array.isArray(value)) for (const item of value) references(item, found);
  else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      if (key === "$ref" && typeof item === "string") found.add(item);
      else references(item, found);
    }
  }
  return found;
}

describe("version 2", () => {
  const document = openApiV2(KINDS);

  test("every reference has its definition", () => {
    const missing = [...references(document)].filter(
      (ref) => !(ref.slice("#/definitions/".length) in document.definitions),
    );
    expect(missing).toEqual([]);
  });

  test("kinds carry their group, version and kind", () => {
    expect(document.definitions["io.k8s.api.core.v1.Pod"]?.["x-kubernetes-group-version-kind"]).toEqual([
      { group: "", version: "v1", kind: "Pod" },
    ]);
    expect(document.definitions["io.cilium.v2.CiliumNetworkPolicy"]?.properties?.spec?.properties).toHaveProperty(
      "ingress",
    );
  });

  test("custom kinds lose what version 2 cannot say", () => {
    expect(JSON.stringify(document.definitions["io.cilium.v2.CiliumNetworkPolicy"])).not.toMatch(/"(oneOf|anyOf)"/);
  });

  test("patch operations name the kind and take dryRun", () => {
    const patch = document.paths["/apis/cilium.io/v2/namespaces/{namespace}/ciliumnetworkpolicies/{name}"]?.patch;
    expect(patch?.["x-kubernetes-group-version-kind"]).toEqual({
      group: "cilium.io",
      version: "v2",
      kind: "CiliumNetworkPolicy",
    });
    expect(patch?.parameters?.map((parameter) => parameter.name)).toEqual([
      "body",
      "dryRun",
      "fieldManager",
      "fieldValidation",
      "force",
    ]);
    expect(patch?.consumes).not.toContain("application/strategic-merge-patch+json");
  });

  test("operation ids are those of Kubernetes", () => {
    const deployments = "/apis/apps/v1/namespaces/{namespace}/deployments";
    expect(document.paths[deployments]?.get?.operationId).toBe("listAppsV1NamespacedDeployment");
    expect(document.paths["/apis/apps/v1/deployments"]?.get?.operationId).toBe("listAppsV1DeploymentForAllNamespaces");
    expect(document.paths[`${deployments}/{name}/scale`]?.get?.operationId).toBe("readAppsV1NamespacedDeploymentScale");
    expect(document.paths["/api/v1/nodes"]?.post?.operationId).toBe("createCoreV1Node");
    expect(document.paths["/api/v1/nodes"]?.get?.tags).toEqual(["core_v1"]);
  });
});

type Field = { readonly field: number; readonly bytes: Buffer };

/** The length-delimited fields of a message; other wire types are stepped over. */
function fields(bytes: Buffer): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let [value, scale] = [0, 1];
    for (; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag % 8 === 0) varint();
    else if (tag % 8 === 1) at += 8;
    else {
      expect(tag % 8).toBe(2);
      const length = varint();
      found.push({ field: Math.floor(tag / 8), bytes: bytes.subarray(at, at + length) });
      at += length;
      expect(at).toBeLessThanOrEqual(bytes.length);
    }
  }
  return found;
}

const child = (bytes: Buffer, field: number): Buffer => fields(bytes).find((item) => item.field === field)!.bytes;
const entry = (bytes: Buffer, name: string): Buffer =>
  child(fields(bytes).find((item) => child(item.bytes, 1).toString() === name)!.bytes, 2);

test("the protobuf form says the same: the merge key of a pod's containers", () => {
  const bytes = Buffer.from(openApiV2Protobuf(openApiV2(KINDS)));
  expect(child(bytes, 1).toString()).toBe("2.0");
  const podSpec = entry(child(bytes, 9), "io.k8s.api.core.v1.PodSpec");
  const containers = entry(child(podSpec, 25), "containers");
  const extensions = fields(containers).filter((item) => item.field === 31);
  const texts = extensions.map(({ bytes: item }) => [child(item, 1).toString(), child(child(item, 2), 2).toString()]);
  expect(Object.fromEntries(texts)).toMatchObject({
    "x-kubernetes-patch-merge-key": '"name"',
    "x-kubernetes-patch-strategy": '"merge"',
  });
});

describe("version 3", () => {
  test("the index has one document a version, with a hash that follows the schema", () => {
    const index = openApiV3Index(KINDS);
    expect(Object.keys(index.paths)).toEqual(["api/v1", "apis/apps/v1", "apis/cilium.io/v2"]);
    const changed = structuredClone(definition);
    Object.assign(changed.spec as object, { preserveUnknownFields: false });
    const next = openApiV3Index([pod, node, deployment, policyOf(changed)]);
    expect(next.paths["apis/cilium.io/v2"]).not.toEqual(index.paths["apis/cilium.io/v2"]);
    expect(next.paths["api/v1"]).toEqual(index.paths["api/v1"]);
  });

  test.each([
    ["", "v1"],
    ["apps", "v1"],
    ["cilium.io", "v2"],
  ])("every reference of %s/%s has its schema", (group, version) => {
    const document = openApiV3(KINDS, group, version) as { components: { schemas: object } };
    const missing = [...references(document)].filter(
      (ref) => !(ref.slice("#/components/schemas/".length) in document.components.schemas),
    );
    expect(missing).toEqual([]);
  });

  test("a version that is not served has no document", () => {
    expect(openApiV3(KINDS, "batch", "v1")).toBeUndefined();
  });
});
