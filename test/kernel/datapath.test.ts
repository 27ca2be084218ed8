import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ALLOW_ALL, entry, eventsOf, inNetns, type Lab, openLab, type Pod, policy } from "./datapath-lab.ts";

const DROP = 1;
const VERDICT = 5;
const TCP = 6;

let lab: Lab;
let a: Pod; // node 1
let b: Pod; // node 1
let c: Pod; // node 2

const allowAll = (pod: Pod) => pod.node.call("setPolicy", pod.id, policy(ALLOW_ALL, [], false));
const ping = (from: Pod, to: string) => from.run(`ping -c 1 -W 1 ${to}`).status === 0;
const curl = (from: Pod, url: string) => from.run(`curl -s -S --connect-timeout 1 -m 2 ${url}`);

beforeAll(async () => {
  lab = await openLab();
  const [one, two] = lab.nodes;
  a = await lab.pod(one, 101, 1001, 10);
  b = await lab.pod(one, 102, 1002, 11);
  c = await lab.pod(two, 103, 1003, 12);
  for (const pod of [a, b, c]) {
    pod.spawn(
      `${process.execPath} -e 'require("http").createServer((q,r)=>r.end("${pod.id} "+q.socket.remoteAddress)).listen(80,"0.0.0.0")'`,
    );
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
});
afterAll(() => lab?.close());

describe("before any policy", () => {
  it("drops everything", async () => {
    expect(ping(a, b.address)).toBe(false);
    const drops = await eventsOf(lab.nodes[0], (event) => event.type === DROP && event.endpoint === a.id);
    expect(drops.map((event) => event.subtype)).toContain(133);
  });
});

describe("with everything allowed", () => {
  beforeEach(async () => {
    for (const pod of [a, b, c]) await allowAll(pod);
  });
  it("carries ping and HTTP on one node", () => {
    expect(ping(a, b.address)).toBe(true);
    expect(curl(a, `http://${b.address}/`).stdout).toBe(`${b.id} ${a.address}`);
  });
  it("carries ping and HTTP between nodes", () => {
    expect(ping(a, c.address)).toBe(true);
    expect(curl(a, `http://${c.address}/`).stdout).toBe(`${c.id} ${a.address}`);
    expect(curl(c, `http://${a.address}/`).stdout).toBe(`${a.id} ${c.address}`);
  });
});

describe("policy", () => {
  it("drops a SYN that no entry allows, verdict first, then the drop", async () => {
    await allowAll(a);
    await b.node.call(
      "setPolicy",
      b.id,
      policy([entry({ direction: "egress" }), entry({ identity: 9999, protocol: TCP, port: 80, portPrefix: 16 })]),
    );
    await b.node.call("events");
    expect(curl(a, `http://${b.address}/`).status).toBe(28);
    const seen = await eventsOf(b.node, (event) => event.dport === 80 && event.type !== 4);
    expect(seen[0]).toMatchObject({
      type: VERDICT,
      direction: 1,
      endpoint: b.id,
      src: 1001,
      verdict: -133,
      cookie: 42,
    });
    expect(seen[1]).toMatchObject({ type: DROP, subtype: 133, src: 1001, dst: 1002 });
  });
  it("allows by identity and port", async () => {
    await b.node.call(
      "setPolicy",
      b.id,
      policy([entry({ direction: "egress" }), entry({ identity: 1001, protocol: TCP, port: 80, portPrefix: 16 })]),
    );
    await b.node.call("events");
    expect(curl(a, `http://${b.address}/`).stdout).toContain("102");
    const [verdict] = await eventsOf(b.node, (event) => event.type === VERDICT);
    expect(verdict).toMatchObject({ verdict: 0, match: 2, cookie: 42, endpoint: b.id });
  });
  it("lets the fabric reach an allowed pod as world", async () => {
    await allowAll(b);
    const answer = inNetns(lab.fabric, `curl -s -m 2 http://${b.address}/`);
    expect(answer.stdout).toBe(`${b.id} 192.168.10.1`);
  });
});
