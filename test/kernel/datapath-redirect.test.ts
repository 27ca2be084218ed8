import { spawn } from "node:child_process";
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
  serveHttp,
  setPolicy,
  sleep,
  untilServing,
} from "./datapath-lab.ts";

const TCP = 6;
const INGRESS_PORT = 15001;
const EGRESS_PORT = 15002;
const VIP = "10.96.0.50";

let lab: Lab;
let a: Pod; // node 1
let b: Pod; // node 1
let c: Pod; // node 2

const curl = (from: Pod, url: string) => from.run(`curl -s -S --connect-timeout 1 -m 2 ${url}`);
const accepted = (pod: Pod) => pod.node.call<Record<string, unknown>[]>("accepted");
const ingressRule = entry({ protocol: TCP, port: 80, portPrefix: 16, redirect: "in", precedence: 2 });
const egressRule = entry({
  direction: "egress",
  protocol: TCP,
  port: 80,
  portPrefix: 16,
  redirect: "out",
  precedence: 2,
});

async function redirectIngress(pod: Pod): Promise<void> {
  await setPolicy(pod, [entry({ direction: "egress" }), entry({ identity: 1 }), ingressRule], [["in", INGRESS_PORT]]);
}

async function redirectEgress(pod: Pod): Promise<void> {
  await setPolicy(pod, [entry({}), entry({ direction: "egress" }), egressRule], [["out", EGRESS_PORT]]);
}

beforeAll(async () => {
  lab = await openLab();
  const [one, two] = lab.nodes;
  a = await lab.pod(one, 101, 1001, 10);
  b = await lab.pod(one, 102, 1002, 11);
  c = await lab.pod(two, 103, 1003, 12);
  for (const node of lab.nodes) {
    await node.call("listen", INGRESS_PORT, PROXY_MARK_INGRESS);
    await node.call("listen", EGRESS_PORT, PROXY_MARK_EGRESS);
    const backends = [{ address: b.address, port: 80 }];
    await node.call("setServices", [{ id: 1, address: VIP, port: 80, protocol: TCP, backends }]);
  }
  for (const pod of [a, b, c]) serveHttp(pod, 80);
  await untilServing([a, b, c], 80);
});
afterAll(() => lab?.close());
beforeEach(async () => {
  for (const pod of [a, b, c]) await allowAll(pod);
  for (const pod of [a, c]) await accepted(pod);
});

