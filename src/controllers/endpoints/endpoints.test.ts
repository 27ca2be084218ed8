import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../kube/client/index.ts";
import type { Fields } from "../../kube/object.ts";
import { objectsOf } from "../objects.ts";
import { pod, thing } from "../test-objects.ts";
import { hasSelector, planMirror, planSlices, sameEndpoints, wantedEndpoints } from "./reconcile.ts";

const labels = { app: "a" };
const service = (ports: Fields[] = [{ port: 80 }], spec: Fields = {}): KubeObject =>
  thing("Service", "web", { spec: { selector: labels, clusterIP: "10.96.0.9", ports, ...spec } });
const backend = (name: string, ip: string, parts: Parameters<typeof pod>[1] = {}): KubeObject =>
  pod(name, { ...parts, ip, meta: { labels, ...parts.meta } });
/** The subsets of the Endpoints that a service should have. */
const subsetsOf = (object: KubeObject, pods: KubeObject[]): Fields[] =>
  objectsOf(wantedEndpoints(object, pods).subsets);
const leaving = { deletionTimestamp: "2026-01-01T00:00:00Z" };

test("ready pods are addresses, others wait apart, foreign, ended and leaving ones are not there", () => {
  const pods = [
    backend("a", "172.20.1.2"),
    backend("b", "172.20.1.1"),
    backend("c", "172.20.1.3", { ready: false }),
    backend("d", "172.20.1.4", { phase: "Succeeded" }),
    backend("e", "172.20.1.5", { meta: leaving }),
    pod("f", { ip: "172.20.1.6" }),
  ];
  const subsets = subsetsOf(service(), pods);
  expect(subsets).toEqual([
    {
      addresses: [
        {
          ip: "172.20.1.1",
          nodeName: "k8s-w1",
          targetRef: { kind: "Pod", name: "b", namespace: "default", uid: "uid-b" },
        },
        {
          ip: "172.20.1.2",
          nodeName: "k8s-w1",
          targetRef: { kind: "Pod", name: "a", namespace: "default", uid: "uid-a" },
        },
      ],
      notReadyAddresses: [expect.objectContaining({ ip: "172.20.1.3" })],
      ports: [{ port: 80, protocol: "TCP" }],
    },
  ]);
});

test("a named port is each pod's own number; a pod without it is left out", () => {
  const port = (number: number) => ({
    spec: { containers: [{ name: "a", image: "x", ports: [{ name: "http", containerPort: number }] }] },
  });
  const pods = [
    backend("a", "172.20.1.1", port(8080)),
    backend("b", "172.20.1.2", port(9090)),
    backend("c", "172.20.1.3"),
  ];
  const subsets = subsetsOf(service([{ port: 80, name: "web", targetPort: "http" }]), pods);
  expect(subsets.map(({ ports }) => ports)).toEqual([
    [{ name: "web", port: 8080, protocol: "TCP" }],
    [{ name: "web", port: 9090, protocol: "TCP" }],
  ]);
});

test("publishNotReadyAddresses makes every pod an address", () => {
  const subsets = subsetsOf(service(undefined, { publishNotReadyAddresses: true }), [
    backend("a", "172.20.1.1", { ready: false }),
  ]);
  expect(subsets[0]?.addresses).toHaveLength(1);
});

test("services without a selector, and external names, are not ours", () => {
  expect(hasSelector(service(undefined, { selector: undefined }))).toBe(false);
  expect(hasSelector(service(undefined, { type: "ExternalName" }))).toBe(false);
  expect(hasSelector(service())).toBe(true);
});

test("what is stored and wanted alike is not written", () => {
  const wanted = wantedEndpoints(service(), [backend("a", "172.20.1.1")]);
  expect(sameEndpoints(structuredClone(wanted), wanted)).toBe(true);
  expect(sameEndpoints({ ...wanted, subsets: [] }, wanted)).toBe(false);
});

test("slices hold a hundred endpoints, are reused, and what is over is removed", () => {
  const pods = Array.from({ length: 150 }, (_, index) => backend(`p${index}`, `172.20.1.${index}`));
  const first = planSlices(service(), pods, []);
  expect(first.create.map((slice) => (slice.endpoints as unknown[]).length)).toEqual([100, 50]);
  const stored = first.create.map((slice, index) => ({
    ...slice,
    metadata: { ...slice.metadata, name: `web-${index}` },
  }));
  expect(planSlices(service(), pods, stored)).toEqual({ create: [], update: [], remove: [] });
  const fewer = planSlices(service(), pods.slice(0, 20), stored);
  expect([fewer.update.length, fewer.remove.map((slice) => slice.metadata.name)]).toEqual([1, ["web-1"]]);
});

test("a leaving pod stays in its slice, marked", () => {
  const [slice] = planSlices(service(), [backend("a", "172.20.1.1", { meta: leaving })], []).create;
  expect(objectsOf(slice?.endpoints)[0]?.conditions).toEqual({ ready: false, serving: true, terminating: true });
});

test("a service without pods has one empty slice", () => {
  const { create } = planSlices(service(), [], []);
  expect(create.map((slice) => slice.endpoints)).toEqual([[]]);
});

