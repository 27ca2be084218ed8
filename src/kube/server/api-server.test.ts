import { request as httpsRequest } from "node:https";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WatchEvent } from "../client/client.ts";
import type { KubeObject } from "../object.ts";
import * as Refs from "../resources.ts";
import { failure, startTestServer, type TestServer } from "./test-server.ts";

const configMap = (name: string, data: Record<string, string> = {}, labels = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default", labels },
  data,
});

const pod = (name: string, spec: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default" },
  spec: { containers: [{ name: "main", image: "busybox:1" }], ...spec },
});

let test: TestServer;

beforeAll(async () => {
  test = await startTestServer({
    admission: [
      (operation, ref, object) =>
        ref.resource === "configmaps" && operation !== "DELETE" && (object.data as Record<string, string>)?.forbidden
          ? [{ field: "data.forbidden", reason: "FieldValueInvalid", message: 'Invalid value: "x": no' }]
          : undefined,
    ],
  });
});

afterAll(() => test.close());

describe("create, update, delete", () => {
  it("says what is wrong in Kubernetes' words", async () => {
    const { client } = test;
    expect((await failure(client.get(Refs.Pods, "x", "default"))).message).toBe('pods "x" not found');
    expect((await failure(client.get(Refs.Deployments, "x", "default"))).message).toBe(
      'deployments.apps "x" not found',
    );
    await client.create(Refs.ConfigMaps, configMap("taken"));
    const taken = await failure(client.create(Refs.ConfigMaps, configMap("taken")));
    expect([taken.code, taken.reason, taken.message]).toEqual([
      409,
      "AlreadyExists",
      'configmaps "taken" already exists',
    ]);
    const lost = { ...configMap("a"), metadata: { name: "a", namespace: "nowhere" } };
    expect((await failure(client.create(Refs.ConfigMaps, lost))).message).toBe('namespaces "nowhere" not found');
    const refused = await failure(client.create(Refs.ConfigMaps, configMap("no", { forbidden: "x" })));
    expect([refused.code, refused.message]).toEqual([
      422,
      'ConfigMap "no" is invalid: data.forbidden: Invalid value: "x": no',
    ]);
    expect(refused.details?.causes?.[0]?.field).toBe("data.forbidden");
  });

  it("refuses an update on an old copy, and does not write what does not change", async () => {
    const { client } = test;
    const first = await client.create(Refs.ConfigMaps, configMap("cas", { a: "1" }));
    const second = await client.update(Refs.ConfigMaps, { ...first, data: { a: "2" } });
    const conflict = await failure(client.update(Refs.ConfigMaps, { ...first, data: { a: "3" } }));
    expect([conflict.code, conflict.reason]).toEqual([409, "Conflict"]);
    const same = await client.update(Refs.ConfigMaps, second);
    expect(same.metadata.resourceVersion).toBe(second.metadata.resourceVersion);
  });

  it("makes names, and drops nothing on a dry run", async () => {
    const { client } = test;
    const named = {
      ...configMap(""),
      metadata: { generateName: "gen-", namespace: "default" },
    } as unknown as KubeObject;
    expect((await client.create(Refs.ConfigMaps, named)).metadata.name).toMatch(
      /^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/,
    );
    await client.raw("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", configMap("dry"));
    expect((await failure(client.get(Refs.ConfigMaps, "dry", "default"))).code).toBe(404);
  });

  it("keeps status and spec apart and counts spec changes", async () => {
    const { client } = test;
    const created = await client.create(Refs.Pods, { ...pod("apart"), status: { phase: "Running" } });
    expect(created.status).toMatchObject({ phase: "Pending", qosClass: "BestEffort" });
    expect(created.metadata.generation).toBe(1);
    const running = await client.updateStatus(Refs.Pods, {
      ...created,
      spec: { containers: [] },
      status: { phase: "Running" },
    });
    expect(running.status).toEqual({ phase: "Running" });
    expect(running.spec).toEqual(created.spec);
    const patched = await client.patch(
      Refs.Pods,
      "apart",
      { spec: { containers: [{ name: "main", image: "busybox:2" }] }, status: { phase: "Failed" } },
      { namespace: "default", type: "strategic" },
    );
    expect(patched.status).toEqual({ phase: "Running" });
    expect(patched.metadata.generation).toBe(2);
  });

  it("waits for the kubelet before a running pod goes, and for finalizers", async () => {
    const { client } = test;
    await client.create(Refs.Pods, pod("graceful"));
    await client.raw("POST", "/api/v1/namespaces/default/pods/graceful/binding", { target: { name: "node-1" } });
    const again = await failure(
      client.raw("POST", "/api/v1/namespaces/default/pods/graceful/binding", { target: { name: "node-2" } }),
    );
    expect(again.code).toBe(409);
    await client.delete(Refs.Pods, "graceful", { namespace: "default" });
    const leaving = await client.get(Refs.Pods, "graceful", "default");
    expect(leaving.metadata.deletionGracePeriodSeconds).toBe(30);
    expect(leaving.spec).toMatchObject({ nodeName: "node-1" });
    await client.delete(Refs.Pods, "graceful", { namespace: "default", gracePeriodSeconds: 0 });
    expect((await failure(client.get(Refs.Pods, "graceful", "default"))).code).toBe(404);
    const held = configMap("held");
    held.metadata.finalizers = ["example.com/hold"];
    await client.create(Refs.ConfigMaps, held);
    await client.delete(Refs.ConfigMaps, "held", { namespace: "default" });
    expect((await client.get(Refs.ConfigMaps, "held", "default")).metadata.deletionTimestamp).toBeTruthy();
    await client.patch(
      Refs.ConfigMaps,
      "held",
      { metadata: { finalizers: null } },
      { namespace: "default", type: "merge" },
    );
    expect((await failure(client.get(Refs.ConfigMaps, "held", "default"))).code).toBe(404);
  });

  it("ends a namespace only when its controller says that it is empty", async () => {
    const { client } = test;
    await client.create(Refs.Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "team" } });
    await client.delete(Refs.Namespaces, "team");
    const leaving = await client.get(Refs.Namespaces, "team");
    expect(leaving.status).toEqual({ phase: "Terminating" });
    const late = await failure(
      client.create(Refs.ConfigMaps, { ...configMap("x"), metadata: { name: "x", namespace: "team" } }),
    );
    expect(late.code).toBe(403);
    expect(late.message).toContain("because it is being terminated");
    await client.raw("PUT", "/api/v1/namespaces/team/finalize", { ...leaving, spec: { finalizers: [] } });
    expect((await failure(client.get(Refs.Namespaces, "team"))).code).toBe(404);
  });

  it("gives services addresses, honours asked ones and refuses taken ones", async () => {
    const { client } = test;
    const service = (name: string, spec: object = {}): KubeObject => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "default" },
      spec: { ports: [{ port: 80 }], ...spec },
    });
    expect((await client.create(Refs.Services, service("any"))).spec).toMatchObject({ clusterIP: "10.96.1.1" });
    expect((await client.create(Refs.Services, service("dns", { clusterIP: "10.96.0.10" }))).spec).toMatchObject({
      clusterIPs: ["10.96.0.10"],
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
    });
    const taken = await failure(client.create(Refs.Services, service("dns2", { clusterIP: "10.96.0.10" })));
    expect(taken.message).toContain("provided IP is already allocated");
    const outside = await failure(client.create(Refs.Services, service("out", { clusterIP: "10.97.0.1" })));
    expect(outside.message).toContain("the provided network does not match the current range");
    expect((await client.create(Refs.Services, service("headless", { clusterIP: "None" }))).spec).toMatchObject({
      clusterIP: "None",
    });
  });

  it("keeps node ports in their range, and lets TCP and UDP share a number", async () => {
    const { client } = test;
    const service = (name: string, ports: object[], spec: object = { type: "NodePort" }): KubeObject => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "default" },
      spec: { ...spec, ports },
    });
    for (const nodePort of [6443, 70000, -1, 29999, 32768]) {
      const refused = await failure(client.create(Refs.Services, service("np", [{ port: 80, nodePort }])));
      expect(refused.message).toContain(`Invalid value: ${nodePort}: provided port is not in the valid range`);
    }
    const both = [
      { name: "t", port: 53, nodePort: 30053 },
      { name: "u", port: 53, nodePort: 30053, protocol: "UDP" },
    ];
    expect((await client.create(Refs.Services, service("both", both))).spec).toMatchObject({ ports: both });
    const taken = await failure(client.create(Refs.Services, service("np", [{ port: 80, nodePort: 30053 }])));
    expect(taken.message).toContain("provided port is already allocated");
  });

  it("forgets of a service what its new type cannot have", async () => {
    const { client } = test;
    const affinity = { sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 3 } } };
    const spec = { type: "NodePort", ...affinity, ports: [{ port: 80 }] };
    const metadata = { name: "np", namespace: "default" };
    const made = await client.create(Refs.Services, { apiVersion: "v1", kind: "Service", metadata, spec });
    expect(made.spec).toMatchObject({ externalTrafficPolicy: "Cluster", sessionAffinityConfig: {} });
    const next = { ...made, spec: { ...(made.spec as object), type: "ClusterIP", sessionAffinity: "None" } };
    const { spec: after } = await client.update(Refs.Services, next);
    expect(after).not.toHaveProperty("externalTrafficPolicy");
    expect(after).not.toHaveProperty("sessionAffinityConfig");
    expect(after).toMatchObject({ ports: [{ port: 80 }] });
    expect(after).not.toHaveProperty("ports.0.nodePort");
  });

  it("takes NetworkPolicies, and refuses broken ones in Kubernetes' words", async () => {
    const policy = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "n", namespace: "default" },
      spec: { podSelector: {} },
    };
    const made = await test.client.create(Refs.NetworkPolicies, policy as unknown as KubeObject);
    expect([made.spec, made.metadata.generation]).toEqual([{ podSelector: {}, policyTypes: ["Ingress"] }, 1]);
    const egress = [{ ports: [{ port: 53 }] }];
    const both = { ...policy, metadata: { ...policy.metadata, name: "e" }, spec: { podSelector: {}, egress } };
    expect((await test.client.create(Refs.NetworkPolicies, both as unknown as KubeObject)).spec).toEqual({
      podSelector: {},
      egress: [{ ports: [{ port: 53, protocol: "TCP" }] }],
      policyTypes: ["Ingress", "Egress"],
    });
    const broken = {
      ...policy,
      metadata: { ...policy.metadata, name: "b" },
      spec: { podSelector: {}, policyTypes: ["In"] },
    };
    const refused = await failure(test.client.create(Refs.NetworkPolicies, broken as unknown as KubeObject));
    expect([refused.code, refused.details?.causes?.[0]?.field]).toEqual([422, "spec.policyTypes[0]"]);
  });
});

