import { afterAll, beforeAll, expect, test } from "vitest";
import { fieldsOf } from "../object.ts";
import * as kube from "../resources.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

const V1 = { apiVersion: "authentication.k8s.io/v1" };
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  const metadata = { name: "robot", namespace: "default" };
  await server.client.create(kube.ServiceAccounts, { apiVersion: "v1", kind: "ServiceAccount", metadata });
  await server.client.create(kube.Pods, {
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "default" } },
    spec: { containers: [{ name: "a", image: "busybox" }] },
  });
});
afterAll(() => server.close());

async function tokenFor(spec: object): Promise<string> {
  const path = "/api/v1/namespaces/default/serviceaccounts/robot/token";
  const asked = await server.client.raw("POST", path, { ...V1, kind: "TokenRequest", spec });
  return String(fieldsOf(fieldsOf(asked).status).token);
}

async function review(token: string, audiences?: readonly string[]): Promise<unknown> {
  const path = "/apis/authentication.k8s.io/v1/tokenreviews";
  const spec = { token, ...(audiences ? { audiences } : {}) };
  return fieldsOf(await server.client.raw("POST", path, { ...V1, kind: "TokenReview", spec })).status;
}

test("a token is good for the audiences it was made for, and for no others", async () => {
  const token = await tokenFor({ audiences: ["vault", "registry"] });
  expect(await review(token, ["vault", "other"])).toMatchObject({ authenticated: true, audiences: ["vault"] });
  expect(await review(token, ["other"])).toMatchObject({ authenticated: false });
  expect(await review(token)).toMatchObject({ authenticated: false });
  await expect(server.withToken(token).list(kube.Pods, { namespace: "default" })).rejects.toThrow("Unauthorized");
});

test("a pod's token says which pod's, and is over with the pod", async () => {
  const token = await tokenFor({ boundObjectRef: { apiVersion: "v1", kind: "Pod", name: "p" } });
  expect(await review(token)).toMatchObject({
    user: { extra: { "authentication.kubernetes.io/pod-name": ["p"] } },
  });
  await server.client.delete(kube.Pods, "p", { namespace: "default", gracePeriodSeconds: 0 });
  expect(await review(token)).toMatchObject({ authenticated: false });
});
