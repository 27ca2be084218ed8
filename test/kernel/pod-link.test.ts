import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addPodLink, indexOf, removePodLink } from "../../src/runtime/pod-link.ts";

const NODE = `sgt-l-${process.pid}`;
const POD = `sgt-m-${process.pid}`;
const [nodeNetns, podNetns] = [`/run/netns/${NODE}`, `/run/netns/${POD}`];
const ip = (...args: string[]) => execFileSync("ip", args, { encoding: "utf8" });
const json = (...args: string[]) => JSON.parse(ip("-j", ...args)) as Record<string, unknown>[];

const link = {
  ...{ nodeNetns, podNetns, interfaceName: "lxc1", podInterface: "eth0" },
  ...{ mac: "0a:58:00:00:00:01", hostMac: "0a:58:00:00:00:02" },
  addressing: {
    ...{ address: "172.20.1.5", gateway: "172.20.1.1", podCidr: "172.20.1.0/24", mtu: 1450 },
    ipv6: { address: "fd00:172:20:1::5", gateway: "fd00:172:20:1::1", podCidr: "fd00:172:20:1::/64" },
  },
};

beforeAll(() => {
  for (const name of [NODE, POD]) ip("netns", "add", name);
});
afterAll(() => {
  for (const name of [NODE, POD]) ip("netns", "delete", name);
});

/** As `ip route` prints them, without what the kernel adds by itself. */
function routes(family: "-4" | "-6"): string[] {
  const own = ip("-n", POD, family, "route").split("\n");
  return own
    .map((line) => line.replace(/ metric.*/, "").trim())
    .filter((line) => line !== "" && !line.startsWith("fe80"));
}

test("a pod's link has both ends, addresses that count at once, and routes by the gateway alone", () => {
  addPodLink(link);
  expect(json("-n", NODE, "link", "show", "lxc1")).toMatchObject([
    { mtu: 1450, address: link.hostMac, flags: expect.arrayContaining(["UP", "LOWER_UP"]) },
  ]);
  expect(json("-n", POD, "link", "show", "eth0")).toMatchObject([
    { mtu: 1450, address: link.mac, flags: expect.arrayContaining(["UP", "LOWER_UP"]) },
  ]);
  const own = json("-n", POD, "addr", "show", "dev", "eth0")[0]!["addr_info"] as { local: string; prefixlen: number }[];
  expect(own.filter(({ local }) => !local.startsWith("fe80"))).toMatchObject([
    { local: "172.20.1.5", prefixlen: 32, scope: "global" },
    { local: "fd00:172:20:1::5", prefixlen: 128, scope: "global", nodad: true },
  ]);
  expect(json("-n", NODE, "addr", "show", "dev", "lxc1")[0]!["addr_info"]).toEqual([]);
  expect(routes("-4")).toEqual(["default via 172.20.1.1 dev eth0 src 172.20.1.5", "172.20.1.1 dev eth0 scope link"]);
  expect(routes("-6")).toEqual([
    "fd00:172:20:1::1 dev eth0",
    "fd00:172:20:1::5 dev eth0 proto kernel",
    "default via fd00:172:20:1::1 dev eth0 src fd00:172:20:1::5",
  ]);
});

test("what the kernel refuses is told by name, and a link goes with one end", () => {
  expect(() => addPodLink(link)).toThrow("link lxc1: EEXIST");
  removePodLink(nodeNetns, "lxc1");
  expect([indexOf(nodeNetns, "lxc1"), indexOf(podNetns, "eth0")]).toEqual([0, 0]);
  removePodLink(nodeNetns, "lxc1");
  removePodLink("/run/netns/of-nobody", "lxc1");
});