describe("list and watch", () => {
  it("pages through one state of a list", async () => {
    const { client } = test;
    for (const name of ["p1", "p2", "p3"]) await client.create(Refs.ConfigMaps, configMap(name, {}, { page: "yes" }));
    const path = "/api/v1/namespaces/default/configmaps?labelSelector=page%3Dyes&limit=2";
    type Page = {
      items: KubeObject[];
      metadata: { continue?: string; resourceVersion: string; remainingItemCount?: number };
    };
    const first = (await client.raw("GET", path)) as Page;
    expect([first.items.length, first.metadata.remainingItemCount]).toEqual([2, 1]);
    await client.delete(Refs.ConfigMaps, "p3", { namespace: "default" });
    const second = (await client.raw("GET", `${path}&continue=${first.metadata.continue}`)) as Page;
    expect(second.items.map(({ metadata }) => metadata.name)).toEqual(["p3"]);
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    expect((await failure(client.raw("GET", `${path}&continue=${first.metadata.continue}`))).code).toBe(410);
  });

  it("selects by labels and fields, and refuses fields it does not know", async () => {
    const { client } = test;
    await client.create(Refs.ConfigMaps, configMap("s1", {}, { app: "a", tier: "x" }));
    await client.create(Refs.ConfigMaps, configMap("s2", {}, { app: "b" }));
    const names = async (labelSelector: string) =>
      (await client.list(Refs.ConfigMaps, { namespace: "default", labelSelector })).items.map(
        ({ metadata }) => metadata.name,
      );
    expect(await names("app in (a, b),!tier")).toEqual(["s2"]);
    expect(await names("app notin (b),app")).toEqual(["s1"]);
    expect(await names("app!=a,app")).toEqual(["s2"]);
    const one = await client.list(Refs.ConfigMaps, { fieldSelector: "metadata.name=s1,metadata.namespace=default" });
    expect(one.items).toHaveLength(1);
    const unknown = await failure(client.list(Refs.Pods, { fieldSelector: "spec.foo=1" }));
    expect([unknown.code, unknown.message]).toEqual([400, "field label not supported: spec.foo"]);
  });

  it("tells changes in order, and objects that enter and leave a selection", async () => {
    const { client } = test;
    const { resourceVersion } = await client.list(Refs.ConfigMaps);
    const end = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      const options = { resourceVersion, labelSelector: "watched=yes", signal: end.signal };
      for await (const { type, object } of client.watch(Refs.ConfigMaps, options)) {
        seen.push(`${type} ${object.metadata.name}`);
        if (seen.length === 4) end.abort();
      }
    })();
    await client.create(Refs.ConfigMaps, configMap("w1"));
    const label = (watched: string | null) =>
      client.patch(
        Refs.ConfigMaps,
        "w1",
        { metadata: { labels: { watched } } },
        { namespace: "default", type: "merge" },
      );
    await label("yes");
    await client.patch(Refs.ConfigMaps, "w1", { data: { a: "1" } }, { namespace: "default", type: "merge" });
    await label(null);
    await client.create(Refs.ConfigMaps, configMap("w2", {}, { watched: "yes" }));
    await watching;
    expect(seen).toEqual(["ADDED w1", "MODIFIED w1", "DELETED w1", "ADDED w2"]);
  });

  it("tells every change once, in order, to who watches while they are made", async () => {
    const { client } = test;
    const { resourceVersion } = await client.list(Refs.ConfigMaps);
    const end = new AbortController();
    const names = Array.from({ length: 50 }, (_, index) => `fast-${index}`);
    const told: string[] = [];
    const watching = (async () => {
      const events: AsyncIterable<WatchEvent> = client.watch(Refs.ConfigMaps, { resourceVersion, signal: end.signal });
      for await (const { object } of events) {
        told.push(object.metadata.name!);
        if (told.length === names.length) end.abort();
      }
    })();
    for (const name of names) await client.create(Refs.ConfigMaps, configMap(name));
    await watching;
    expect(told).toEqual(names);
  });
});

