/** Native routing: pods of other nodes without the overlay, in both families. */
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import {
  ALLOW_ALL,
  entry,
  eventsOf,
  inNetns,
  type Lab,
  openLab,
  type Pod,
  policy,
  probe,
  serveHttp,
  setPolicy,
  sleep,
  untilServing,
} from "./datapath-lab.ts";

const DROP = 1;
const TRACE = 4;
const VERDICT = 5;
const TCP = 6;
const TO_OVERLAY = 4;
const TO_NETWORK = 11;
const VIP = "10.96.0.77";
const VIP6 = "fd00:10:96::77";

let lab: Lab;
let a: Pod; // node 1
let c: Pod; // node 2

const get = (netns: string, address: string, port = 80) =>
  inNetns(netns, `curl -s -m 2 http://${address.includes(":") ? `[${address}]` : address}:${port}/`).stdout.replace(
    "::ffff:",
    "",
  );
const both = (pod: Pod) => [pod.address, pod.address6];

beforeAll(async () => {
  lab = await openLab({ ipv6: true, routingMode: "native" });
  const [one, two] = lab.nodes;
  a = await lab.pod(one, 101, 1001, 10);
  c = await lab.pod(two, 103, 1003, 12);
  for (const pod of [a, c]) serveHttp(pod, 80);
  await untilServing([a, c], 80);
});
afterAll(() => lab?.close());
beforeEach(async () => {
  for (const pod of [a, c]) await setPolicy(pod, ALLOW_ALL, [], false);
  await sleep(40);
  for (const node of lab.nodes) await node.call("events");
});

it("carries pods' packets over the fabric as they are, with the fabric's MTU", async () => {
  for (const address of both(c)) expect(get(a.netns, address)).toMatch(new RegExp(`^${c.id} `));
  const out = await eventsOf(a.node, (event) => event.type === TRACE && event.protocol === TCP);
  expect(out.some(({ subtype }) => subtype === TO_NETWORK)).toBe(true);
  expect(out.some(({ subtype }) => subtype === TO_OVERLAY)).toBe(false);
  const link = execFileSync("ip", ["-n", a.netns, "-o", "link", "show", "eth0"], { encoding: "utf8" });
  expect(link).toContain("mtu 1500");
  expect(a.run(`${probe} ping ${c.address}`).stdout.trim()).toBe(`pong ${c.address}`);
});

it("knows senders by their addresses: policy holds at the other node", async () => {
  await setPolicy(c, [
    entry({ identity: 1001, protocol: TCP, port: 80, portPrefix: 16 }),
    entry({ direction: "egress" }),
  ]);
  for (const address of both(c)) expect(get(a.netns, address)).not.toBe("");
  await setPolicy(c, [
    entry({ identity: 1002, protocol: TCP, port: 80, portPrefix: 16 }),
    entry({ direction: "egress" }),
  ]);
  for (const address of both(c)) expect(get(a.netns, address)).toBe("");
  const denied = await eventsOf(c.node, (event) => event.type === VERDICT && event.verdict < 0);
  expect(new Set(denied.map(({ src }) => src))).toEqual(new Set([1001]));
});

it("connects nodes and pods, and services lead to pods of other nodes", async () => {
  for (const address of both(c)) expect(get(a.node.netns, address)).toMatch(new RegExp(`^${c.id} `));
  const frontends = [VIP, VIP6].map((address, index) => ({
    id: index + 1,
    address,
    port: 80,
    protocol: TCP,
    type: "ClusterIP",
    affinitySeconds: 0,
    backends: [{ address: both(c)[index]!, port: 80 }],
  }));
  for (const node of lab.nodes) await node.call("setServices", frontends);
  for (const address of [VIP, VIP6]) {
    expect(get(a.netns, address)).toMatch(new RegExp(`^${c.id} `));
    expect(get(a.node.netns, address)).toMatch(new RegExp(`^${c.id} `));
  }
});

it("brings clients of a node's port to another node's pod with their own address", async () => {
  const address = a.node.config.address;
  const backends = [{ address: c.address, port: 80 }];
  const nodePort = { id: 9, address, port: 30080, protocol: TCP, type: "NodePort", affinitySeconds: 0, backends };
  for (const node of lab.nodes) await node.call("setServices", [nodePort]);
  expect(get(lab.fabric, address, 30080)).toBe(`${c.id} 192.168.10.1`);
  expect(get(a.node.netns, address, 30080)).toMatch(new RegExp(`^${c.id} `));
  // what goes out for a backend is the backend's, whatever the node itself may send
  const toNodes = policy([entry({}), entry({ direction: "egress", identity: 6 })]);
  await a.node.call("setHostPolicy", 99, toNodes);
  expect(get(lab.fabric, address, 30080)).toBe(`${c.id} 192.168.10.1`);
  await a.node.call("setHostPolicy", 99, null);
});

it("takes routes away that no node has any more, and nobody else's", async () => {
  const routes = () => inNetns(a.node.netns, "ip route show proto 77; ip -6 route show proto 77").stdout;
  expect(routes()).toContain("172.20.2.0/24 via 192.168.10.102");
  expect(routes()).toContain("fd00:172:20:2::/64 via fd00:192:168:10::102");
  await a.node.call("setRoutes", [["172.20.9.0/24", "192.168.10.102"]]);
  expect(routes().trim()).toBe("172.20.9.0/24 via 192.168.10.102 dev eth0");
  expect(inNetns(a.node.netns, "ip route show default").stdout).toContain("192.168.10.1");
  expect(await eventsOf(a.node, (event) => event.type === DROP)).toEqual([]);
});
