import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Aggregation } from "../../src/datapath/port.ts";
import {
  allowAll,
  type Event,
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

const DROP = 1;
const TRACE = 4;
const VERDICT = 5;
const TCP = 6;
const UDP = 17;
const TO_ENDPOINT = 0;
const TO_STACK = 3;
const TO_OVERLAY = 4;
const FROM_ENDPOINT = 5;
const FROM_OVERLAY = 9;
const TO_NETWORK = 11;

let lab: Lab;
let a: Pod; // node 1
let b: Pod; // node 1
let c: Pod; // node 2

const ping = (from: Pod, to: string) => from.run(`${probe} ping ${to}`).stdout.trim();
const curl = (from: Pod, url: string) => from.run(`curl -s -S --connect-timeout 1 -m 2 ${url}`);
const fromNode = (pod: Pod, command: string) => inNetns(pod.node.netns, command);
const drops = (pod: Pod, reason: number) =>
  eventsOf(pod.node, (event: Event) => event.type === DROP && event.subtype === reason);
const egress = entry({ direction: "egress" });
const port80 = (identity: number) => entry({ identity, protocol: TCP, port: 80, portPrefix: 16 });

beforeAll(async () => {
  lab = await openLab();
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
  it("drops everything and says so", async () => {
    expect(ping(a, b.address)).toBe("");
    expect((await drops(a, 133)).length).toBeGreaterThan(0);
  });
});

describe("with everything allowed", () => {
  beforeEach(async () => {
    for (const pod of [a, b, c]) await allowAll(pod);
  });
  it("carries ping, UDP and HTTP on one node", () => {
    expect(ping(a, b.address)).toBe(`pong ${b.address}`);
    expect(a.run(`${probe} udp ${b.address} 53 3`).stdout.trim()).toBe(`3 ${b.address}`);
    expect(curl(a, `http://${b.address}/`).stdout).toBe(`${b.id} ${a.address}`);
  });
  it("carries ping, UDP and HTTP between nodes", () => {
    expect(ping(a, c.address)).toBe(`pong ${c.address}`);
    expect(a.run(`${probe} udp ${c.address} 53 3`).stdout.trim()).toBe(`3 ${c.address}`);
    expect(curl(a, `http://${c.address}/`).stdout).toBe(`${c.id} ${a.address}`);
    expect(curl(c, `http://${a.address}/`).stdout).toBe(`${a.id} ${c.address}`);
  });
  it("tells where packets went, identities and reply state included", async () => {
    curl(a, `http://${c.address}/`);
    const out = await eventsOf(a.node, (event) => event.type === TRACE && event.protocol === TCP);
    expect(out[0]).toMatchObject({
      subtype: TO_OVERLAY,
      src: 1001,
      dst: 1003,
      endpoint: 101,
      ctStatus: 0,
      tcpFlags: 2,
    });
    expect(out[1]).toMatchObject({
      subtype: TO_ENDPOINT,
      src: 1003,
      dst: 1001,
      endpoint: 101,
      ctStatus: 2,
      tcpFlags: 0x12,
    });
    const far = await eventsOf(c.node, (event) => event.type === TRACE && event.protocol === TCP);
    expect(far[0]).toMatchObject({ subtype: TO_ENDPOINT, src: 1001, dst: 1003, endpoint: 103 });
  });
  it("carries datagrams in fragments", () => {
    expect(a.run(`${probe} udp ${b.address} 53 4000`).stdout.trim()).toBe(`4000 ${b.address}`);
    expect(a.run(`${probe} udp ${c.address} 53 4000`).stdout.trim()).toBe(`4000 ${c.address}`);
  });
  it("carries bulk data between nodes through the smaller MTU", () => {
    const answer = curl(a, `http://${c.address}/bulk | wc -c`);
    expect(answer.stdout.trim()).toBe(String(4 << 20));
  });
  it("brings ICMP errors back to the sender", () => {
    expect(a.run(`${probe} udp ${b.address} 5353 1`).stdout.trim()).toBe("error ECONNREFUSED");
    expect(a.run(`${probe} udp ${c.address} 5353 1`).stdout.trim()).toBe("error ECONNREFUSED");
  });
  it("connects pods and nodes both ways", async () => {
    expect(fromNode(a, `curl -s -m 2 http://${a.address}/`).stdout).toBe(`${a.id} ${a.node.config.router}`);
    expect(fromNode(a, `curl -s -m 2 http://${c.address}/`).stdout).toBe(`${c.id} ${a.node.config.router}`);
    expect(ping(a, a.node.config.address)).toBe(`pong ${a.node.config.address}`);
    expect(ping(a, c.node.config.address)).toBe(`pong ${c.node.config.address}`);
    const seen = await eventsOf(
      a.node,
      (event) => event.type === TRACE && event.protocol === 1 && event.to === a.node.config.address,
    );
    expect(seen[0]).toMatchObject({ subtype: TO_STACK, src: 1001, dst: 1 });
    const far = await eventsOf(c.node, (event) => event.type === TRACE && event.to === c.address);
    expect(far[0]).toMatchObject({ src: 6, dst: 1003 });
  });
  it("connects pods and the world both ways", () => {
    expect(ping(a, "192.168.10.1")).toBe("pong 192.168.10.1");
    expect(inNetns(lab.fabric, `curl -s -m 2 http://${b.address}/`).stdout).toBe(`${b.id} 192.168.10.1`);
  });
  it("drops forged sources, VXLAN from a pod, unknown protocols, and pods' addresses nobody has", async () => {
    a.run(`${probe} raw ${c.address} ${b.address} 17 1234003500080000`);
    expect(await drops(a, 132)).toHaveLength(1);
    a.run(`${probe} raw ${a.address} ${c.node.config.address} 17 1234211800080000`);
    expect(await drops(a, 170)).toHaveLength(1);
    a.run(`${probe} raw ${a.address} ${b.address} 47 0000000000000000`);
    expect(await drops(a, 137)).toHaveLength(1);
    a.run(`${probe} raw ${a.address} 172.20.9.9 17 1234003500080000`);
    expect(await drops(a, 150)).toHaveLength(1);
  });
  it("drops encapsulated packets whose inner source is another node's", async () => {
    // The fabric is no node: it may not speak for c's address.
    inNetns(
      lab.fabric,
      "ip link add vx0 type vxlan id 1002 remote 192.168.10.101 dstport 8472 dev br0; ip link set vx0 up; ip addr add 172.20.2.12/32 dev vx0; ip route add 172.20.1.11 dev vx0; ip neigh add 172.20.1.11 lladdr 02:00:00:00:00:01 dev vx0",
    );
    inNetns(lab.fabric, `${probe} raw ${c.address} ${b.address} 17 1234003500080000`);
    expect(await drops(b, 172)).toHaveLength(1);
    inNetns(lab.fabric, "ip link del vx0");
  });
});

describe("policy", () => {
  beforeEach(async () => {
    for (const pod of [a, b, c]) await allowAll(pod);
  });
  it("drops a SYN that no entry allows, verdict first, then the drop", async () => {
    await setPolicy(b, [egress, port80(9999)]);
    expect(curl(a, `http://${b.address}/`).status).toBe(28);
    const seen = await eventsOf(b.node, (event) => event.dport === 80 && event.type !== TRACE);
    expect(seen[0]).toMatchObject({
      type: VERDICT,
      direction: 1,
      endpoint: b.id,
      src: 1001,
      verdict: -133,
      match: 0,
      cookie: 42,
    });
    const dropped = { type: DROP, subtype: 133, src: 1001, dst: 1002, endpoint: b.id, file: "policy.h" };
    expect(seen[1]).toMatchObject({ ...dropped, line: expect.any(Number) });
    expect(curl(c, `http://${b.address}/`).status).toBe(28);
  });
  it("allows by identity and port, across nodes too, and answers need no rule", async () => {
    await setPolicy(b, [port80(1001), port80(1003)]);
    expect(curl(a, `http://${b.address}/`).stdout).toContain("102");
    const [verdict] = await eventsOf(b.node, (event) => event.type === VERDICT);
    expect(verdict).toMatchObject({ verdict: 0, match: 2, cookie: 42, endpoint: b.id, direction: 1 });
    expect(curl(c, `http://${b.address}/`).stdout).toContain("102");
    expect(curl(b, `http://${a.address}/`).status).toBe(28); // b may answer, not ask
  });
  it("denies over an allow, with its own reason", async () => {
    await setPolicy(b, [egress, entry({}), entry({ identity: 1001, deny: true, precedence: 9 })]);
    expect(curl(a, `http://${b.address}/`).status).toBe(28);
    expect((await drops(b, 181)).length).toBeGreaterThan(0);
    expect(curl(c, `http://${b.address}/`).stdout).toContain("102");
  });
  it("judges egress on the destination's identity", async () => {
    await setPolicy(a, [
      entry({}),
      entry({ direction: "egress", identity: 1003, protocol: TCP, port: 80, portPrefix: 16 }),
    ]);
    expect(curl(a, `http://${c.address}/`).stdout).toContain("103");
    expect(curl(a, `http://${b.address}/`).status).toBe(28);
    expect(ping(a, "192.168.10.1")).toBe("");
  });
  it("lets ICMP through by type, and ports by prefix", async () => {
    await setPolicy(b, [
      egress,
      entry({ protocol: 1, port: 8, portPrefix: 16 }),
      entry({ protocol: UDP, port: 48, portPrefix: 12 }),
    ]);
    expect(ping(a, b.address)).toBe(`pong ${b.address}`);
    expect(a.run(`${probe} udp ${b.address} 53 1`).stdout).toContain(b.address);
    expect(curl(a, `http://${b.address}/`).status).toBe(28);
  });
  it("cuts an open connection when the policy tightens", async () => {
    const held = a.spawn(`${process.execPath} -e '
      const s = require("net").connect(80, "${b.address}"); s.on("data", () => console.log("data"));
      const ask = () => s.write("GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); process.stdin.on("data", ask)'`);
    let answers = 0;
    held.stdout?.on("data", () => answers++);
    await sleep(200);
    held.stdin?.write("x");
    await sleep(150);
    expect(answers).toBe(1);
    await setPolicy(b, [egress, port80(9999)]);
    held.stdin?.write("x");
    await sleep(300);
    expect(answers).toBe(1);
    expect((await drops(b, 133)).length).toBeGreaterThan(0);
    await allowAll(b);
    await sleep(1200); // the client's next retransmission
    expect(answers).toBe(2);
  });
  it("always lets the host reach its pods, unless a rule denies it", async () => {
    await setPolicy(b, [egress, entry({ identity: 1 }), port80(1001)]);
    expect(fromNode(b, `curl -s -m 2 http://${b.address}/`).stdout).toContain("102");
    await setPolicy(b, [egress, entry({ identity: 1 }), entry({ identity: 1, deny: true, precedence: 9 })]);
    expect(fromNode(b, `curl -s -m 1 http://${b.address}/`).status).toBe(28);
  });
  it("judges what the stack would route straight into a veth", async () => {
    await setPolicy(b, [egress]);
    fromNode(
      b,
      `ip route add ${b.address} dev lxc102; ip neigh add ${b.address} lladdr 02:00:00:00:00:09 dev lxc102 nud permanent`,
    );
    expect(fromNode(b, `curl -s -m 1 http://${b.address}/`).status).toBe(28);
    fromNode(b, `ip route del ${b.address} dev lxc102`);
  });
});

describe("a pod that goes", () => {
  it("takes its connections along: the next pod with its address inherits nothing", async () => {
    for (const pod of [a, b, c]) await allowAll(pod);
    const d = await lab.pod(b.node, 104, 1004, 14);
    await allowAll(d);
    // d asks a; a may only answer.
    await setPolicy(a, [entry({})]);
    d.spawn(`${probe} udp-serve 7777`);
    await sleep(200);
    expect(d.run(`${probe} udp ${a.address} 53 3`).stdout.trim()).toBe(`3 ${a.address}`);
    expect(await b.node.call<number>("tracked", d.address)).toBeGreaterThan(0);
    await d.node.call("removeEndpoint", d.id);
    expect(await b.node.call<number>("tracked", d.address)).toBe(0);
    expect(ping(b, d.address)).toBe("");
    expect((await drops(b, 150)).length).toBeGreaterThan(0);
    expect((await b.node.call<{ id: number }[]>("listEndpoints")).map((one) => one.id).sort()).toEqual([101, 102]);
  });
});

describe("a dead agent", () => {
  it("leaves verdicts standing, and its successor adopts them without a gap", async () => {
    for (const pod of [a, c]) await allowAll(pod);
    await setPolicy(b, [egress, port80(1001)]);
    await b.node.kill();
    expect(curl(a, `http://${b.address}/`).stdout).toContain("102");
    expect(curl(c, `http://${b.address}/`).status).toBe(28);
    await b.node.start();
    const rows = await b.node.call<object[]>("dumpPolicy", b.id);
    const kept = {
      deny: false,
      direction: "ingress",
      identity: 1001,
      protocol: TCP,
      port: 80,
      portPrefix: 16,
      cookie: 42,
    };
    expect(rows).toContainEqual(expect.objectContaining(kept));
    expect((await b.node.call<{ id: number }[]>("listEndpoints")).map((one) => one.id).sort()).toEqual([101, 102]);
    expect(curl(a, `http://${b.address}/`).stdout).toContain("102");
    expect(curl(c, `http://${b.address}/`).status).toBe(28);
    await b.node.call("watch");
  });
  it("traces the packets that say something new, or every one when it is told to", async () => {
    for (const pod of [a, b, c]) await allowAll(pod);
    await b.node.call("setAggregation", Aggregation.Medium);
    await eventsOf(b.node, () => false);
    expect(curl(a, `http://${b.address}/bulk | wc -c`).stdout.trim()).toBe(String(4 << 20));
    const seen = await eventsOf(b.node, (event) => event.type === TRACE && event.protocol === TCP);
    expect(seen.length).toBeGreaterThan(4);
    expect(seen.length).toBeLessThan(20);
    expect(seen.filter((event) => event.tcpFlags & 1).length).toBeGreaterThan(1);
    await b.node.call("setAggregation", Aggregation.Low);
    expect(curl(a, `http://${b.address}/bulk | wc -c`).stdout.trim()).toBe(String(4 << 20));
    const every = await eventsOf(b.node, (event) => event.type === TRACE && event.protocol === TCP);
    expect(every.length).toBeGreaterThan(50);
    const arrivals = (event: Event) =>
      event.type === TRACE && event.subtype >= FROM_ENDPOINT && event.subtype < TO_NETWORK;
    expect(every.filter(arrivals)).toEqual([]);
    await b.node.call("setAggregation", Aggregation.None);
    expect(curl(a, `http://${b.address}/`).status).toBe(0);
    expect(curl(c, `http://${b.address}/`).status).toBe(0);
    const both = await eventsOf(b.node, (event) => arrivals(event) && event.protocol === TCP);
    expect(new Set(both.map(({ subtype }) => subtype))).toEqual(new Set([FROM_ENDPOINT, FROM_OVERLAY]));
    await b.node.call("setAggregation", Aggregation.Low);
  });
});