describe("formats", () => {
  it("answers 406 to clients that take protobuf only, and 415 to bodies it cannot read", async () => {
    const { authority } = test.server;
    const credentials = authority.client("test-admin", "admin", ["system:masters"]);
    const call = (method: string, headers: Record<string, string>, body?: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const path = "/api/v1/namespaces/default/configmaps";
        const request = httpsRequest(test.url + path, {
          method,
          headers,
          ca: authority.ca,
          ...credentials,
          agent: false,
        });
        request.on("response", (response) => resolve(response.resume().statusCode ?? 0));
        request.on("error", reject);
        request.end(body);
      });
    const protobuf = "application/vnd.kubernetes.protobuf";
    expect(await call("GET", { Accept: protobuf })).toBe(406);
    expect(await call("GET", { Accept: `${protobuf}, application/json` })).toBe(200);
    expect(await call("POST", { "Content-Type": "text/csv" }, "a,b")).toBe(415);
    expect(await call("POST", { "Content-Type": protobuf }, "{}")).toBe(400);
  });

  it("shows lists and watches as tables", async () => {
    const { authority } = test.server;
    const table = await new Promise<{ kind: string; rows: { cells: unknown[] }[] }>((resolve, reject) => {
      const headers = { Accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };
      const how = {
        headers,
        ca: authority.ca,
        ...authority.client("test-admin", "admin", ["system:masters"]),
        agent: false as const,
      };
      const request = httpsRequest(`${test.url}/api/v1/namespaces`, how, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        response.on("end", () => resolve(JSON.parse(text)));
      });
      request.on("error", reject).end();
    });
    expect(table.kind).toBe("Table");
    expect(table.rows.map(({ cells }) => cells.slice(0, 2))).toContainEqual(["default", "Active"]);
  });
});
