import { expect, test } from "vitest";
import type { KubeObject } from "./kube.ts";
import { serviceFrontends } from "./service-frontends.ts";

const service = (name: string, spec: unknown): KubeObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "default" },
  spec,
});
const slice = (name: string, ports: unknown, endpoints: unknown): KubeObject => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name: `${name}-1`, namespace: "default", labels: { "kubernetes.io/service-name": name } },
  addressType: "IPv4",
  ports,
  endpoints,
});

const CLUSTER = {
  nodes: [
    { name: "n1", addresses: ["192.168.10.101"] },
    { name: "n2", addresses: ["192.168.10.102"] },
  ],
  ownName: "n1",
};

const DNS = service("dns", {
  clusterIP: "10.96.0.10",
  ports: [
    { name: "dns", port: 53, protocol: "UDP" },
    { name: "dns-tcp", port: 53, protocol: "TCP" },
  ],
});
const DNS_SLICE = slice(
  "dns",
  [
    { name: "dns", port: 5353, protocol: "UDP" },
    { name: "dns-tcp", port: 53, protocol: "TCP" },
  ],
  [
    { addresses: ["172.20.1.3"], conditions: { ready: true } },
    { addresses: ["172.20.1.2"] },
    { addresses: ["172.20.1.4"], conditions: { ready: false } },
  ],
);

test("every port and protocol is a frontend with its own target port and only ready backends", () => {
  const { frontends } = serviceFrontends([DNS], [DNS_SLICE], {}, CLUSTER);
  expect(frontends).toMatchObject([
    {
      id: 1,
      address: "10.96.0.10",
      port: 53,
      protocol: 17,
      backends: [
        { address: "172.20.1.2", port: 5353 },
        { address: "172.20.1.3", port: 5353 },
      ],
    },
    {
      id: 2,
      port: 53,
      protocol: 6,
      backends: [
        { address: "172.20.1.2", port: 53 },
        { address: "172.20.1.3", port: 53 },
      ],
    },
  ]);
});

test("a service without endpoints is kept, a headless one is none", () => {
  const { frontends } = serviceFrontends(
    [
      service("empty", { clusterIP: "10.96.0.7", ports: [{ port: 80 }] }),
      service("headless", { clusterIP: "None", ports: [{ port: 80 }] }),
    ],
    [],
    {},
    CLUSTER,
  );
  expect(frontends).toMatchObject([{ name: "empty", protocol: 6, backends: [] }]);
});

test("numbers stay with their frontends over restarts and changes", () => {
  const first = serviceFrontends([DNS], [], { "10.96.0.10:53/6": 9 }, CLUSTER);
  expect(first.frontends.map(({ protocol, id }) => [protocol, id])).toEqual([
    [17, 1],
    [6, 9],
  ]);
  const second = serviceFrontends(
    [service("new", { clusterIP: "10.96.0.2", ports: [{ port: 80 }] }), DNS],
    [],
    first.ids,
    CLUSTER,
  );
  expect(second.frontends.map(({ id }) => id)).toEqual([2, 1, 9]);
});

const WEB_SLICE = slice(
  "web",
  [{ port: 8080 }],
  [
    { addresses: ["172.20.1.5"], nodeName: "n1" },
    { addresses: ["172.20.2.5"], nodeName: "n2" },
  ],
);
const web = (spec: object) =>
  service("web", { clusterIP: "10.96.0.8", ports: [{ port: 80, nodePort: 30080 }], ...spec });
const shown = (spec: object, ...slices: KubeObject[]) =>
  serviceFrontends([web(spec)], slices.length === 0 ? [WEB_SLICE] : slices, {}, CLUSTER).frontends.map(
    ({ type, address, port, backends }) =>
      `${type} ${address}:${port} ${backends.map((backend) => backend.address).join(",")}`,
  );

test("a port of the nodes stands for the service at every node", () => {
  expect(shown({})).toEqual([
    "ClusterIP 10.96.0.8:80 172.20.1.5,172.20.2.5",
    "NodePort 192.168.10.101:30080 172.20.1.5,172.20.2.5",
    "NodePort 192.168.10.102:30080 172.20.1.5,172.20.2.5",
  ]);
});

test("traffic policies keep connections to the node that they come to; from inside, another node's port leads to all backends", () => {
  expect(shown({ externalTrafficPolicy: "Local" })).toEqual([
    "ClusterIP 10.96.0.8:80 172.20.1.5,172.20.2.5",
    "NodePort 192.168.10.101:30080 172.20.1.5",
    "NodePort 192.168.10.102:30080 172.20.1.5,172.20.2.5",
  ]);
  expect(shown({ internalTrafficPolicy: "Local" })[0]).toBe("ClusterIP 10.96.0.8:80 172.20.1.5");
});

