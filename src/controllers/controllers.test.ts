/** All controllers against the API server, with a kubelet on paper: what a user sees after each command. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { KubeObject } from "../kube/client/index.ts";
import * as kube from "../kube/client/index.ts";
import { objectsOf, specOf, statusOf } from "./objects.ts";
import { startTestCluster, type TestCluster, until } from "./test-cluster.ts";

let cluster: TestCluster;
let server: TestCluster["server"];

beforeAll(async () => {
  cluster = await startTestCluster();
  server = cluster.server;
});

afterAll(() => cluster.stop());

const list: TestCluster["list"] = (...args) => cluster.list(...args);
const get: TestCluster["get"] = (...args) => cluster.get(...args);

const labels = { app: "web" };

function deployment(name: string, namespace = "default"): KubeObject {
  const template = { metadata: { labels }, spec: { containers: [{ name: "a", image: "x" }] } };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: { replicas: 2, selector: { matchLabels: labels }, template },
  };
}

test("a deployment with a service becomes two pods on two workers, with endpoints, soon", async () => {
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default" },
    spec: { selector: labels, ports: [{ port: 80 }] },
  };
  await server.client.create(kube.Services, service);
  await server.client.create(kube.Deployments, deployment("web"));
  const placed = await until(
    () => list(kube.Pods),
    (items) => items.filter((item) => specOf(item).nodeName).length === 2,
  );
  expect(placed.map((item) => specOf(item).nodeName).sort()).toEqual(["k8s-w1", "k8s-w2"]);
  expect(placed[0]?.metadata.name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]+-[a-z0-9]{5}$/);
  await until(
    () => get(kube.Endpoints, "web"),
    (item) => objectsOf(objectsOf(item.subsets)[0]?.addresses).length === 2,
  );
  await until(
    () => get(kube.Deployments, "web"),
    (item) => statusOf(item).availableReplicas === 2,
  );
  const slices = await until(
    () => list(kube.EndpointSlices),
    (items) => items.some((item) => objectsOf(item.endpoints).length === 2),
  );
  expect(slices.filter((item) => item.metadata.labels?.["kubernetes.io/service-name"] === "web")).toHaveLength(1);
});

test("events tell the story once", async () => {
  const events = await until(
    () => list(kube.Events),
    (items) => items.filter((item) => item.reason === "Scheduled").length >= 2,
  );
  const messages = events.map((item) => `${item.reason}: ${item.message}`);
  expect(
    messages.filter((message) => /^ScalingReplicaSet: Scaled up replica set web-\w+ from 0 to 2$/.test(message)),
  ).toHaveLength(1);
  expect(messages.filter((message) => message.startsWith("SuccessfulCreate: Created pod: web-"))).toHaveLength(2);
});

test("a service of both families has slices of each, which follow an address that comes alone", async () => {
  await server.client.create(kube.Services, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "pair", namespace: "default" },
    spec: { selector: labels, ports: [{ port: 80 }], ipFamilyPolicy: "PreferDualStack" },
  });
  const counts = async () => {
    const own = (await list(kube.EndpointSlices)).filter(
      (item) => item.metadata.labels?.["kubernetes.io/service-name"] === "pair",
    );
    return own.map((item) => `${item.addressType} ${objectsOf(item.endpoints).length}`).sort();
  };
  await until(counts, (seen) => seen.join() === "IPv4 2,IPv6 0");
  const [pod] = await list(kube.Pods);
  const podIPs = [{ ip: statusOf(pod!).podIP }, { ip: "fd00:172:20:1::9" }];
  await server.client.updateStatus(kube.Pods, { ...pod!, status: { ...statusOf(pod!), podIPs } });
  await until(counts, (seen) => seen.join() === "IPv4 2,IPv6 1");
  await server.client.delete(kube.Services, "pair", { namespace: "default" });
});

test("a pod that is deleted is replaced by exactly one", async () => {
  const [victim] = await list(kube.Pods);
  await server.client.delete(kube.Pods, victim!.metadata.name, { namespace: "default" });
  const after = await until(
    () => list(kube.Pods),
    (items) =>
      items.length === 2 && items.every((item) => item.metadata.uid !== victim!.metadata.uid && statusOf(item).podIP),
  );
  expect(after).toHaveLength(2);
});

test("deleting a deployment takes its sets and pods along", async () => {
  await server.client.delete(kube.Deployments, "web", { namespace: "default", propagationPolicy: "Background" });
  await until(
    async () => [...(await list(kube.ReplicaSets)), ...(await list(kube.Pods))],
    (items) => items.length === 0,
  );
});

test("deleting with orphans leaves the set, and in the foreground waits for the pods", async () => {
  await server.client.create(kube.Deployments, deployment("web"));
  await until(
    () => list(kube.Pods),
    (items) => items.length === 2,
  );
  await server.client.delete(kube.Deployments, "web", { namespace: "default", propagationPolicy: "Orphan" });
  const [set] = await until(
    () => list(kube.ReplicaSets),
    (items) => items.length === 1 && !items[0]?.metadata.ownerReferences?.length,
  );
  await until(
    () => list(kube.Deployments),
    (items) => items.length === 0,
  );
  await server.client.delete(kube.ReplicaSets, set!.metadata.name, {
    namespace: "default",
    propagationPolicy: "Foreground",
  });
  await until(
    () => list(kube.ReplicaSets),
    (items) => items.length === 0,
  );
  expect(await list(kube.Pods)).toEqual([]);
});

test("Endpoints that a user writes stay, also before their service comes, and are mirrored then", async () => {
  const subsets = [{ addresses: [{ ip: "192.168.10.9" }], ports: [{ port: 443 }] }];
  const meta = { name: "outside", namespace: "default" };
  await server.client.create(kube.Endpoints, { apiVersion: "v1", kind: "Endpoints", metadata: meta, subsets });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const service = { apiVersion: "v1", kind: "Service", metadata: meta, spec: { ports: [{ port: 443 }] } };
  await server.client.create(kube.Services, service);
  await until(
    () => list(kube.EndpointSlices),
    (items) => items.some((item) => item.metadata.labels?.["kubernetes.io/service-name"] === "outside"),
  );
  await server.client.delete(kube.Services, "outside", { namespace: "default" });
  await until(
    () => list(kube.Endpoints),
    (items) => !items.some((item) => item.metadata.name === "outside"),
  );
});

test("a namespace gets its account, and goes with all that is in it", async () => {
  await server.client.create(kube.Namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "x" } });
  await until(
    () => list(kube.ServiceAccounts, "x"),
    (items) => items.some((item) => item.metadata.name === "default"),
  );
  await server.client.create(kube.Deployments, deployment("web", "x"));
  await until(
    () => list(kube.Pods, "x"),
    (items) => items.length === 2,
  );
  await server.client.delete(kube.Namespaces, "x");
  await until(
    async () => (await server.client.list(kube.Namespaces)).items,
    (items) => !items.some((item) => item.metadata.name === "x"),
  );
});

test("Cilium's operator part: policies are judged, endpoints without a pod and unused identities go", async () => {
  const meta = { namespace: "default" };
  const spec = { endpointSelector: {}, ingress: [{}] };
  const policy = { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy" };
  await server.client.create(kube.CiliumNetworkPolicies, { ...policy, metadata: { ...meta, name: "good" }, spec });
  await server.client.create(kube.CiliumNetworkPolicies, {
    ...policy,
    metadata: { ...meta, name: "bad" },
    spec: { ...spec, description: "bad" },
  });
  const judged = await until(
    () => list(kube.CiliumNetworkPolicies),
    (items) => items.every((item) => objectsOf(statusOf(item).conditions).length === 1),
  );
  expect(judged.map((item) => [item.metadata.name, objectsOf(statusOf(item).conditions)[0]?.status])).toEqual([
    ["bad", "False"],
    ["good", "True"],
  ]);
  await server.client.create(kube.CiliumIdentities, {
    apiVersion: "cilium.io/v2",
    kind: "CiliumIdentity",
    metadata: { name: "318" },
    "security-labels": {},
  });
  await server.client.create(kube.CiliumEndpoints, {
    apiVersion: "cilium.io/v2",
    kind: "CiliumEndpoint",
    metadata: { ...meta, name: "gone" },
    status: { identity: { id: 318 } },
  });
  await until(
    () => list(kube.CiliumEndpoints),
    (items) => items.length === 0,
  );
  await until(
    async () => (await server.client.list(kube.CiliumIdentities)).items,
    (items) => items.length === 0,
  );
});

test("nothing failed on the way", () => {
  expect(cluster.reports).toEqual([]);
});
