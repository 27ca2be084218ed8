/** RBAC as users meet it: tokens of service accounts, bindings, impersonation, `kubectl auth can-i`. */
import { request as httpsRequest } from "node:https";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Fields, fieldsOf, type KubeObject } from "../object.ts";
import * as kube from "../resources.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

const RBAC = "rbac.authorization.k8s.io";
let server: TestServer;
let token = "";

beforeAll(async () => {
  server = await startTestServer();
  await server.client.create(kube.ServiceAccounts, thing("v1", "ServiceAccount", "reader"));
  const path = "/api/v1/namespaces/default/serviceaccounts/reader/token";
  const asked = await server.client.raw("POST", path, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: {},
  });
  token = String(fieldsOf(fieldsOf(asked).status).token);
});

afterAll(() => server.close());

function thing(apiVersion: string, kind: string, name: string, rest: Fields = {}, namespace = "default"): KubeObject {
  return { apiVersion, kind, metadata: { name, ...(namespace ? { namespace } : {}) }, ...rest };
}

/** A request with the account's token. */
function ask(
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<[number, Fields]> {
  const { promise, resolve, reject } = Promise.withResolvers<[number, Fields]>();
  const request = httpsRequest(
    {
      ...{ host: "127.0.0.1", port: server.server.ports[0]!, method, path, ca: server.server.authority.ca },
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
    },
    (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve([response.statusCode ?? 0, text.startsWith("{") ? JSON.parse(text) : { text }]));
    },
  );
  request.on("error", reject);
  request.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

const PODS = "/api/v1/namespaces/default/pods";
const roleRef = (kind: string, name: string) => ({ roleRef: { apiGroup: RBAC, kind, name } });
const toReader = { subjects: [{ kind: "ServiceAccount", name: "reader", namespace: "default" }] };
const bind = (name: string, kind: string, role: string) =>
  server.client.raw(
    "POST",
    `/apis/${RBAC}/v1/namespaces/default/rolebindings`,
    thing(`${RBAC}/v1`, "RoleBinding", name, { ...roleRef(kind, role), ...toReader }),
  );
const canI = async (resourceAttributes: Fields) => {
  const review = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    spec: { resourceAttributes },
  };
  const [, answer] = await ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review);
  return fieldsOf(answer.status);
};

test("an account may do nothing but look around, until something is bound to it", async () => {
  const [code, status] = await ask("GET", PODS);
  expect([code, status.message]).toEqual([
    403,
    'pods is forbidden: User "system:serviceaccount:default:reader" cannot list resource "pods" in API group "" in the namespace "default"',
  ]);
  expect((await ask("GET", "/apis"))[0]).toBe(200);
  expect((await ask("GET", "/version"))[0]).toBe(200);
  expect(await canI({ verb: "list", resource: "pods", namespace: "default" })).toEqual({ allowed: false });
});

test("a role holds in its namespace, for its verbs, names and subresources alone", async () => {
  const rules = [
    { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] },
    { apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
    { apiGroups: [""], resources: ["configmaps"], resourceNames: ["mine"], verbs: ["get", "update"] },
  ];
  await server.client.raw(
    "POST",
    `/apis/${RBAC}/v1/namespaces/default/roles`,
    thing(`${RBAC}/v1`, "Role", "look", { rules }),
  );
  await bind("look", "Role", "look");
  const codes = async (...wishes: [string, string][]) =>
    Promise.all(wishes.map(async ([method, path]) => (await ask(method, path))[0]));
  expect(
    await codes(
      ["GET", PODS],
      ["GET", `${PODS}/none`],
      ["DELETE", `${PODS}/none`],
      ["GET", "/api/v1/namespaces/kube-system/pods"],
      ["GET", "/api/v1/pods"],
      ["GET", "/api/v1/namespaces/default/configmaps/mine"],
      ["GET", "/api/v1/namespaces/default/configmaps/other"],
      ["GET", "/api/v1/namespaces/default/configmaps"],
    ),
  ).toEqual([200, 404, 403, 403, 403, 404, 403, 403]);
  expect(await canI({ verb: "get", resource: "pods", subresource: "log", namespace: "default" })).toEqual({
    allowed: true,
    reason: 'RBAC: allowed by RoleBinding "look/default" of Role "look" to ServiceAccount "reader/default"',
  });
  expect(await canI({ verb: "create", resource: "pods", subresource: "exec", namespace: "default" })).toEqual({
    allowed: false,
  });
});