test("backends that are ending serve while there is no other", () => {
  const ending = { ready: false, serving: true, terminating: true };
  const endpoints = (...conditions: object[]) =>
    slice(
      "web",
      [{ port: 8080 }],
      conditions.map((each, index) => ({ addresses: [`172.20.1.${index}`], conditions: each })),
    );
  const first = (...conditions: object[]) => shown({}, endpoints(...conditions))[0];
  expect(first(ending, { ready: true })).toBe("ClusterIP 10.96.0.8:80 172.20.1.1");
  expect(first(ending, { ready: false, serving: false, terminating: true })).toBe("ClusterIP 10.96.0.8:80 172.20.1.0");
  expect(first({ ready: false })).toBe("ClusterIP 10.96.0.8:80 ");
});

test("beside others they keep what they have", () => {
  const conditions = [{ ready: true }, { ready: false, serving: true, terminating: true }, { ready: false }];
  const endpoints = conditions.map((each, index) => ({ addresses: [`172.20.1.${index}`], conditions: each }));
  const { frontends } = serviceFrontends([web({})], [slice("web", [{ port: 8080 }], endpoints)], {}, CLUSTER);
  expect(frontends[0]).toMatchObject({ ending: [{ address: "172.20.1.1", port: 8080 }] });
});

test("session affinity has its time, three hours where none is given", () => {
  const seconds = (spec: object) => serviceFrontends([web(spec)], [], {}, CLUSTER).frontends[0]?.affinitySeconds;
  expect([
    seconds({}),
    seconds({ sessionAffinity: "ClientIP" }),
    seconds({ sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 9 } } }),
  ]).toEqual([0, 10_800, 9]);
});

test("what no kernel table can hold is left out, and the rest is served", () => {
  const ports = [
    { name: "good", port: 80, nodePort: 30080 },
    { name: "own", port: 81, nodePort: 6443 },
    { name: "huge", port: 82, nodePort: 70000 },
    { name: "zero", port: 0 },
    { name: "odd", port: 83, protocol: "FOO" },
  ];
  const targets = ports.map(({ name }) => ({ name, port: name === "huge" ? 99999 : 8080 }));
  const addresses = ["fd00::1", "not-an-ip", "10.0.0.1/8", "", "010.1.1.1", "300.1.1.1", "172.20.1.2"];
  const { frontends } = serviceFrontends(
    [
      service("mixed", { clusterIP: "10.96.1.1", ports }),
      service("bad", { clusterIP: "::ffff:10.0.0.1", ports: [{ port: 80 }] }),
    ],
    [slice("mixed", targets, [{ addresses }])],
    {},
    CLUSTER,
  );
  const backends = [{ address: "172.20.1.2", port: 8080 }];
  expect(frontends).toMatchObject([
    { address: "10.96.1.1", port: 80, backends },
    { address: "192.168.10.101", port: 30080, backends },
    { address: "192.168.10.102", port: 30080, backends },
    { address: "10.96.1.1", port: 81, backends },
    { address: "10.96.1.1", port: 82, backends: [] },
  ]);
  expect(frontends).toHaveLength(5);
});

test("each address of a service leads to backends of its family, and so do the nodes' ports", () => {
  const nodes = [{ name: "n1", addresses: ["192.168.10.101", "fd00:192:168:10::101"] }];
  const both = service("both", {
    clusterIP: "10.96.0.7",
    clusterIPs: ["10.96.0.7", "fd00:10:96:0::7"],
    ports: [{ port: 80, nodePort: 30080 }],
  });
  const one = service("one", { clusterIPs: ["10.96.0.8"], ports: [{ port: 80, nodePort: 30081 }] });
  const slices = [
    slice("both", [{ port: 8080 }], [{ addresses: ["172.20.1.2"] }]),
    { ...slice("both", [{ port: 8080 }], [{ addresses: ["fd00:172:20:1:0::2"] }]), addressType: "IPv6" },
    { ...slice("both", [{ port: 8080 }], [{ addresses: ["example.org"] }]), addressType: "FQDN" },
  ];
  const { frontends } = serviceFrontends([both, one], slices, {}, { nodes, ownName: "n1" });
  const v4 = [{ address: "172.20.1.2", port: 8080 }];
  const v6 = [{ address: "fd00:172:20:1::2", port: 8080 }];
  expect(frontends.map(({ address, port, backends }) => [address, port, backends])).toEqual([
    ["10.96.0.7", 80, v4],
    ["fd00:10:96::7", 80, v6],
    ["192.168.10.101", 30080, v4],
    ["fd00:192:168:10::101", 30080, v6],
    ["10.96.0.8", 80, []],
    ["192.168.10.101", 30081, []],
  ]);
});