test("Endpoints written by hand for a service without a selector are mirrored, unless they say no", () => {
  const bare = service(undefined, { selector: undefined });
  const subsets = [{ addresses: [{ ip: "192.168.10.9" }], ports: [{ port: 443, protocol: "TCP" }] }];
  const written = { ...thing("Endpoints", "web"), subsets };
  const { create } = planMirror(bare, written, []);
  expect(create[0]).toMatchObject({
    endpoints: [{ addresses: ["192.168.10.9"], conditions: { ready: true } }],
    ports: [{ name: "", port: 443, protocol: "TCP" }],
  });
  const stored = create.map((slice) => ({ ...slice, metadata: { ...slice.metadata, name: "web-1" } }));
  expect(planMirror(bare, written, stored)).toEqual({ create: [], update: [], remove: [] });
  expect(planMirror(bare, undefined, stored).remove).toHaveLength(1);
  const silent = {
    ...written,
    metadata: { ...written.metadata, labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
  };
  expect(planMirror(bare, silent, []).create).toEqual([]);
});

test("Endpoints of both families become slices of each", () => {
  const bare = service(undefined, { selector: undefined });
  const subsets = [
    {
      addresses: [{ ip: "192.168.10.9" }, { ip: "fd00::9" }],
      notReadyAddresses: [{ ip: "fd00::a" }],
      ports: [{ port: 443, protocol: "TCP" }],
    },
  ];
  const { create } = planMirror(bare, { ...thing("Endpoints", "web"), subsets }, []);
  const shown = create.map(({ addressType, endpoints }) => [
    addressType,
    objectsOf(endpoints).map(({ addresses, conditions }) => [addresses, conditions]),
  ]);
  expect(shown).toEqual([
    ["IPv4", [[["192.168.10.9"], { ready: true }]]],
    [
      "IPv6",
      [
        [["fd00::9"], { ready: true }],
        [["fd00::a"], { ready: false }],
      ],
    ],
  ]);
});

describe("a service of both families", () => {
  const both = service(undefined, { ipFamilies: ["IPv4", "IPv6"] });
  const pods = [
    backend("a", "172.20.1.2", { ip6: "fd00:172:20:1::2" }),
    backend("b", "172.20.1.1", { ip6: "fd00:172:20:1::1", ready: false }),
    backend("c", "172.20.1.3"),
  ];
  const shown = (slices: readonly KubeObject[]) =>
    slices.map(({ addressType, endpoints }) => [
      addressType,
      objectsOf(endpoints).map((item) => (item.addresses as string[]).join()),
    ]);
  const stored = (slices: readonly KubeObject[]) =>
    slices.map((slice, index) => ({ ...slice, metadata: { ...slice.metadata, name: `web-${index}` } }));

  test("has slices of each, with the pods that have such an address", () => {
    const plan = planSlices(both, pods, []);
    expect(shown(plan.create)).toEqual([
      ["IPv4", ["172.20.1.1", "172.20.1.2", "172.20.1.3"]],
      ["IPv6", ["fd00:172:20:1::1", "fd00:172:20:1::2"]],
    ]);
    expect(objectsOf(plan.create[1]?.endpoints).map(({ conditions }) => conditions)).toEqual([
      { ready: false, serving: false, terminating: false },
      { ready: true, serving: true, terminating: false },
    ]);
    expect(new Set(plan.create.map(({ metadata }) => metadata.generateName))).toEqual(new Set(["web-"]));
    expect(planSlices(both, pods, stored(plan.create))).toEqual({ create: [], update: [], remove: [] });
  });

  test("writes the slice of the family that changed, and loses those of a family that it gives up", () => {
    const before = stored(planSlices(both, pods, []).create);
    const moved = [backend("a", "172.20.1.2", { ip6: "fd00:172:20:1::9" }), ...pods.slice(1)];
    const plan = planSlices(both, moved, before);
    expect(shown(plan.update)).toEqual([["IPv6", ["fd00:172:20:1::1", "fd00:172:20:1::9"]]]);
    const single = planSlices(service(), pods, before);
    expect([single.create, single.update, shown(single.remove).map(([family]) => family)]).toEqual([[], [], ["IPv6"]]);
    const other = planSlices(service(undefined, { ipFamilies: ["IPv6"] }), pods, before);
    expect(shown(other.remove).map(([family]) => family)).toEqual(["IPv4"]);
  });

  test("has an empty slice of each without pods, and Endpoints of its first family", () => {
    expect(shown(planSlices(both, [], []).create)).toEqual([
      ["IPv4", []],
      ["IPv6", []],
    ]);
    const first = (ipFamilies: string[]) =>
      objectsOf(subsetsOf(service(undefined, { ipFamilies }), pods)[0]?.addresses).map(({ ip }) => ip);
    expect(first(["IPv4", "IPv6"])).toEqual(["172.20.1.2", "172.20.1.3"]);
    expect(first(["IPv6", "IPv4"])).toEqual(["fd00:172:20:1::2"]);
  });
});
