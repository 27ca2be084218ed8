/** What nodes and pods of a lab of both families show, and that those of IPv4 alone show nothing of it. */
import { expect, test } from "vitest";
import { Nodes } from "../kube/client/index.ts";
import { startTestServer } from "../kube/server/test-server.ts";
import { hostsOf } from "./dns-config.ts";
import { fieldRefValue } from "./field-ref.ts";
import { keepNode, nodeObject } from "./node-registration.ts";
import { addressesOf, type KubeletNode } from "./options.ts";
import type { Pod } from "./pod.ts";
import { podAddresses } from "./pod-network.ts";
import { podStatus, refusedView } from "./pod-status.ts";

const single: KubeletNode = {
  ...{ name: "k8s-w1", address: "192.168.10.101", podCidr: "172.20.1.0/24", controlPlane: false },
  ...{ netnsPath: "", agentSocket: "", records: { agent: "", proxy: "" } },
};
const dual: KubeletNode = { ...single, address6: "fd00:192:168:10::101", podCidr6: "fd00:172:20:1::/64" };

const xwing: Pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "xwing", namespace: "space", uid: "u" },
  spec: { containers: [{ name: "c", image: "busybox" }] },
};
const four = { address: "172.20.1.5", gateway: "172.20.1.1", podCidr: "172.20.1.0/24", mtu: 1450 };
const both = {
  ...four,
  ipv6: { address: "fd00:172:20:1::5", gateway: "fd00:172:20:1::1", podCidr: "fd00:172:20:1::/64" },
};

test("a pod has the addresses that the agent gave, IPv4 first", () => {
  expect(podAddresses(four)).toEqual(["172.20.1.5"]);
  expect(podAddresses(both)).toEqual(["172.20.1.5", "fd00:172:20:1::5"]);
});

test("a pod's status, hosts file and downward API have both of its addresses and its node's", () => {
  const shown = (podIPs: readonly string[], node: KubeletNode) => {
    const view = { ...refusedView(xwing, addressesOf(node), 0, ""), podIPs };
    const { podIP, podIPs: listed, hostIP, hostIPs } = podStatus(xwing, view, 0) as Record<string, unknown>;
    return { podIP, podIPs: listed, hostIP, hostIPs };
  };
  expect(shown(podAddresses(both), dual)).toEqual({
    podIP: "172.20.1.5",
    podIPs: [{ ip: "172.20.1.5" }, { ip: "fd00:172:20:1::5" }],
    hostIP: "192.168.10.101",
    hostIPs: [{ ip: "192.168.10.101" }, { ip: "fd00:192:168:10::101" }],
  });
  expect(shown(podAddresses(four), single)).toEqual({
    podIP: "172.20.1.5",
    podIPs: [{ ip: "172.20.1.5" }],
    hostIP: "192.168.10.101",
    hostIPs: [{ ip: "192.168.10.101" }],
  });
  expect(hostsOf(xwing, { address: "10.96.0.10", domain: "cluster.local" }, podAddresses(both))).toContain(
    "\n172.20.1.5\txwing\nfd00:172:20:1::5\txwing\n",
  );
  const facts = { podIPs: podAddresses(both), hostIPs: addressesOf(dual) };
  const fields = ["podIP", "podIPs", "hostIP", "hostIPs"].map((name) => fieldRefValue(xwing, facts, `status.${name}`));
  expect(fields).toEqual([
    "172.20.1.5",
    "172.20.1.5,fd00:172:20:1::5",
    "192.168.10.101",
    "192.168.10.101,fd00:192:168:10::101",
  ]);
});

test("a node has a range and an address of each family, also when it registers again", async () => {
  expect(nodeObject(single)["spec"]).toEqual({ podCIDR: "172.20.1.0/24", podCIDRs: ["172.20.1.0/24"] });
  const server = await startTestServer();
  try {
    for (let times = 0; times < 2; times++) {
      const ending = new AbortController();
      await keepNode(server.client, dual, "v1.34.0", ending.signal, () => {});
      ending.abort();
      const node = await server.client.get(Nodes, dual.name);
      expect(node["spec"]).toEqual({
        podCIDR: "172.20.1.0/24",
        podCIDRs: ["172.20.1.0/24", "fd00:172:20:1::/64"],
      });
      expect(node["status"]).toMatchObject({
        addresses: [
          { type: "InternalIP", address: "192.168.10.101" },
          { type: "InternalIP", address: "fd00:192:168:10::101" },
          { type: "Hostname", address: "k8s-w1" },
        ],
      });
    }
  } finally {
    await server.close();
  }
});
