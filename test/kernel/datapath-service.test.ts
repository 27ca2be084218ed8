import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ServiceFrontend } from "../../src/datapath/port.ts";
import {
  ALLOW_ALL,
  entry,
  eventsOf,
  inNetns,
  type Lab,
  openLab,
  type Pod,
  probe,
  serveHttp,
  setPolicy,
  sleep,
  untilServing,
} from "./datapath-lab.ts";

const TCP = 6;
const UDP = 17;
/** curl's exit code. */
const REFUSED = 7;
const VIP = "10.96.0.50";

let lab: Lab;
let a: Pod; // node 1, client
let b: Pod; // node 1, backend
let c: Pod; // node 2, backend

const NODE_PORT = 30_080;

const curl = (from: Pod, url: string) => from.run(`curl -s -S --connect-timeout 1 -m 2 ${url}`);
const ends = (...pods: Pod[]) => pods.map((pod) => ({ address: pod.address, port: 8080 }));

type Backend = { address: string; port: number };

async function setServices(backends: readonly Backend[], affinitySeconds = 0): Promise<void> {
  const inside = { type: "ClusterIP", affinitySeconds, backends } as const;
  const outside = { type: "NodePort", affinitySeconds, port: NODE_PORT, backends } as const;
  const services: ServiceFrontend[] = [
    { id: 1, address: VIP, port: 80, protocol: TCP, ...inside },
    { id: 2, address: VIP, port: 53, protocol: UDP, ...inside },
    {
      ...inside,
      id: 3,
      address: "10.96.0.1",
      port: 443,
      protocol: TCP,
      backends: [{ address: "192.168.10.101", port: 6443 }],
    },
    ...lab.nodes.flatMap(({ config: { address } }, index) => [
      { ...outside, id: 4 + 2 * index, address, protocol: TCP },
      { ...outside, id: 5 + 2 * index, address, protocol: UDP },
    ]),
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
  await untilServing([a, b, c], 8080);
  await sleep(200);
});
afterAll(() => lab?.close());