describe("an ingress redirect", () => {
  beforeEach(() => redirectIngress(b));

  it.each([
    ["the same node", () => a],
    ["another node", () => c],
  ])("takes a client of %s through the proxy, client address kept", async (_, client) => {
    for (let i = 0; i < 3; i++)
      expect(curl(client(), `http://${b.address}/`).stdout).toBe(`${b.id} ${client().address}`);
    const seen = await accepted(b);
    expect(seen).toHaveLength(3);
    expect(seen[0]).toEqual({
      client: client().address,
      server: b.address,
      port: 80,
      origin: { sourceIdentity: client().identity, destinationIdentity: 1002, endpoint: b.id, direction: "ingress" },
    });
  });
  it("works through a service", async () => {
    expect(curl(a, `http://${VIP}/`).stdout).toBe(`${b.id} ${a.address}`);
    expect(curl(c, `http://${VIP}/`).stdout).toBe(`${b.id} ${c.address}`);
    expect(await accepted(b)).toHaveLength(2);
  });
  it("takes clients of the world, and carries bulk data", async () => {
    expect(inNetns(lab.fabric, `curl -s -m 2 http://${b.address}/`).stdout).toBe(`${b.id} 192.168.10.1`);
    expect(curl(c, `http://${b.address}/bulk | wc -c`).stdout.trim()).toBe(String(4 << 20));
    expect(await accepted(b)).toHaveLength(2);
  });
  it("tells the proxy who an open connection's client has become, once its next packet was judged", async () => {
    const held = spawn("nsenter", [`--net=/run/netns/${lab.fabric}`, "bash", "-c", `cat >/dev/tcp/${b.address}/80`]);
    const gateway = (identity: number) => b.node.call("upsertIpcache", "192.168.10.1/32", { identity });
    const says = async (word: string) => {
      held.stdin.write(word);
      await sleep(100);
      return accepted(b);
    };
    /** The same where something must come of it: the client may be slow to start, and the proxy to be told. */
    const tells = async (word: string) => {
      let heard = await says(word);
      for (let tries = 0; heard.length === 0 && tries < 30; tries++) {
        await sleep(100);
        heard = await accepted(b);
      }
      return heard;
    };
    try {
      expect(await tells("GET / ")).toMatchObject([{ origin: { sourceIdentity: 2 } }]);
      expect(await says("HTTP")).toEqual([]);
      await gateway(16_777_217);
      expect(await tells("/1.1")).toEqual([{ client: "192.168.10.1", became: 16_777_217 }]);
      await gateway(2);
      expect(await tells("\r\n")).toEqual([{ client: "192.168.10.1", became: 2 }]);
    } finally {
      held.kill();
      await gateway(2);
    }
  });
  it("does not bother the host's probes", async () => {
    expect(inNetns(b.node.netns, `curl -s -m 2 http://${b.address}/`).stdout).toBe(`${b.id} ${b.node.config.router}`);
    expect(await accepted(b)).toHaveLength(0);
  });
  it("reports the redirect's verdict and the way to the proxy", async () => {
    await b.node.call("events");
    curl(a, `http://${b.address}/`);
    // what the host asked before may be told only now
    const seen = await eventsOf(b.node, (event) => event.dport === 80 && event.src === 1001);
    expect(seen.find((event) => event.type === 5)).toMatchObject({
      direction: 1,
      verdict: INGRESS_PORT,
      match: 3,
      src: 1001,
    });
    expect(seen.find((event) => event.type === 4)).toMatchObject({
      subtype: 1,
      endpoint: b.id,
      verdict: INGRESS_PORT,
      dst: 1002,
    });
  });
  it("denies before the proxy", async () => {
    const deny = entry({ identity: 1001, deny: true, precedence: 9 });
    await setPolicy(b, [entry({ direction: "egress" }), ingressRule, deny], [["in", INGRESS_PORT]]);
    expect(curl(a, `http://${b.address}/`).status).toBe(28);
    expect(curl(c, `http://${b.address}/`).stdout).toContain("102");
  });
  it("drops what has no acknowledged port", async () => {
    await setPolicy(b, [ingressRule]);
    expect(curl(a, `http://${b.address}/`).status).toBe(28);
  });
});

describe("an egress redirect", () => {
  it.each([
    ["the same node", () => b],
    ["another node", () => c],
  ])("takes connections to %s through the proxy", async (_, server) => {
    await redirectEgress(a);
    for (let i = 0; i < 3; i++)
      expect(curl(a, `http://${server().address}/`).stdout).toBe(`${server().id} ${a.address}`);
    const seen = await accepted(a);
    expect(seen).toHaveLength(3);
    expect(seen[0]).toMatchObject({ origin: { endpoint: a.id, direction: "egress", sourceIdentity: 1001 } });
  });
  it("has the destination's ingress judged for the pod's identity", async () => {
    await redirectEgress(a);
    await setPolicy(b, [entry({ identity: 1003 })]);
    await setPolicy(c, [entry({ identity: 1002 })]);
    expect(curl(a, `http://${b.address}/`).stdout).toBe("");
    expect(curl(a, `http://${c.address}/`).stdout).toBe("");
    await setPolicy(c, [entry({ identity: 1001 })]);
    expect(curl(a, `http://${c.address}/`).stdout).toBe(`${c.id} ${a.address}`);
  });
  it("meets an ingress redirect on the same node and on another", async () => {
    await redirectEgress(a);
    await redirectIngress(b);
    await redirectIngress(c);
    expect(curl(a, `http://${b.address}/`).stdout).toBe(`${b.id} ${a.address}`);
    expect((await accepted(a)).map((one) => (one["origin"] as { direction: string }).direction).sort()).toEqual([
      "egress",
      "ingress",
    ]);
    expect(curl(a, `http://${c.address}/`).stdout).toBe(`${c.id} ${a.address}`);
    expect(await accepted(c)).toHaveLength(1);
    expect(curl(a, `http://${VIP}/`).stdout).toBe(`${b.id} ${a.address}`);
  });
  it("reaches the world and the node through the proxy", async () => {
    await redirectEgress(a);
    a.spawn(
      `nsenter --net=/run/netns/${lab.fabric} ${process.execPath} -e 'require("http").createServer((q,r)=>r.end("world")).listen(80)'`,
    );
    a.spawn(
      `nsenter --net=/run/netns/${a.node.netns} ${process.execPath} -e 'require("http").createServer((q,r)=>r.end("node")).listen(80)'`,
    );
    await sleep(300);
    expect(curl(a, "http://192.168.10.1/").stdout).toBe("world");
    expect(curl(a, `http://${a.node.config.address}/`).stdout).toBe("node");
    expect(await accepted(a)).toHaveLength(2);
  });
});

