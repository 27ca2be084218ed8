import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { PROXY_MARK_EGRESS, PROXY_MARK_INGRESS } from "../../src/model/proxy-mark.ts";
import {
  allowAll,
  askFromOnePort,
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
  untilAnswered,
  untilServing,
} from "./datapath-lab.ts";

const DROP = 1;
const VERDICT = 5;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;
const WORLD_IPV6 = 10;

let lab: Lab;
let a: Pod; // node 1
let b: Pod; // node 1
let c: Pod; // node 2

const ping = (from: Pod, to: string) => from.run(`${probe} ping ${to}`).stdout.trim();
const curl = (from: Pod, address: string, path = "") =>
  from.run(`curl -s -S --connect-timeout 1 -m 2 'http://[${address}]/${path}'`);
const fromNode = (pod: Pod, command: string) => inNetns(pod.node.netns, command);
const egress = entry({ direction: "egress" });
const port80 = (identity: number) => entry({ identity, protocol: TCP, port: 80, portPrefix: 16 });

beforeAll(async () => {
  lab = await openLab({ ipv6: true });
  const [one, two] = lab.nodes;
  a = await lab.pod(one, 101, 1001, 10);
  b = await lab.pod(one, 102, 1002, 11);
  c = await lab.pod(two, 103, 1003, 12);
  for (const pod of [a, b, c]) {
    serveHttp(pod, 80);
    pod.spawn(`${probe} udp-serve 53`);
  }
  await untilServing([a, b, c], 80);
  await sleep(200);
});
afterAll(() => lab?.close());
beforeEach(async () => {
  await sleep(40); // the last packets of the test before
  for (const node of lab.nodes) await node.call("events");
});

describe("before any policy", () => {
  it("drops everything, and nothing that kernels say by themselves is shown", async () => {
    expect(ping(a, b.address6)).toBe("");
    const seen = await eventsOf(a.node, () => true);
    expect(seen.filter((event) => event.type === DROP)).not.toEqual([]);
    expect(seen.filter((event) => event.type === DROP && event.subtype !== 133)).toEqual([]);
    expect(new Set(seen.map((event) => event.to))).toEqual(new Set([b.address6]));
  });
});

describe("with everything allowed", () => {
  beforeEach(async () => {
    for (const pod of [a, b, c]) await allowAll(pod);
  });
  it.each([
    ["on one node", () => b],
    ["between nodes", () => c],
  ])("carries ping, UDP, fragments and HTTP %s", (_, to) => {
    const pod = to();
    expect(ping(a, pod.address6)).toBe(`pong ${pod.address6}`);
    expect(a.run(`${probe} udp ${pod.address6} 53 3`).stdout.trim()).toBe(`3 ${pod.address6}`);
    expect(a.run(`${probe} udp ${pod.address6} 53 4000`).stdout.trim()).toBe(`4000 ${pod.address6}`);
    expect(curl(a, pod.address6).stdout).toBe(`${pod.id} ${a.address6}`);
    expect(a.run(`curl -s -m 4 'http://[${pod.address6}]/bulk' | wc -c`).stdout.trim()).toBe(String(4 << 20));
  });
  it("carries IPv4 beside it", () => {
    expect(a.run(`curl -s -m 2 http://${c.address}/`).stdout).toBe(`${c.id} ::ffff:${a.address}`);
  });
  it("brings ICMP errors back to the sender", () => {
    expect(a.run(`${probe} udp ${b.address6} 5353 1`).stdout.trim()).toBe("error ECONNREFUSED");
    expect(a.run(`${probe} udp ${c.address6} 5353 1`).stdout.trim()).toBe("error ECONNREFUSED");
  });
  it("connects pods and nodes both ways, and with the world", () => {
    const own = a.node.config.ipv6!;
    expect(fromNode(a, `curl -s -m 2 'http://[${a.address6}]/'`).stdout).toBe(`${a.id} ${own.router}`);
    expect(fromNode(a, `curl -s -m 2 'http://[${c.address6}]/'`).stdout).toBe(`${c.id} ${own.router}`);
    expect(ping(a, own.address)).toBe(`pong ${own.address}`);
    expect(ping(a, c.node.config.ipv6!.address)).toBe(`pong ${c.node.config.ipv6!.address}`);
    expect(ping(a, "fd00:192:168:10::1")).toBe("pong fd00:192:168:10::1");
  });
  it("tells the worlds of the families apart", async () => {
    inNetns(lab.fabric, `curl -s -m 1 'http://[${a.address6}]/'`);
    const seen = await eventsOf(a.node, (event) => event.to === a.address6 && event.src === WORLD_IPV6);
    expect(seen).not.toEqual([]);
  });
});