describe("a service", () => {
  it("reaches all its backends, and the client sees only the service", async () => {
    await setServices(ends(b, c));
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
    await setServices(ends(b, c));
    for (let i = 0; i < 4; i++) {
      expect(a.run(`${probe} udp ${VIP} 53 3`).stdout.trim()).toBe(`3 ${VIP}`);
      expect(a.run(`${probe} udp ${VIP} 53 4000`).stdout.trim()).toBe(`4000 ${VIP}`);
    }
    await setServices([{ address: b.address, port: 9 }]);
    expect(a.run(`${probe} udp ${VIP} 53 1`).stdout.trim()).toBe("error ECONNREFUSED");
    await setServices([{ address: c.address, port: 9 }]);
    expect(a.run(`${probe} udp ${VIP} 53 1`).stdout.trim()).toBe("error ECONNREFUSED");
  });
  it("is judged by its backend's identity and port", async () => {
    await setServices(ends(c));
    await setPolicy(a, [entry({ direction: "egress", identity: 1003, protocol: TCP, port: 8080, portPrefix: 16 })]);
    expect(curl(a, `http://${VIP}/`).stdout).toBe(`103 ${a.address}`);
    await setPolicy(a, [entry({ direction: "egress", identity: 1003, protocol: TCP, port: 80, portPrefix: 16 })]);
    expect(curl(a, `http://${VIP}/`).status).toBe(28);
    await setPolicy(a, ALLOW_ALL, [], false);
  });
  it("reaches the client's own pod, past policy", async () => {
    await setServices(ends(a));
    await setPolicy(a, []);
    expect(curl(a, `http://${VIP}/`).stdout).toBe("101 169.254.42.1");
    await setPolicy(a, ALLOW_ALL, [], false);
  });
  it("refuses at once when it has no backend, and on ports that it has not: drop reason 158", async () => {
    await setServices([]);
    await a.node.call("events");
    expect([curl(a, `http://${VIP}/`).status, curl(a, `http://${VIP}:81/`).status]).toEqual([REFUSED, REFUSED]);
    expect(inNetns(a.node.netns, `curl -s -m 2 http://${VIP}/`).status).toBe(REFUSED);
    expect(a.run(`${probe} udp ${VIP} 53 3`).stdout.trim()).toBe("error ECONNREFUSED");
    const drops = await eventsOf(a.node, (event) => event.type === 1 && event.subtype === 158);
    expect(new Set(drops.map((event) => event.dport))).toEqual(new Set([53, 80, 81]));
  });
  it("serves the node itself: pods here and there, and a port of its own", async () => {
    await setServices(ends(b, c));
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

describe("an open connection", () => {
  it("lives on when its service loses its backends, and when it goes", async () => {
    await setServices(ends(c));
    const open = () => a.spawn(`curl -s -m 4 --limit-rate 2M -o /dev/null -w '%{size_download}' http://${VIP}/bulk`);
    const size = (child: ReturnType<typeof open>) =>
      new Promise<string>((resolve) => child.stdout?.on("data", (part: Buffer) => resolve(String(part))));
    const before = open();
    const sizes = size(before);
    await sleep(300);
    await setServices([]);
    expect(curl(a, `http://${VIP}/`).status).toBe(REFUSED);
    await sleep(300);
    for (const node of lab.nodes) await node.call("setServices", []);
    expect(await sizes).toBe(String(4 << 20));
  });
});

describe("session affinity", () => {
  const seen = (pod: Pod, count = 12) =>
    new Set(Array.from({ length: count }, () => curl(pod, `http://${VIP}/`).stdout.split(" ")[0]));

  it("keeps a client at its backend while that is one, whatever comes and goes beside it", async () => {
    await setServices(ends(b, c), 60);
    const [first] = seen(a, 1);
    expect([...seen(a)]).toEqual([first]);
    const chosen = first === "102" ? b : c;
    await setServices(
      [{ address: "172.20.1.2", port: 8080 }, ...ends(chosen), { address: "172.20.1.99", port: 8080 }],
      60,
    );
    expect([...seen(a)]).toEqual([first]);
    await setServices(ends(chosen === b ? c : b), 60);
    expect([...seen(a)]).not.toEqual([first]);
  });

  it("ends with its time, not before", async () => {
    await setServices(ends(b, c), 60);
    const [first] = seen(a, 1);
    const agedBy = async (seconds: number) => {
      await a.node.call("ageAffinity", seconds);
      return [...seen(a, 1)][0];
    };
    for (let round = 0; round < 6; round++) expect(await agedBy(40)).toBe(first);
    let next = first;
    for (let round = 0; next === first && round < 40; round++) next = await agedBy(61);
    expect(next).not.toBe(first);
  });
});

describe("a node's port", () => {
  const world = (command: string) => inNetns(lab.fabric, command).stdout.trim();
  const [here, there] = [() => lab.nodes[0].config.address, () => lab.nodes[1].config.address];
  const get = (address: string) => world(`curl -s -S --connect-timeout 1 -m 2 http://${address}:${NODE_PORT}/`);
  const CLIENT = "192.168.10.1";

  it("leads from outside to backends of its node and of others, which see the client's own address", async () => {
    for (const pod of [a, b, c]) await setPolicy(pod, ALLOW_ALL, [], false);
    await setServices(ends(b));
    expect([get(here()), get(there())]).toEqual([`102 ${CLIENT}`, `102 ${CLIENT}`]);
    await setServices(ends(c));
    expect([get(here()), get(there())]).toEqual([`103 ${CLIENT}`, `103 ${CLIENT}`]);
  });

  it("carries UDP and much data", async () => {
    await setServices(ends(c));
    expect(world(`${probe} udp ${here()} ${NODE_PORT} 3`)).toBe(`3 ${here()}`);
    expect(world(`curl -s -m 5 http://${here()}:${NODE_PORT}/bulk | wc -c`)).toBe(String(4 << 20));
  });

  it("leads to servers of nodes as well, this one or another, whose answers go back the same way", async () => {
    for (const node of lab.nodes)
      serveHttp(
        { ...a, id: 7, spawn: (command) => a.spawn(`nsenter --net=/run/netns/${node.netns} ${command}`) },
        6444,
      );
    await sleep(300);
    for (const server of [here(), there()]) {
      await setServices([{ address: server, port: 6444 }]);
      expect([get(here()), get(there())]).toEqual([`7 ${CLIENT}`, `7 ${CLIENT}`]);
    }
  });

  it("is told of errors on either side: nobody at the backend's port, and a path that takes less", async () => {
    await setServices([{ address: c.address, port: 9999 }]);
    for (const address of [here(), there()])
      expect(world(`${probe} udp ${address} ${NODE_PORT} 3`)).toBe("error ECONNREFUSED");
    await setServices(ends(c));
    // a client behind a router whose next link is narrow
    const narrow = "198.51.100.7";
    inNetns(lab.fabric, `ip link add narrow type veth peer name far && ip link set narrow up mtu 1300`);
    inNetns(
      lab.fabric,
      `ip netns add ${lab.fabric}-far && ip link set far netns ${lab.fabric}-far && ip addr add 198.51.100.1/24 dev narrow && sysctl -qw net.ipv4.ip_forward=1`,
    );
    inNetns(
      `${lab.fabric}-far`,
      `ip addr add ${narrow}/24 dev far && ip link set far up mtu 1300 && ip route add default via 198.51.100.1`,
    );
    try {
      for (const address of [here(), there()]) {
        const bulk = `curl -s -m 5 http://${address}:${NODE_PORT}/bulk | wc -c`;
        // the client says that it takes 1460 bytes, so that only the router's word can make the server send less
        inNetns(`${lab.fabric}-far`, "ip link set far mtu 1500");
        expect(inNetns(`${lab.fabric}-far`, bulk).stdout.trim()).toBe(String(4 << 20));
      }
    } finally {
      inNetns(lab.fabric, `ip netns del ${lab.fabric}-far`);
    }
  });

  it("is judged at the backend, by the client's identity and the backend's port", async () => {
    await setServices(ends(c));
    const allow = (identity: number, port: number) =>
      setPolicy(c, [entry({ direction: "egress" }), entry({ identity, protocol: TCP, port, portPrefix: 16 })]);
    await allow(2, 8080);
    expect(get(here())).toBe(`103 ${CLIENT}`);
    await allow(6, 8080);
    expect(get(here())).toBe("");
    await allow(2, NODE_PORT);
    expect(get(here())).toBe("");
    const dropped = await eventsOf(c.node, (event) => event.type === 1 && event.subtype === 133);
    expect(new Set(dropped.map((event) => [event.src, event.from, event.dport].join(" ")))).toEqual(
      new Set([`2 ${CLIENT} 8080`]),
    );
    await setPolicy(c, ALLOW_ALL, [], false);
  });

  it("leads from pods and from nodes, whichever node is named and wherever the backend is", async () => {
    const url = (address: string) => `http://${address}:${NODE_PORT}/`;
    for (const [backend, id] of [
      [b, 102],
      [c, 103],
    ] as const) {
      await setServices(ends(backend));
      for (const address of [here(), there()]) {
        expect(curl(a, url(address)).stdout).toBe(`${id} ${a.address}`);
        expect(inNetns(a.node.netns, `curl -s -m 2 ${url(address)}`).stdout).toMatch(new RegExp(`^${id} `));
      }
    }
  });

  it("is no way for a pod to pass for the world", async () => {
    // Only nodes may bring strangers: what a pod wraps itself never leaves it.
    await setServices(ends(c));
    await setPolicy(c, [entry({ direction: "egress" }), entry({ identity: 2 })]);
    expect(curl(a, `http://${c.address}:8080/`).status).toBe(28);
    expect(curl(a, `http://${there()}:${NODE_PORT}/`).status).toBe(28);
    await setPolicy(c, ALLOW_ALL, [], false);
  });
});
