/** Tables as kubectl users know them: heads, cells and the reasons in STATUS. */
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { KubeObject } from "../object.ts";
import { ciliumCrds } from "../schema/index.ts";
import { ageText, type TableKind, toTable } from "./index.ts";
import { valuesAt } from "./json-path.ts";

const NOW = Date.parse("2026-01-01T00:10:00Z");
const object = (yaml: string): KubeObject => parse(yaml) as KubeObject;

/** Heads to cells of one object. */
function shown(kind: TableKind, thing: KubeObject, priority = 1): Record<string, unknown> {
  const table = toTable(kind, [thing], { now: NOW });
  const pairs = table.columnDefinitions.map((column, index) => [column, table.rows[0]!.cells[index]] as const);
  return Object.fromEntries(
    pairs.filter(([column]) => column.priority <= priority).map(([column, cell]) => [column.name, cell]),
  );
}

const pod = (status: string, more = ""): KubeObject =>
  object(`{apiVersion: v1, kind: Pod, metadata: {name: p, creationTimestamp: '2026-01-01T00:06:58Z'${more}},
    spec: {containers: [{name: a}, {name: b}]}, status: ${status}}`);
const podRow = (status: string, more = "") => shown({ group: "", version: "v1", kind: "Pod" }, pod(status, more));
const RUNNING = "{state: {running: {}}, ready: true, restartCount: 0}";

describe("ages", () => {
  test.each([
    [-5, "<invalid>"],
    [0, "0s"],
    [119, "119s"],
    [182, "3m2s"],
    [300, "5m"],
    [3600, "60m"],
    [11_000, "3h3m"],
    [36_000, "10h"],
    [200_000, "2d7h"],
    [864_000, "10d"],
    [80_000_000, "2y195d"],
  ])("%i seconds", (seconds, text) => expect(ageText(seconds * 1000)).toBe(text));
});

describe("pods", () => {
  test("running", () => {
    expect(podRow(`{phase: Running, podIP: 172.20.1.7, containerStatuses: [${RUNNING}, ${RUNNING}]}`)).toEqual({
      Name: "p",
      Ready: "2/2",
      Status: "Running",
      Restarts: "0",
      Age: "3m2s",
      IP: "172.20.1.7",
      Node: "<none>",
      "Nominated Node": "<none>",
      "Readiness Gates": "<none>",
    });
  });

  test("the reason of a container that waits or ended, with its last restart", () => {
    const crash =
      "{state: {waiting: {reason: CrashLoopBackOff}}, restartCount: 3, lastState: {terminated: {finishedAt: '2026-01-01T00:09:30Z'}}}";
    expect(podRow(`{phase: Running, containerStatuses: [${RUNNING}, ${crash}]}`)).toMatchObject({
      Ready: "1/2",
      Status: "CrashLoopBackOff",
      Restarts: "3 (30s ago)",
    });
    expect(
      podRow("{phase: Succeeded, containerStatuses: [{state: {terminated: {reason: Completed, exitCode: 0}}}]}").Status,
    ).toBe("Completed");
    expect(podRow("{phase: Failed, containerStatuses: [{state: {terminated: {exitCode: 3}}}]}").Status).toBe(
      "ExitCode:3",
    );
    expect(podRow("{phase: Pending, containerStatuses: [{state: {waiting: {reason: ErrImagePull}}}]}").Status).toBe(
      "ErrImagePull",
    );
  });

  test("init containers first", () => {
    expect(podRow("{phase: Pending, initContainerStatuses: [{state: {running: {}}}]}").Status).toBe("Init:0/0");
    expect(
      podRow("{phase: Pending, initContainerStatuses: [{state: {waiting: {reason: CrashLoopBackOff}}}]}").Status,
    ).toBe("Init:CrashLoopBackOff");
  });

  test("a pod that ends is Terminating, unless it has ended", () => {
    const going = ", deletionTimestamp: '2026-01-01T00:09:00Z'";
    expect(podRow(`{phase: Running, containerStatuses: [${RUNNING}]}`, going).Status).toBe("Terminating");
    expect(
      podRow("{phase: Succeeded, containerStatuses: [{state: {terminated: {reason: Completed}}}]}", going).Status,
    ).toBe("Completed");
  });
});

