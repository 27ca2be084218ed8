import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Observer } from "../../proto/gen/observer_pb.js";
import { connect, Namespaces } from "../../src/kube/client/index.ts";
import { kubeconfig } from "../../src/kube/pki/kubeconfig.ts";
import { type ApiServer, createApiServer } from "../../src/kube/server/api-server.ts";
import { type Result, ROOT, run } from "../support/lab.ts";

/** The commands as somebody has them who installs the package: packed, put by npm into an empty folder, without a network. */
const scratch = mkdtempSync(join(tmpdir(), "shieldgate-installed-"));
const desk = join(scratch, "desk");
const withNode = join(ROOT, "scripts/with-node.sh");
const sh = (script: string, cwd = desk) =>
  run("sh", [withNode, "sh", "-c", script], { ...process.env, KUBECONFIG: join(scratch, "kubeconfig") }, cwd);
const policy = (args: string): Promise<Result> => sh(`node_modules/.bin/shieldgate policy ${args}`);

const MANIFESTS = `
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {containers: [{name: m}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}}, spec: {containers: [{name: m}]}}
`;
const POLICY = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: db}}
  ingress: [{fromEndpoints: [{matchLabels: {app: api}}], toPorts: [{ports: [{port: "5432", protocol: TCP}]}]}]
`;
const endpoint = (app: string, identity: number) => ({
  identity,
  clusterName: "default",
  namespace: "shop",
  labels: [`k8s:app=${app}`, "k8s:io.cilium.k8s.policy.cluster=default", "k8s:io.kubernetes.pod.namespace=shop"],
  podName: app,
});
const FLOW = {
  verdict: 1,
  IP: { source: "10.0.0.1", destination: "10.0.0.2", ipVersion: 1 },
  l4: {
    protocol: { case: "TCP" as const, value: { sourcePort: 40_000, destinationPort: 5432, flags: { SYN: true } } },
  },
  source: endpoint("web", 5001),
  destination: endpoint("db", 5002),
  trafficDirection: 1,
  eventType: { type: 4 },
};
const LINE = JSON.stringify({
  flow: {
    time: "2026-11-28T08:00:00Z",
    verdict: "FORWARDED",
    IP: { source: "10.0.0.1", destination: "10.0.0.2", ipVersion: "IPv4" },
    l4: { TCP: { source_port: 40_000, destination_port: 5432, flags: { SYN: true } } },
    source: { ...endpoint("web", 5001), cluster_name: "default", pod_name: "web" },
    destination: { ...endpoint("db", 5002), cluster_name: "default", pod_name: "db" },
    Type: "L3_L4",
    event_type: { type: 4 },
    traffic_direction: "INGRESS",
  },
});

let api: ApiServer;
const relay: Http2Server = createServer(
  connectNodeAdapter({
    routes: (router) =>
      router.service(Observer, {
        async *getFlows() {
          yield {
            time: { seconds: 1_764_000_000n },
            responseTypes: { case: "flow", value: { time: { seconds: 1_764_000_000n }, ...FLOW } },
          };
        },
      }),
  }),
);

beforeAll(async () => {
  mkdirSync(desk);
  const steps = [
    `cd ${ROOT} && node scripts/build.ts policy`,
    `cd ${ROOT} && npm pack --ignore-scripts --offline --silent --pack-destination ${scratch}`,
    `npm install --offline --no-audit --no-fund ${scratch}/shieldgate-*.tgz`,
  ];
  for (const step of steps) expect(await sh(step), step).toMatchObject({ code: 0 });
  for (const [name, text] of [
    ["pods.yaml", MANIFESTS],
    ["policy.yaml", POLICY],
    ["a.policytest.yaml", "tests: [{from: shop/web, to: 'shop/db:5432', expect: deny}]\n"],
    ["flows.jsonl", `${LINE}\n`],
    ["world.jsonl", '{"id": "s", "policies": [], "endpoints": [], "queries": []}\n'],
  ] as const)
    writeFileSync(join(desk, name), text);
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  const store = join(scratch, "store.db");
  const certificates = join(scratch, "pki");
  api = await createApiServer({ store, certificates, listeners: [{ host: "127.0.0.1", port: 0 }], definitions: [] });
  const credentials = api.authority.client("admin", "admin", ["system:masters"]);
  const server = `https://127.0.0.1:${api.ports[0]}`;
  const text = kubeconfig({ cluster: "c", server, ca: api.authority.ca, user: "admin", credentials });
  writeFileSync(join(scratch, "kubeconfig"), text);
  const client = connect({ kubeconfig: join(scratch, "kubeconfig") });
  await client.create(Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  await client.close();
});
afterAll(async () => {
  relay.close();
  await api?.close();
  rmSync(scratch, { recursive: true });
});

test("npm puts nothing beside it", () => {
  expect(readdirSync(join(desk, "node_modules")).filter((name) => !name.startsWith("."))).toEqual(["shieldgate"]);
});

describe("every command runs", () => {
  const server = () => `localhost:${(relay.address() as AddressInfo).port}`;
  test.each<[args: string, code: number, says: string]>([
    ["eval world.jsonl", 0, ""],
    ["validate policy.yaml", 0, "1 object: 0 errors"],
    ["explain --from web --to db:5432 -n shop pods.yaml policy.yaml", 1, "policy.yaml:7"],
    ["matrix pods.yaml policy.yaml", 0, "shop/pod/db -> shop/pod/web"],
    ["graph -o svg pods.yaml policy.yaml", 0, "<svg "],
    ["diff --before pods.yaml --after policy.yaml -f pods.yaml -o json", 0, '"closed"'],
    ["lint pods.yaml policy.yaml", 0, "SG014"],
    ["test .", 0, "1 passed"],
    ["replay flows.jsonl -f policy.yaml", 0, "CLOSED"],
    ["suggest flows.jsonl", 0, "kind: CiliumNetworkPolicy"],
  ])("%s", async (args, code, says) => {
    const { stdout, stderr, ...more } = await policy(args);
    expect({ ...more, said: stdout + stderr }).toMatchObject({ code, said: expect.stringContaining(says) });
  });

  test("a cluster is read, and flows of its relay", async () => {
    const context = "--context admin@c";
    const explained = await policy(`explain ${context} --from web --to db:5432 -n shop pods.yaml policy.yaml`);
    expect(explained).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no ConfigMap kube-system/cilium-config"),
    });
    const replayed = await policy(`replay --server ${server()} -f policy.yaml`);
    expect(replayed).toMatchObject({ code: 0, stdout: expect.stringContaining("CLOSED") });
    const rehearsed = await policy(`rehearse ${context} --server ${server()} -f policy.yaml`);
    expect(rehearsed).toMatchObject({ code: 0, stdout: expect.stringContaining("CLOSED") });
  });

  test("the lab is named as what it has not", async () => {
    const status = await sh("npx --offline --no shieldgate status");
    expect(status).toMatchObject({ code: 1, stderr: expect.stringContaining("the lab needs a checkout") });
  });
});