describe("policy", () => {
  beforeEach(async () => {
    for (const pod of [a, b, c]) await allowAll(pod);
  });
  it("allows a port to an identity in both families and nothing else", async () => {
    await setPolicy(b, [port80(1001), egress]);
    expect(curl(a, b.address6).stdout).toBe(`${b.id} ${a.address6}`);
    expect(a.run(`curl -s -m 2 http://${b.address}/`).stdout).toContain(String(b.id));
    expect(curl(c, b.address6).status).not.toBe(0);
    expect(ping(a, b.address6)).toBe("");
    const verdicts = await eventsOf(b.node, (event) => event.type === VERDICT && event.to === b.address6);
    expect(verdicts.map(({ src, protocol, verdict }) => [src, protocol, verdict])).toEqual(
      expect.arrayContaining([
        [1001, TCP, 0],
        [1003, TCP, -133],
        [1001, ICMPV6, -133],
      ]),
    );
  });
  it("knows ICMPv6 by its types", async () => {
    await setPolicy(b, [entry({ protocol: ICMPV6, port: 128, portPrefix: 16 }), egress]);
    expect(ping(a, b.address6)).toBe(`pong ${b.address6}`);
    await setPolicy(b, [entry({ protocol: 1, port: 8, portPrefix: 16 }), egress]);
    expect(ping(a, b.address6)).toBe("");
    expect(ping(a, b.address)).toBe(`pong ${b.address}`);
  });
  it("cuts an open connection when it tightens", async () => {
    await setPolicy(b, [port80(1001), egress]);
    const answersOf = async (between: () => Promise<unknown>) => {
      const client = a.spawn(`${probe} twice ${b.address6} 80`);
      let answers = "";
      client.stdout?.on("data", (part) => {
        answers += part;
      });
      await untilAnswered(() => answers !== "");
      await between();
      await new Promise((resolve) => client.once("exit", resolve));
      return answers;
    };
    expect(await answersOf(async () => {})).toBe("answer 1\nanswer 2\n");
    expect(await answersOf(() => setPolicy(b, [egress]))).toBe("answer 1\n");
  });
});