test("a daemon set", () => {
  const set =
    object(`{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: cilium, creationTimestamp: '2026-01-01T00:09:00Z'},
    spec: {selector: {matchLabels: {k8s-app: cilium}}, template: {spec: {nodeSelector: {kubernetes.io/os: linux}, containers: [{name: a, image: b}]}}},
    status: {desiredNumberScheduled: 3, currentNumberScheduled: 3, numberReady: 3, updatedNumberScheduled: 3, numberAvailable: 3}}`);
  expect(shown({ group: "apps", version: "v1", kind: "DaemonSet" }, set, 0)).toEqual({
    Name: "cilium",
    Desired: 3,
    Current: 3,
    Ready: 3,
    "Up-to-date": 3,
    Available: 3,
    "Node Selector": "kubernetes.io/os=linux",
    Age: "60s",
  });
});

test("services and endpoints", () => {
  const service = object(
    "{metadata: {name: s}, spec: {type: ClusterIP, clusterIP: 10.96.0.7, ports: [{port: 80, protocol: TCP}]}}",
  );
  expect(shown({ group: "", version: "v1", kind: "Service" }, service, 0)).toMatchObject({
    "Cluster-IP": "10.96.0.7",
    "External-IP": "<none>",
    "Port(s)": "80/TCP",
    Age: "<unknown>",
  });
  const endpoints = object(`{metadata: {name: s}, subsets: [{ports: [{port: 80}],
    addresses: [{ip: 172.20.1.1}, {ip: 172.20.1.2}, {ip: 172.20.1.3}, {ip: 172.20.1.4}]}]}`);
  expect(shown({ group: "", version: "v1", kind: "Endpoints" }, endpoints).Endpoints).toBe(
    "172.20.1.1:80,172.20.1.2:80,172.20.1.3:80 + 1 more...",
  );
});

describe("Cilium's kinds by their definitions", () => {
  const kind = (name: string, plural: string): TableKind => ({
    group: "cilium.io",
    version: "v2",
    kind: name,
    definition: ciliumCrds.find((crd) => crd.metadata.name === `${plural}.cilium.io`)!,
  });

  test("endpoints", () => {
    const cep = object(
      "{metadata: {name: xwing}, status: {identity: {id: 318}, state: ready, networking: {addressing: [{ipv4: 172.20.1.9}]}}}",
    );
    expect(shown(kind("CiliumEndpoint", "ciliumendpoints"), cep, 0)).toEqual({
      Name: "xwing",
      "Security Identity": 318,
      "Endpoint State": "ready",
      IPv4: "172.20.1.9",
      IPv6: null,
    });
  });

  test("identities and policies", () => {
    const meta = "creationTimestamp: '2026-01-01T00:09:00Z'";
    const identity = object(`{metadata: {name: '318', ${meta}, labels: {io.kubernetes.pod.namespace: default}}}`);
    expect(shown(kind("CiliumIdentity", "ciliumidentities"), identity)).toEqual({
      Name: "318",
      Namespace: "default",
      Age: "60s",
    });
    const rule = object(
      `{metadata: {name: rule1, ${meta}}, status: {conditions: [{type: Other, status: 'False'}, {type: Valid, status: 'True'}]}}`,
    );
    expect(shown(kind("CiliumNetworkPolicy", "ciliumnetworkpolicies"), rule)).toEqual({
      Name: "rule1",
      Age: "60s",
      Valid: "True",
    });
  });

  test("nodes by a filter with quotes", () => {
    const node = object("{metadata: {name: n}, spec: {addresses: [{type: InternalIP, ip: 192.168.10.100}]}}");
    expect(shown(kind("CiliumNode", "ciliumnodes"), node)).toMatchObject({
      CiliumInternalIP: null,
      InternalIP: "192.168.10.100",
    });
  });

  test("a path that cannot be shown is refused by name", () => {
    expect(() => valuesAt(".a..b", {})).toThrow("the JSON path `.a..b` has `..b`");
  });
});

test("rows carry metadata, the object, or nothing", () => {
  const kind = { group: "", version: "v1", kind: "ConfigMap" };
  const map = object("{metadata: {name: m}, data: {a: b}}");
  const row = (includeObject: "None" | "Metadata" | "Object") =>
    toTable(kind, [map], { now: NOW, includeObject }).rows[0]!.object;
  expect(row("None")).toBeUndefined();
  expect(row("Metadata")).toEqual({
    kind: "PartialObjectMetadata",
    apiVersion: "meta.k8s.io/v1",
    metadata: { name: "m" },
  });
  expect(row("Object")).toMatchObject({ kind: "ConfigMap", apiVersion: "v1", data: { a: "b" } });
});