describe("a client's port that is used again at once", () => {
  const answerOf = (server: Pod, client: Pod) => new RegExp(`^HTTP/1.1 200 .*\r\n${server.id} ${client.address}$`, "s");
  const kept = (node: Pod) => inNetns(node.node.netns, "ss -Htn state time-wait sport = :80 and dport = :41000").stdout;

  it.each([
    ["the same node, ingress", () => [a, b], () => redirectIngress(b)],
    ["another node, ingress", () => [c, b], () => redirectIngress(b)],
    ["the same node, egress", () => [a, b], () => redirectEgress(a)],
  ] as const)("is answered again and again: %s", async (_, pods, redirect) => {
    const [client, server] = pods() as [Pod, Pod];
    await redirect();
    for (let time = 0; time < 3; time++) {
      expect(askFromOnePort(client, server.address)).toMatch(answerOf(server, client));
      expect(kept(server)).toContain(`${client.address}:41000`);
    }
    expect(await accepted(server)).toHaveLength(3);
  });
  it("meets no other listener of the node, and the policy of its moment", async () => {
    await redirectIngress(c);
    await c.node.call("listen", 80, PROXY_MARK_INGRESS);
    for (let time = 0; time < 3; time++) expect(askFromOnePort(a, c.address)).toMatch(answerOf(c, a));
    expect(await c.node.call("accepted", 80)).toEqual([]);
    expect(await c.node.call("accepted", INGRESS_PORT)).toHaveLength(3);
    await setPolicy(c, [ingressRule, entry({ identity: 1001, deny: true, precedence: 9 })], [["in", INGRESS_PORT]]);
    expect(kept(c)).toContain(`${a.address}:41000`);
    expect(askFromOnePort(a, c.address)).toBe("");
  });
});

describe("a dead proxy", () => {
  it("closes what it guarded and nothing else", async () => {
    await redirectIngress(b);
    await b.node.call("unlisten");
    await b.node.call("events");
    expect(curl(a, `http://${b.address}/`).status).toBe(28);
    const drops = await eventsOf(b.node, (event) => event.type === 1);
    expect(drops[0]).toMatchObject({ subtype: 180, src: 1001, dst: 1002 });
    expect(curl(a, `http://${c.address}/`).stdout).toContain("103");
  });
  it("is not replaced by another program that listens at its port, but by the next proxy", async () => {
    await redirectIngress(b);
    await b.node.call("unlisten");
    await b.node.call("listen", INGRESS_PORT, 0);
    await b.node.call("events");
    expect(curl(a, `http://${b.address}/`).status).toBe(28);
    expect(await accepted(b)).toEqual([]);
    const drops = await eventsOf(b.node, (event) => event.type === 1);
    expect(drops[0]).toMatchObject({ subtype: 180, src: 1001, dst: 1002 });
    await b.node.call("unlisten");
    await b.node.call("listen", INGRESS_PORT, PROXY_MARK_INGRESS);
    expect(curl(a, `http://${b.address}/`).stdout).toBe(`${b.id} ${a.address}`);
  });
});
