import { afterAll, beforeAll, expect, it } from "vitest";
import type { KubeObject } from "../object.ts";
import * as Refs from "../resources.ts";
import { failure, startTestServer, type TestServer } from "./test-server.ts";

let test: TestServer;
const PATH = "/api/v1/namespaces/default/pods/web/ephemeralcontainers";
const spec = { containers: [{ name: "c", image: "busybox" }] };
const web = (more: object = {}): KubeObject =>
  ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default" },
    spec: { ...spec, ...more },
  }) as KubeObject;
const eye = { name: "eye", image: "busybox", targetContainerName: "c" };

/** A pod with these ephemeral containers, put to the subresource. */
function put(ephemeralContainers: readonly object[]): Promise<unknown> {
  return test.client.raw("PUT", PATH, web({ ephemeralContainers }));
}

beforeAll(async () => {
  test = await startTestServer();
  await test.client.create(Refs.Pods, web());
});
afterAll(() => test.close());

it("ephemeral containers come by their subresource alone, and it changes nothing else", async () => {
  const { client } = test;
  const atOnce = {
    ...web({ ephemeralContainers: [eye] }),
    metadata: { name: "new", namespace: "default" },
  } as KubeObject;
  expect((await failure(client.create(Refs.Pods, atOnce))).message).toContain(
    "spec.ephemeralContainers: Forbidden: cannot be set on create",
  );
  expect((await failure(client.update(Refs.Pods, web({ ephemeralContainers: [eye] })))).message).toContain(
    "pod updates may not change fields other than",
  );
  const changed = { ...web({ ephemeralContainers: [eye] }), metadata: { name: "web", labels: { a: "b" } } };
  const pod = (await client.raw("PUT", PATH, changed)) as KubeObject;
  expect(pod.metadata).toMatchObject({ generation: 2 });
  expect(pod.metadata.labels).toBeUndefined();
  expect(pod.spec).toMatchObject({
    containers: [{ name: "c" }],
    ephemeralContainers: [{ ...eye, imagePullPolicy: "Always" }],
  });
  await failure(client.raw("DELETE", PATH));
  expect((await client.get(Refs.Pods, "web", "default")).metadata.deletionTimestamp).toBeUndefined();
});

it.each([
  ["removed", [], 'spec.ephemeralContainers: Forbidden: existing ephemeral containers "eye" may not be removed'],
  ["changed", [{ ...eye, image: "other" }], 'existing ephemeral containers "eye" may not be changed'],
  ["twice", [eye, { ...eye }], 'spec.ephemeralContainers[1].name: Duplicate value: "eye"'],
  ["named as another", [eye, { ...eye, name: "c" }], 'spec.ephemeralContainers[1].name: Duplicate value: "c"'],
  [
    "with ports",
    [eye, { ...eye, name: "two", ports: [{ containerPort: 1 }] }],
    "spec.ephemeralContainers[1].ports: Forbidden: cannot be set for an Ephemeral Container",
  ],
  [
    "with a probe",
    [eye, { ...eye, name: "two", livenessProbe: { exec: { command: ["x"] } } }],
    "spec.ephemeralContainers[1].livenessProbe: Forbidden: cannot be set for an Ephemeral Container",
  ],
  [
    "of nobody",
    [eye, { ...eye, name: "two", targetContainerName: "nobody" }],
    'spec.ephemeralContainers[1].targetContainerName: Not found: "nobody"',
  ],
])("an ephemeral container %s is refused", async (_how, containers, message) => {
  const error = await failure(put(containers));
  expect([error.code, error.message]).toEqual([422, expect.stringContaining(message)]);
});
