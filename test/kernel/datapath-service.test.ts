import { afterAll, beforeAll, describe, expect, it } from "vitest";
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
  sleep,
} from "./datapath-lab.ts";

const TCP = 6;
const UDP = 17;
const VIP = "10.96.0.50";

let lab: Lab;
let a: Pod; // node 1, client
let b: Pod; // node 1, backend
let c: Pod; // node 2, backend

const setPolicy = (pod: Pod, ...args: Parameters<typeof policy>) => pod.node.call("setPolicy", pod.id, policy(...args));
const curl = (from: Pod, url: string) => from.run(`curl -s -S --connect-timeout 1 -m 2 ${url}`);
const ends = (...pods: Pod[]) => pods.map((pod) => ({ address: pod.address, port: 8080 }));

async function setServices(...backends: { address: string; port: number }[]): Promise<void> {
  const services = [
    { id: 1, address: VIP, port: 80, protocol: TCP, backends },
    { id: 2, address: VIP, port: 53, protocol: UDP, backends },
    { id: 3, address: "10.96.0.1", port: 443, protocol: TCP, backends: [{ address: "192.168.10.101", port: 6443 }] },
  ];
  for (const node of lab.nodes) await node.call("setServices", services);
}

beforeAll(async () => {
  lab = await openLab();
  const [one, two] = lab.nodes;
  a = await lab.pod(one, 101, 1001, 10);
  b = await lab.pod(one, 102, 1002, 11);
  c = await lab.pod(two, 103, 1003, 12);
  for (const pod of [a, b, c]) {
    await setPolicy(pod, ALLOW_ALL, [], false);
    serveHttp(pod, 8080);
    pod.spawn(`${probe} udp-serve 8080`);
  }
  await sleep(500);
});
afterAll(() => lab?.close());

describe("a service", () => {
  it("reaches all its backends, and the client sees only the service", async () => {
    await setServices(...ends(b, c));
    const seen = new Set<string>();
    for (let i = 0; i < 24; i++) seen.add(curl(a, `http://${VIP}/`).stdout);
    expect([...seen].sort()).toEqual([`102 ${a.address}`, `103 ${a.address}`]);
    const answered = await eventsOf(
      a.node,
      (event) => event.type === 4 && event.endpoint === a.id && event.subtype === 0,
    );
    expect(new Set(answered.map((event) => event.from))).toEqual(new Set([VIP]));
  });
  it("carries UDP, fragments and port unreachable included", async () => {
    await setServices(...ends(b, c));
    for (let i = 0; i < 4; i++) {
      expect(a.run(`${probe} udp ${VIP} 53 3`).stdout.trim()).toBe(`3 ${VIP}`);
      expect(a.run(`${probe} udp ${VIP} 53 4000`).stdout.trim()).toBe(`4000 ${VIP}`);
    }
    await setServices({ address: b.address, port: 9 });
    expect(a.run(`${probe} udp ${VIP} 53 1`).stdout.trim()).toBe("error ECONNREFUSED");
    await setServices({ address: c.address, port: 9 });
    expect(a.run(`${probe} udp ${VIP} 53 1`).stdout.trim()).toBe("error ECONNREFUSED");
  });
  it("is judged by its backend's identity and port", async () => {
    await setServices(...ends(c));
    await setPolicy(a, [entry({ direction: "egress", identity: 1003, protocol: TCP, port: 8080, portPrefix: 16 })]);
    expect(curl(a, `http://${VIP}/`).stdout).toBe(`103 ${a.address}`);
    await setPolicy(a, [entry({ direction: "egress", identity: 1003, protocol: TCP, port: 80, portPrefix: 16 })]);
    expect(curl(a, `http://${VIP}/`).status).toBe(28);
    await setPolicy(a, ALLOW_ALL, [], false);
  });
  it("reaches the client's own pod, past policy", async () => {
    await setServices(...ends(a));
    await setPolicy(a, []);
    expect(curl(a, `http://${VIP}/`).stdout).toBe("101 169.254.42.1");
    await setPolicy(a, ALLOW_ALL, [], false);
  });
  it("drops with 158 when it has no backend, and on ports that it has not", async () => {
    await setServices();
    await a.node.call("events");
    curl(a, `http://${VIP}/`);
    curl(a, `http://${VIP}:81/`);
    const drops = await eventsOf(a.node, (event) => event.type === 1 && event.subtype === 158);
    expect(new Set(drops.map((event) => event.dport))).toEqual(new Set([80, 81]));
  });
  it("serves the node itself: pods here and there, and a port of its own", async () => {
    await setServices(...ends(b, c));
    const { router } = a.node.config;
    const seen = new Set<string>();
    for (let i = 0; i < 24; i++) seen.add(inNetns(a.node.netns, `curl -s -m 2 http://${VIP}/`).stdout);
    expect([...seen].sort()).toEqual([`102 ${router}`, `103 ${router}`]);
    serveHttp(
      { ...a, id: 1, spawn: (command) => a.spawn(`nsenter --net=/run/netns/${a.node.netns} ${command}`) },
      6443,
    );
    await sleep(300);
    expect(inNetns(a.node.netns, "curl -s -m 2 http://10.96.0.1:443/").stdout).toBe(`1 ${router}`);
    expect(inNetns(c.node.netns, "curl -s -m 2 http://10.96.0.1:443/").stdout).toBe(`1 ${c.node.config.router}`);
    expect(curl(a, "http://10.96.0.1:443/").stdout).toBe(`1 ${a.address}`);
    expect(curl(c, "http://10.96.0.1:443/").stdout).toBe(`1 ${c.address}`);
  });
});
