import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { KubeObject } from "../object.ts";
import { Deployments, Pods } from "../resources.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

const container = {
  name: "c",
  image: "busybox",
  env: [{ name: "N", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
};
const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p", namespace: "default" },
  spec: { containers: [container] },
};
const template = { metadata: { labels: { app: "a" } }, spec: pod.spec };
const deployment = {
  ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "d", namespace: "default" } },
  spec: { selector: { matchLabels: { app: "a" } }, template },
};

let test: TestServer;
beforeEach(async () => {
  test = await startTestServer({ program: 7 });
  await test.client.create(Pods, pod as KubeObject);
  await test.client.create(Deployments, deployment as KubeObject);
});
afterEach(() => test.close());

/** As an older program left it, which did not know a default; `writer`: who is said to have written it last. */
async function leaveBehind(writer: number): Promise<void> {
  await test.restart((path) => {
    const database = new DatabaseSync(path);
    database.exec(
      `UPDATE objects SET body = replace(body, '"fieldPath":"spec.nodeName","apiVersion":"v1"', '"fieldPath":"spec.nodeName"')`,
    );
    const { left } = database
      .prepare(`SELECT count(*) AS left FROM objects WHERE body LIKE '%{"fieldPath":"spec.nodeName"}%'`)
      .get() as { left: number };
    expect(left).toBe(2);
    database.exec(`PRAGMA application_id = ${writer}`);
    database.close();
  });
}

const fieldRefOf = (spec: unknown): unknown =>
  (spec as { containers: [{ env: [{ valueFrom: { fieldRef: object } }] }] }).containers[0].env[0].valueFrom.fieldRef;

it("brings what an older program wrote up to date, so that its status can be written and no template changes", async () => {
  await leaveBehind(6);
  const found = await test.client.get(Pods, "p", "default");
  expect(fieldRefOf(found["spec"])).toEqual({ apiVersion: "v1", fieldPath: "spec.nodeName" });
  const written = await test.client.updateStatus(Pods, { ...found, status: { phase: "Running" } } as KubeObject);
  expect(written["status"]).toMatchObject({ phase: "Running" });
  const { metadata, spec } = await test.client.get(Deployments, "d", "default");
  expect(fieldRefOf((spec as { template: { spec: object } }).template.spec)).toHaveProperty("apiVersion");
  expect(metadata.generation).toBe(1);
});

it("does not look again at what it wrote itself", async () => {
  await leaveBehind(7);
  const found = await test.client.get(Pods, "p", "default");
  expect(fieldRefOf(found["spec"])).toEqual({ fieldPath: "spec.nodeName" });
});