test("nobody gives away more than they hold", async () => {
  await bind("admin", "ClusterRole", "admin");
  const role = (name: string, resource: string) =>
    thing(`${RBAC}/v1`, "Role", name, { rules: [{ apiGroups: [""], resources: [resource], verbs: ["get"] }] });
  const roles = `/apis/${RBAC}/v1/namespaces/default/roles`;
  const [code, refused] = await ask("POST", roles, role("more", "nodes"));
  expect(code).toBe(403);
  expect(refused.message).toContain(
    'is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}',
  );
  expect((await ask("POST", roles, role("less", "pods")))[0]).toBe(201);
  const binding = (name: string) =>
    thing(`${RBAC}/v1`, "RoleBinding", name, { ...roleRef("ClusterRole", name), ...toReader });
  const bindings = `/apis/${RBAC}/v1/namespaces/default/rolebindings`;
  expect((await ask("POST", bindings, binding("cluster-admin")))[0]).toBe(403);
  expect((await ask("POST", bindings, binding("view")))[0]).toBe(201);
});

test("an apply that would create needs the right to create", async () => {
  const rules = [{ apiGroups: [""], resources: ["secrets"], verbs: ["patch", "get"] }];
  await server.client.raw(
    "POST",
    `/apis/${RBAC}/v1/clusterroles`,
    thing(`${RBAC}/v1`, "ClusterRole", "patcher", { rules }, ""),
  );
  const subject = { subjects: [{ kind: "User", apiGroup: RBAC, name: "pat" }] };
  await server.client.raw(
    "POST",
    `/apis/${RBAC}/v1/clusterrolebindings`,
    thing(`${RBAC}/v1`, "ClusterRoleBinding", "pat", { ...roleRef("ClusterRole", "patcher"), ...subject }, ""),
  );
  const asPat = { "impersonate-user": "pat", "content-type": "application/apply-patch+yaml" };
  const secret = thing("v1", "Secret", "s", { data: {} });
  const path = "/api/v1/namespaces/default/secrets/s?fieldManager=x";
  await server.client.raw(
    "POST",
    `/apis/${RBAC}/v1/clusterrolebindings`,
    thing(`${RBAC}/v1`, "ClusterRoleBinding", "stand-in", { ...roleRef("ClusterRole", "stand-in"), ...toReader }, ""),
  );
  expect((await ask("PATCH", path, secret, asPat))[1].message).toContain('cannot impersonate resource "users"');
  const impersonate = [{ apiGroups: [""], resources: ["users"], resourceNames: ["pat"], verbs: ["impersonate"] }];
  await server.client.raw(
    "POST",
    `/apis/${RBAC}/v1/clusterroles`,
    thing(`${RBAC}/v1`, "ClusterRole", "stand-in", { rules: impersonate }, ""),
  );
  expect((await ask("PATCH", path, secret, asPat))[1].message).toContain('User "pat" cannot create resource "secrets"');
  await server.client.create(kube.Secrets, secret);
  expect((await ask("PATCH", path, secret, asPat))[0]).toBe(200);
  expect((await ask("GET", PODS, undefined, { ...asPat, "impersonate-group": "system:masters" }))[0]).toBe(403);
});

test("an aggregated role has the rules of all that its labels select", async () => {
  const part = { rules: [{ apiGroups: ["example.com"], resources: ["*"], verbs: ["*"] }] };
  const labelled = thing(`${RBAC}/v1`, "ClusterRole", "part", part, "");
  labelled.metadata.labels = { "to-whole": "true" };
  await server.client.raw("POST", `/apis/${RBAC}/v1/clusterroles`, labelled);
  const whole = { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { "to-whole": "true" } }] }, rules: [] };
  await server.client.raw(
    "POST",
    `/apis/${RBAC}/v1/clusterroles`,
    thing(`${RBAC}/v1`, "ClusterRole", "whole", whole, ""),
  );
  expect(await canI({ verb: "get", group: "example.com", resource: "x", namespace: "default" })).toEqual({
    allowed: false,
  });
  await bind("whole", "ClusterRole", "whole");
  expect(await canI({ verb: "get", group: "example.com", resource: "x", namespace: "default" })).toMatchObject({
    allowed: true,
  });
});

test("a pod gets its account's token, and none where it or the account says so", async () => {
  const pod = (name: string, spec: Fields = {}) =>
    server.client.create(
      kube.Pods,
      thing("v1", "Pod", name, { spec: { containers: [{ name: "a", image: "x" }], ...spec } }),
    );
  const volumesOf = (made: KubeObject) => JSON.stringify(fieldsOf(made.spec).volumes ?? []);
  expect(volumesOf(await pod("with"))).toContain("kube-root-ca.crt");
  expect(volumesOf(await pod("without", { automountServiceAccountToken: false }))).toBe("[]");
  const account = { ...thing("v1", "ServiceAccount", "shy"), automountServiceAccountToken: false };
  await server.client.create(kube.ServiceAccounts, account);
  expect(volumesOf(await pod("shy", { serviceAccountName: "shy" }))).toBe("[]");
  expect(volumesOf(await pod("bold", { serviceAccountName: "shy", automountServiceAccountToken: true }))).toContain(
    "token",
  );
});
