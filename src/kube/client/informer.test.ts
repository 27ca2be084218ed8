import { afterAll, beforeAll, expect, it } from "vitest";
import type { KubeObject } from "../object.ts";
import { ConfigMaps, CustomResourceDefinitions } from "../resources.ts";
import { startTestServer, type TestServer } from "../server/test-server.ts";
import { createInformer } from "./informer.ts";

const configMap = (name: string, data: Record<string, string> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data,
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 8000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("the condition did not come true in 8 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

let test: TestServer;

beforeAll(async () => {
  test = await startTestServer();
});

afterAll(() => test.close());

it("keeps a copy up to date through a restart of the server, and finds what happened meanwhile", async () => {
  const { client } = test;
  await client.create(ConfigMaps, configMap("kept"));
  await client.create(ConfigMaps, configMap("gone"));
  const informer = createInformer(client, ConfigMaps, { namespace: "default" });
  const calls: string[] = [];
  informer.on({
    onAdd: ({ metadata }) => calls.push(`add ${metadata.name}`),
    onUpdate: (old, next) =>
      calls.push(`update ${next.metadata.name} ${JSON.stringify(old.data)} ${JSON.stringify(next.data)}`),
    onDelete: ({ metadata }) => calls.push(`delete ${metadata.name}`),
  });
  await informer.start();
  expect(calls).toEqual(["add gone", "add kept"]);
  await client.patch(ConfigMaps, "kept", { data: { a: "1" } }, { namespace: "default", type: "merge" });
  await until(() => calls.length === 3);
  expect(calls[2]).toBe('update kept undefined {"a":"1"}');

  expect(informer.isConnected).toBe(true);
  await test.server.close();
  await until(() => !informer.isConnected);
  expect(informer.get("kept", "default")?.data).toEqual({ a: "1" });
  await test.restart();
  // Nothing changed yet: the watch that stands is enough.
  await until(() => informer.isConnected);
  const fresh = test.as("second-admin", ["system:masters"]);
  await fresh.delete(ConfigMaps, "gone", { namespace: "default" });
  await fresh.create(ConfigMaps, configMap("new"));
  await until(() => informer.get("new", "default") !== undefined && informer.get("gone", "default") === undefined);
  expect(calls.slice(3).sort()).toEqual(["add new", "delete gone"]);
  informer.stop();
});

it("takes a resource that the server does not know for empty where it may be missing, until it is there", async () => {
  const { client } = test;
  const ref = { group: "example.com", version: "v1", resource: "things", namespaced: false };
  const errors: unknown[] = [];
  const informer = createInformer(client, ref, { isOptional: true, onError: (error) => errors.push(error) });
  await informer.start();
  expect([informer.hasSynced, informer.list(), errors]).toEqual([true, [], []]);
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  await client.create(CustomResourceDefinitions, {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "things.example.com" },
    spec: {
      group: "example.com",
      names: { kind: "Thing", plural: "things", singular: "thing", listKind: "ThingList" },
      scope: "Cluster",
      versions: [{ name: "v1", served: true, storage: true, schema }],
    },
  });
  await client.create(ref, { apiVersion: "example.com/v1", kind: "Thing", metadata: { name: "a" } });
  await until(() => informer.get("a") !== undefined);
  await client.delete(CustomResourceDefinitions, "things.example.com");
  await until(() => informer.get("a") === undefined);
  informer.stop();
});

it("lists again when the server has forgotten its revision", async () => {
  const { client } = test;
  let revisions = 0;
  const forgetful = Object.assign(Object.create(client), {
    list: async (...args: Parameters<typeof client.list>) => {
      const list = await client.list(...args);
      // The first list claims a revision from before the last restart.
      return revisions++ === 0 ? { ...list, resourceVersion: "1" } : list;
    },
    watch: (...args: Parameters<typeof client.watch>) => client.watch(...args),
  }) as typeof client;
  const informer = createInformer(forgetful, ConfigMaps, { namespace: "default" });
  await informer.start();
  await until(() => revisions === 2);
  await test.as("second-admin", ["system:masters"]).create(ConfigMaps, configMap("after"));
  await until(() => informer.get("after", "default") !== undefined);
  informer.stop();
});
