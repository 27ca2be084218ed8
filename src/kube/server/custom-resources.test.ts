import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeObject } from "../object.ts";
import * as Refs from "../resources.ts";
import { ciliumCrds } from "../schema/index.ts";
import { failure, startTestServer, type TestServer } from "./test-server.ts";

let test: TestServer;

beforeAll(async () => {
  test = await startTestServer({ definitions: ciliumCrds });
});

afterAll(() => test.close());

describe("users", () => {
  it("lets administrators and kube-system do all, others nothing, and says so", async () => {
    const { client } = test;
    const jane = test.as("jane", ["team"]);
    const refused = await failure(jane.list(Refs.Pods, { namespace: "default" }));
    expect([refused.code, refused.message]).toEqual([
      403,
      'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
    ]);
    const review = (await jane.raw("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {
      spec: { resourceAttributes: { resource: "pods", verb: "list" } },
    })) as { status: { allowed: boolean } };
    expect(review.status.allowed).toBe(false);
    await client.create(Refs.ServiceAccounts, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "robot", namespace: "kube-system" },
    });
    const path = "/api/v1/namespaces/kube-system/serviceaccounts/robot/token";
    const { status } = (await client.raw("POST", path, { spec: {} })) as { status: { token: string } };
    const robot = test.withToken(status.token);
    expect((await robot.list(Refs.Namespaces)).items.length).toBeGreaterThan(3);
    await client.delete(Refs.ServiceAccounts, "robot", { namespace: "kube-system" });
    expect((await failure(robot.list(Refs.Namespaces))).code).toBe(401);
  });
});

describe("custom resources", () => {
  const definition = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "ships.empire.test" },
    spec: {
      group: "empire.test",
      scope: "Namespaced",
      names: { plural: "ships", singular: "ship", kind: "Ship", listKind: "ShipList" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: {
                spec: { type: "object", properties: { crew: { type: "integer", default: 2 } } },
                status: { type: "object", properties: { docked: { type: "boolean" } } },
              },
            },
          },
          subresources: { status: {} },
        },
      ],
    },
  } as unknown as KubeObject;
  const Ships = { group: "empire.test", version: "v1", resource: "ships", namespaced: true };
  const ship = (spec: object): KubeObject => ({
    apiVersion: "empire.test/v1",
    kind: "Ship",
    metadata: { name: "s", namespace: "default" },
    spec,
  });

  it("serves a kind from its definition on: defaults, pruning, validation, status, and its end", async () => {
    const { client } = test;
    await client.create(Refs.CustomResourceDefinitions, definition);
    const wrong = await failure(client.create(Ships, ship({ crew: "many" })));
    expect(wrong.code).toBe(422);
    const made = await client.create(Ships, { ...ship({ unknown: 1 }), status: { docked: true } });
    expect(made.spec).toEqual({ crew: 2 });
    expect(made.status).toBeUndefined();
    const docked = await client.updateStatus(Ships, { ...made, status: { docked: true } });
    expect([docked.metadata.generation, docked.status]).toEqual([1, { docked: true }]);
    const strategic = await failure(client.patch(Ships, "s", {}, { namespace: "default", type: "strategic" }));
    expect(strategic.code).toBe(415);
    await test.restart();
    expect((await client.get(Ships, "s", "default")).status).toEqual({ docked: true });
    await client.delete(Refs.CustomResourceDefinitions, "ships.empire.test");
    expect((await failure(client.list(Ships))).code).toBe(404);
  });
});

describe("metadata of custom objects", () => {
  const policy = (metadata: object) =>
    ({
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { name: "a", namespace: "default", ...metadata },
      spec: { endpointSelector: {}, ingress: [{}] },
    }) as unknown as KubeObject;

  it.each([
    [{ name: "../x" }, "metadata.name"],
    [{ labels: [1] }, "metadata.labels"],
    [{ annotations: 7 }, "metadata.annotations"],
    [{ finalizers: { a: 1 } }, "metadata.finalizers"],
    [{ ownerReferences: 5 }, "metadata.ownerReferences"],
    [{ ownerReferences: [5] }, "metadata.ownerReferences"],
  ])("is checked as that of built-in ones: %j", async (metadata, field) => {
    const error = await failure(test.client.create(Refs.CiliumNetworkPolicies, policy(metadata)));
    expect([error.code >= 400 && error.code < 500, error.message]).toEqual([true, expect.stringContaining(field)]);
  });
});
