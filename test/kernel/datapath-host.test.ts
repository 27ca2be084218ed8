/** The node's own policy: who may ask it, and whom it may ask. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  ALLOW_ALL,
  entry,
  eventsOf,
  inNetns,
  type Lab,
  type LabNode,
  openLab,
  type Pod,
  policy,
  serveHttp,
  untilAnswered,
} from "./datapath-lab.ts";

const TCP = 6;
const HOST = 500;
const [WORLD, REMOTE_NODE, NEAR, FAR, SERVER] = [2, 6, 1001, 1003, 1002];
const PORT = 9000;
/** Of its own, that every node has: the answers of the fabric's web server. */
const OUTSIDE = "192.168.10.1";

let lab: Lab;
let near: Pod; // node 1
let server: Pod; // node 1
let far: Pod; // node 2
let node: LabNode;
let other: LabNode;

beforeAll(async () => {
  lab = await openLab();
  [node, other] = lab.nodes;
  near = await lab.pod(node, 101, NEAR, 10);
  server = await lab.pod(node, 102, SERVER, 11);
  far = await lab.pod(other, 103, FAR, 12);
  for (const pod of [near, server, far]) await pod.node.call("setPolicy", pod.id, policy(ALLOW_ALL, [], false));
  serveHttp(server, 8080);
  serveHttp(far, 8080);
  for (const [id, netns] of [
    [1, node.netns],
    [2, lab.fabric],
    [3, other.netns],
  ] as const)
    serveHttp({ ...near, id, spawn: (command) => near.spawn(`nsenter --net=/run/netns/${netns} ${command}`) }, PORT);
  for (const netns of [node.netns, lab.fabric, other.netns])
    await untilAnswered(() => inNetns(netns, `curl -s -o /dev/null -m 1 http://127.0.0.1:${PORT}/`).status === 0);
});
afterAll(() => lab?.close());
afterEach(async () => {
  await node.call("setHostPolicy", HOST, null);
});

type Entries = Parameters<typeof policy>[0];
const guard = (entries: Entries, { ingress = true, egress = true } = {}) => {
  const wire = policy(entries);
  return node.call("setHostPolicy", HOST, {
    ...wire,
    policy: { ...wire.policy, ingressEnforced: ingress, egressEnforced: egress },
  });
};
const ask = (address: string, port = PORT) => `curl -s --connect-timeout 0.4 -m 2 http://${address}:${port}/`;
const fromPod = (pod: Pod, address: string) => pod.run(ask(address)).stdout.split(" ")[0];
const from = (netns: string, address: string, port?: number) => inNetns(netns, ask(address, port)).stdout.split(" ")[0];
const everybody = () => [
  fromPod(near, node.config.address),
  fromPod(far, node.config.address),
  from(lab.fabric, node.config.address),
  from(other.netns, node.config.address),
];
const egress = entry({ direction: "egress" });

describe("the node's own policy", () => {
  it("is not asked while there is none, or none that enforces", async () => {
    expect(everybody()).toEqual(["1", "1", "1", "1"]);
    await guard([], { ingress: false, egress: false });
    expect(everybody()).toEqual(["1", "1", "1", "1"]);
  });

  it("says who may ask it: pods here and there, other nodes, the world", async () => {
    const only = (identity: number) => guard([egress, entry({ identity, protocol: TCP, port: PORT, portPrefix: 16 })]);
    await only(NEAR);
    expect(everybody()).toEqual(["1", "", "", ""]);
    await only(FAR);
    expect(everybody()).toEqual(["", "1", "", ""]);
    await only(WORLD);
    expect(everybody()).toEqual(["", "", "1", ""]);
    await only(REMOTE_NODE);
    expect(everybody()).toEqual(["", "", "", "1"]);
    await guard([egress, entry({ identity: NEAR, protocol: TCP, port: PORT + 1, portPrefix: 16 })]);
    expect(everybody()).toEqual(["", "", "", ""]);
    const drops = await eventsOf(node, (event) => event.type === 1 && event.subtype === 133 && event.endpoint === HOST);
    expect(new Set(drops.map(({ src, dst }) => `${src} ${dst}`))).toEqual(
      new Set([NEAR, FAR, WORLD, REMOTE_NODE].map((identity) => `${identity} 1`)),
    );
  });

  it("says whom it may ask, and answers to what it asked need no rule", async () => {
    const asks = () => [
      from(node.netns, server.address, 8080),
      from(node.netns, far.address, 8080),
      from(node.netns, OUTSIDE),
      from(node.netns, other.config.address),
    ];
    await guard([egress], { ingress: true });
    expect(asks()).toEqual(["102", "103", "2", "3"]);
    const only = (identity: number) => guard([entry({ direction: "egress", identity, protocol: TCP })]);
    await only(SERVER);
    expect(asks()).toEqual(["102", "", "", ""]);
    await only(FAR);
    expect(asks()).toEqual(["", "103", "", ""]);
    await only(WORLD);
    expect(asks()).toEqual(["", "", "2", ""]);
    await only(REMOTE_NODE);
    expect(asks()).toEqual(["", "", "", "3"]);
  });

  it("does not touch what pods say to each other, nor what nodes carry for them", async () => {
    await guard([]);
    expect(near.run(ask(far.address, 8080)).stdout).toContain("103");
    expect(far.run(ask(server.address, 8080)).stdout).toContain("102");
    expect(near.run(ask(OUTSIDE)).stdout).toContain("2 ");
  });

  it("stands while the agent is dead", async () => {
    await guard([egress, entry({ identity: NEAR, protocol: TCP, port: PORT, portPrefix: 16 })]);
    await node.kill();
    expect(everybody()).toEqual(["1", "", "", ""]);
    await node.start();
    await node.call("watch");
    expect(everybody()).toEqual(["1", "", "", ""]);
  });
});