describe("services", () => {
  const VIP = "fd00:10:96::a";
  const service = (backends: Pod[], type = "ClusterIP", address = VIP, port = 80) => ({
    id: type === "NodePort" ? 2 : 1,
    address,
    port,
    protocol: TCP,
    type,
    affinitySeconds: 0,
    backends: backends.map((pod) => ({ address: pod.address6, port: 80 })),
  });
  const setServices = async (...services: ReturnType<typeof service>[]) => {
    for (const node of lab.nodes) await node.call("setServices", services);
  };
  beforeEach(async () => {
    for (const pod of [a, b, c]) await allowAll(pod);
  });

  it("lead pods and nodes to backends, here and elsewhere, and a pod to itself", async () => {
    await setServices(service([c]));
    expect(curl(a, VIP).stdout).toBe(`${c.id} ${a.address6}`);
    expect(fromNode(a, `curl -s -m 2 'http://[${VIP}]/'`).stdout).toBe(`${c.id} ${a.node.config.ipv6!.router}`);
    await setServices(service([b]));
    expect(curl(a, VIP).stdout).toBe(`${b.id} ${a.address6}`);
    expect(curl(b, VIP).stdout).toMatch(new RegExp(`^${b.id} fd5e:`));
  });
  it("answer at a node's port from the fabric, with the client's address kept", async () => {
    const address = a.node.config.ipv6!.address;
    await setServices(service([b], "NodePort", address, 30080));
    expect(inNetns(lab.fabric, `curl -s -m 2 'http://[${address}]:30080/'`).stdout).toBe(`${b.id} fd00:192:168:10::1`);
    await setServices(service([c], "NodePort", address, 30080));
    expect(inNetns(lab.fabric, `curl -s -m 2 'http://[${address}]:30080/'`).stdout).toBe(`${c.id} fd00:192:168:10::1`);
  });
  it("refuse at once where no backend is: a pod, the node, the world", async () => {
    const address = a.node.config.ipv6!.address;
    await setServices(service([]), service([], "NodePort", address, 30080));
    const REFUSED = 7; // curl's word for it: no connection, and no time went by
    expect(curl(a, VIP).status).toBe(REFUSED);
    expect(fromNode(a, `curl -sS -m 2 'http://[${VIP}]/'`).status).toBe(REFUSED);
    expect(inNetns(lab.fabric, `curl -sS -m 2 'http://[${address}]:30080/'`).status).toBe(REFUSED);
    const drops = await eventsOf(a.node, (event) => event.type === DROP && event.subtype === 158);
    expect(drops.length).toBeGreaterThanOrEqual(3);
    await setServices({ ...service([]), protocol: UDP });
    expect(a.run(`${probe} udp ${VIP} 80 1`).stdout.trim()).toBe("error ECONNREFUSED");
    expect(fromNode(a, `${probe} udp ${VIP} 80 1`).stdout.trim()).toBe("error ECONNREFUSED");
  });
  it("put the frontend back into ICMP errors", async () => {
    const dead = { ...service([b]), protocol: UDP, port: 5353, backends: [{ address: b.address6, port: 5354 }] };
    await setServices(dead);
    expect(a.run(`${probe} udp ${VIP} 5353 1`).stdout.trim()).toBe("error ECONNREFUSED");
  });
});

describe("a client's port that is used again at once", () => {
  const INGRESS_PORT = 15001;
  const EGRESS_PORT = 15002;
  const judged = { protocol: TCP, port: 80, portPrefix: 16, precedence: 2 };

  beforeAll(async () => {
    for (const node of [a.node, c.node]) {
      await node.call("listen", INGRESS_PORT, PROXY_MARK_INGRESS);
      await node.call("listen", EGRESS_PORT, PROXY_MARK_EGRESS);
    }
  });
  beforeEach(async () => {
    for (const pod of [a, b, c]) await allowAll(pod);
    for (const pod of [a, c]) await pod.node.call("accepted");
  });

  it.each([
    ["the same node, ingress", () => [a, b], "in"],
    ["another node, ingress", () => [c, b], "in"],
    ["the same node, egress", () => [a, b], "out"],
  ] as const)("is answered again and again: %s", async (_, pods, redirect) => {
    const [client, server] = pods() as [Pod, Pod];
    if (redirect === "in")
      await setPolicy(server, [egress, entry({ ...judged, redirect })], [[redirect, INGRESS_PORT]]);
    else {
      const rule = entry({ ...judged, direction: "egress", redirect });
      await setPolicy(client, [entry({}), egress, rule], [[redirect, EGRESS_PORT]]);
    }
    for (let time = 0; time < 3; time++) {
      expect(askFromOnePort(client, server.address6)).toContain(`${server.id} ${client.address6}`);
      const kept = fromNode(server, "ss -6Htn state time-wait sport = :80 and dport = :41000").stdout;
      expect(kept).toContain(`[${client.address6}]:41000`);
    }
    const seen = await server.node.call<Record<string, unknown>[]>("accepted");
    expect(seen.map(({ client: from }) => from)).toEqual([client, client, client].map(({ address6 }) => address6));
  });
  it("meets no other listener of the node", async () => {
    await setPolicy(c, [egress, entry({ ...judged, redirect: "in" })], [["in", INGRESS_PORT]]);
    await c.node.call("listen", 80, PROXY_MARK_INGRESS);
    for (let time = 0; time < 3; time++) expect(askFromOnePort(a, c.address6)).toContain(`${c.id} ${a.address6}`);
    expect(await c.node.call("accepted", 80)).toEqual([]);
    expect(await c.node.call("accepted", INGRESS_PORT)).toHaveLength(3);
  });
});
