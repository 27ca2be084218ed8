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
  const { frontends } = serviceFrontends([DNS], [DNS_SLICE], {});
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
  );
  expect(frontends).toMatchObject([{ name: "empty", protocol: 6, backends: [] }]);
});

test("numbers stay with their frontends over restarts and changes", () => {
  const first = serviceFrontends([DNS], [], { "10.96.0.10:53/6": 9 });
  expect(first.frontends.map(({ protocol, id }) => [protocol, id])).toEqual([
    [17, 1],
    [6, 9],
  ]);
  const second = serviceFrontends(
    [service("new", { clusterIP: "10.96.0.2", ports: [{ port: 80 }] }), DNS],
    [],
    first.ids,
  );
  expect(second.frontends.map(({ id }) => id)).toEqual([2, 1, 9]);
});
