import { expect, test } from "vitest";
import { takeInventory } from "../../prove/inventory.ts";
import { applied } from "./cluster-inventory.ts";

const world = (app: string, more = "") =>
  takeInventory([
    {
      file: "f",
      text: `
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {from: ${app}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop, labels: {from: ${app}}}, spec: {selector: {app: db}, ports: [{port: 1}]}}
---
{apiVersion: v1, kind: Secret, metadata: {name: token, namespace: shop}, stringData: {value: ${app}}}
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: partners, labels: {from: ${app}}}
spec: {externalCIDRs: [192.0.2.0/24]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: db, namespace: shop}
spec: {template: {metadata: {labels: {app: ${app}}}, spec: {containers: [{name: m}]}}}
${more}`,
    },
  ]);
const RUNNING = `---
apiVersion: v1
kind: Pod
metadata: {name: db-1, namespace: shop, labels: {app: cluster}, ownerReferences: [{kind: ReplicaSet, name: db, controller: true}]}
spec: {containers: [{name: m}]}
status: {podIP: 10.0.0.9, podIPs: [{ip: 10.0.0.9}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-x, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.9]}]
---
{apiVersion: v1, kind: Secret, metadata: {name: other, namespace: shop}, stringData: {value: kept}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: other}}
---
{apiVersion: v1, kind: Service, metadata: {name: other, namespace: shop}, spec: {selector: {app: other}, ports: [{port: 1}]}}
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: others}
spec: {externalCIDRs: [198.51.100.0/24]}
`;

test("of two objects with one name that of the files counts; what the cluster alone has stays", () => {
  const [files, cluster] = [world("file"), world("cluster", RUNNING)];
  expect([...files.problems, ...cluster.problems]).toEqual([]);
  const both = applied(files, cluster);
  expect([...both.namespaces].map(([name, { labels }]) => [name, labels])).toEqual([
    ["shop", { from: "file" }],
    ["other", {}],
  ]);
  expect(both.services.map(({ name, labels }) => [name, labels])).toEqual([
    ["db", { from: "file" }],
    ["other", {}],
  ]);
  expect(both.groups.map(({ name, value }) => [name, (value["metadata"] as { labels?: object }).labels])).toEqual([
    ["partners", { from: "file" }],
    ["others", undefined],
  ]);
  expect(both.secrets).toEqual({ "shop/token": { value: "file" }, "shop/other": { value: "kept" } });
  expect([...both.backends]).toEqual([["shop/db", ["10.0.0.9"]]]);
});

test("a workload of the files has the pods and addresses of the one that runs", () => {
  const { workloads } = applied(world("file"), world("cluster", RUNNING));
  expect(workloads.map(({ name, labels, pods, ips }) => [name, labels["app"], pods, ips])).toEqual([
    ["db", "file", ["db-1"], ["10.0.0.9"]],
  ]);
});
