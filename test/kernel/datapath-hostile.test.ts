/** What a pod or a stranger might try to get past policy: each try of a kind that once worked, or nearly. */
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LoadedObject } from "../../src/datapath/ebpf/object.ts";
import type { Datapath } from "../../src/datapath/port.ts";
import { ALLOW_ALL, entry, policy } from "./datapath-lab.ts";
import { layersOf, withChecksums } from "./datapath-layers.ts";
import {
  frame,
  icmp,
  ipv4,
  ipv6,
  OK,
  POD,
  POD6,
  REDIRECT,
  runOften,
  runProgram,
  SHOT,
  tcp,
  udp,
} from "./datapath-packets.ts";
import { DUAL_NODE, openNode, type TestNode } from "./datapath-surroundings.ts";

const [ICMP, TCP, UDP, ICMPV6, EXPERIMENT] = [1, 6, 17, 58, 253];
const NODE = DUAL_NODE.address;
const OTHER_NODE = "192.168.10.102";
const NEIGHBOUR = "172.20.1.11";
const FAR_POD = "172.20.2.9";
const WORLD = "203.0.113.9";
const HOST_ID = 99;
const NOTHING = { ...policy([]), proxyPorts: new Map() };
const ALL = { ...policy(ALLOW_ALL, [], false), proxyPorts: new Map() };
/** "More fragments", and the second piece. */
const [FIRST, LATER] = ["2000", "0001"];

let testNode: TestNode;
let datapath: Datapath;
let object: LoadedObject;
let pod: number;
let neighbour: number;

beforeAll(async () => {
  testNode = await openNode({ ...DUAL_NODE, routingMode: "native", apiServer: true }, () => {
    for (const address of [`${NODE}/24`, `${DUAL_NODE.ipv6!.address}/64`])
      execFileSync("ip", ["addr", "add", address, "dev", "eth0", ...(address.includes(":") ? ["nodad"] : [])]);
  });
  ({ datapath, object } = testNode);
  pod = await testNode.addPod({ id: 7, identity: 1001, address: POD, address6: POD6 });
  neighbour = await testNode.addPod({ id: 8, identity: 1002, address: NEIGHBOUR });
  datapath.upsertIpcache(`${OTHER_NODE}/32`, { identity: 6 });
  datapath.upsertIpcache(`${FAR_POD}/32`, { identity: 1003, tunnel: OTHER_NODE });
  const backends = [{ address: POD, port: 8080 }];
  datapath.setServices([
    { id: 1, address: NODE, port: 30_080, protocol: UDP!, type: "NodePort", affinitySeconds: 0, backends },
  ]);
});
afterAll(() => testNode?.close());
beforeEach(() => {
  datapath.flushConnections();
  datapath.setHostPolicy(HOST_ID, undefined);
  for (const id of [7, 8]) datapath.setPolicy(id, ALL);
});

const v4 = (payload: string, from: string, to: string, protocol: number, fragment = "0000", id = 1) =>
  withChecksums(frame("0800", ipv4(payload, { from, to, protocol, fragment, id })));
const v6 = (payload: string, from: string, to: string, protocol: number) =>
  withChecksums(frame("86dd", ipv6(payload, from, to, protocol)));
const fromPod = (packet: Buffer) => runProgram(object, "from_endpoint", pod, packet);
const fromNeighbour = (packet: Buffer) => {
  packet.write("020000000008", 6, "hex");
  return runProgram(object, "from_endpoint", neighbour, packet);
};
const toFabric = (packet: Buffer) => runProgram(object, "to_network", 1, packet);
const fromFabric = (packet: Buffer) => runProgram(object, "from_network", 1, packet);
/** An ICMP error of IPv4 that quotes the packet. */
const errorAbout = (packet: Buffer, from: string, to: string) =>
  v4(`0303000000000000${packet.toString("hex", 14)}`, from, to, ICMP!);

describe("the node behind its firewall", () => {
  const guard = () => datapath.setHostPolicy(HOST_ID, NOTHING);
  const tiny = () =>
    frame("0800", ipv4(tcp(4000, 2222).slice(0, 16), { from: WORLD, to: NODE, protocol: TCP!, fragment: FIRST }));

  it("gets nothing that cannot be read: pieces of a header, protocols that nobody knows", () => {
    for (const packet of [tiny(), v4("00".repeat(20), WORLD, NODE, EXPERIMENT!)]) {
      expect(fromFabric(packet)).toBe(OK);
      guard();
      expect(fromFabric(packet)).toBe(SHOT);
      datapath.setHostPolicy(HOST_ID, undefined);
    }
  });
  it("still gets the overlay's packets, in fragments too", () => {
    guard();
    expect(fromFabric(v4(udp(50_000, 8472), OTHER_NODE, NODE, UDP!))).toBe(OK);
    expect(fromFabric(v4(udp(50_000, 8472), OTHER_NODE, NODE, UDP!, FIRST, 77))).toBe(OK);
    expect(fromFabric(v4("00".repeat(16), OTHER_NODE, NODE, UDP!, LATER, 77))).toBe(OK);
    expect(fromFabric(v4("00".repeat(16), OTHER_NODE, NODE, UDP!, LATER, 78))).toBe(SHOT);
  });
  it("never shuts nodes off from the API server, which alone can tell them of another policy; pods and the world are", () => {
    guard();
    const api = "192.168.10.103";
    datapath.upsertIpcache(`${api}/32`, { identity: 7 });
    expect(toFabric(v4(tcp(5000, 6443), NODE, api, TCP!))).toBe(OK);
    datapath.flushConnections(); // a connection from before
    const answer = v4(tcp(6443, 5000).replace("5002ffff", "5012ffff"), api, NODE, TCP!);
    expect(fromFabric(answer)).toBe(OK);
    for (const packet of [v4(tcp(5000, 22), NODE, api, TCP!), v4(tcp(5000, 6443), NODE, OTHER_NODE, TCP!)])
      expect(toFabric(packet)).toBe(SHOT);
    // where it runs
    expect(fromFabric(v4(tcp(5001, 6443), OTHER_NODE, NODE, TCP!))).toBe(OK);
    datapath.flushConnections();
    expect(toFabric(v4(tcp(6443, 5001).replace("5002ffff", "5012ffff"), NODE, OTHER_NODE, TCP!))).toBe(OK);
    for (const packet of [
      v4(tcp(5001, 22), OTHER_NODE, NODE, TCP!),
      v4(tcp(6443, 5000), api, NODE, TCP!),
      v4(tcp(5002, 6443), WORLD, NODE, TCP!),
      v4(tcp(5002, 6443), FAR_POD, NODE, TCP!),
    ])
      expect(fromFabric(packet)).toBe(SHOT);
    expect(fromPod(v4(tcp(5003, 6443), POD, NODE, TCP!))).toBe(SHOT);
  });
  it("sends nothing that cannot be read, but all of the overlay, in fragments too", () => {
    const unknown = v4("00".repeat(20), NODE, WORLD, EXPERIMENT!);
    expect(toFabric(unknown)).toBe(OK);
    guard();
    expect(toFabric(unknown)).toBe(SHOT);
    expect(toFabric(v4("00".repeat(16), NODE, WORLD, UDP!, LATER, 79))).toBe(SHOT);
    expect(toFabric(v4(udp(50_000, 53), NODE, OTHER_NODE, UDP!, FIRST, 80))).toBe(SHOT);
    expect(toFabric(v4(udp(50_000, 8472), NODE, OTHER_NODE, UDP!, FIRST, 81))).toBe(OK);
    expect(toFabric(v4("00".repeat(16), NODE, OTHER_NODE, UDP!, LATER, 81))).toBe(OK);
  });
  it("is not reached by addresses that all nodes take for their own: by no pod at all, by the world as policy says", () => {
    const shared = ["192.168.10.255", "192.168.10.0", "255.255.255.255", "224.0.0.251"];
    for (const to of shared) {
      expect(fromPod(v4(udp(4000, 2223), POD, to, UDP!)), to).toBe(SHOT);
      expect(fromFabric(v4(udp(4000, 2223), WORLD, to, UDP!)), to).toBe(OK);
    }
    for (const to of ["fd00:192:168:10::", "ff02::1", "fe80::1"])
      expect(fromPod(v6(udp(4000, 2223), POD6, to, UDP!)), to).toBe(SHOT);
    guard();
    for (const to of shared) expect(fromFabric(v4(udp(4000, 2223), WORLD, to, UDP!)), to).toBe(SHOT);
    expect(fromFabric(v6(udp(4000, 2223), "2001:db8::1", "fd00:192:168:10::", UDP!))).toBe(SHOT);
  });
});

describe("ICMP errors", () => {
  const sent = () => v4(udp(5555, 9999), POD, WORLD, UDP!);

  it("about a pod's own packet come from routers, and not from other pods", () => {
    datapath.setPolicy(7, { ...policy([ALLOW_ALL[1]!]), proxyPorts: new Map() });
    expect(fromPod(sent())).toBe(OK);
    expect(fromFabric(errorAbout(sent(), "198.51.100.1", POD))).toBe(REDIRECT);
    expect(fromFabric(errorAbout(sent(), OTHER_NODE, POD))).toBe(REDIRECT);
    expect(fromNeighbour(errorAbout(sent(), NEIGHBOUR, POD))).toBe(SHOT);
    expect(fromFabric(errorAbout(sent(), FAR_POD, POD))).toBe(SHOT);
  });
  it("through a node's port are about what that port answered, and no pod's word on a stranger's connection", () => {
    expect(fromFabric(v4(udp(4545, 30_080), WORLD, NODE, UDP!))).toBe(REDIRECT);
    const answered = v4(udp(30_080, 4545), NODE, WORLD, UDP!);
    expect(fromFabric(errorAbout(answered, "198.51.100.1", NODE))).toBe(REDIRECT);
    expect(fromFabric(errorAbout(answered, FAR_POD, NODE))).toBe(OK); // the node's own affair: it knows no such socket
  });
  it("name no address of the other family", () => {
    const mapped = `6000000000100011${"40"}${"00".repeat(10)}ffffac14010a${"00".repeat(10)}ffffcb007109${udp(5555, 9999)}`;
    const packet = v6(
      `0104000000000000${mapped.replace("6000000000100011", "6000000000101140").slice(0, 16)}${mapped.slice(18)}`,
      "2001:db8::1",
      POD6,
      ICMPV6!,
    );
    expect(fromFabric(packet)).toBe(SHOT);
  });
});

describe("fragments", () => {
  it("are what their IP header says: flags beyond its end are padding", () => {
    datapath.setPolicy(7, { ...policy([ALLOW_ALL[1]!]), proxyPorts: new Map() });
    expect(fromPod(v4(tcp(7000, 8080), POD, WORLD, TCP!))).toBe(OK);
    const answer = v4(tcp(8080, 7000).replace("5002ffff", "5012ffff"), WORLD, POD, TCP!, FIRST);
    expect(fromFabric(answer)).toBe(REDIRECT);
    answer.writeUInt16BE(28, 16); // eight bytes of TCP are in the packet; the flags lie behind it
    expect(fromFabric(answer)).toBe(SHOT);
  });
  it("of a pod are not decided for by another pod that borrows its address", () => {
    const allowed = entry({ direction: "egress", protocol: UDP!, port: 53, portPrefix: 16 });
    datapath.setPolicy(7, { ...policy([allowed]), proxyPorts: new Map() });
    expect(fromPod(v4(udp(4000, 53), POD, WORLD, UDP!, FIRST, 42))).toBe(OK);
    expect(fromNeighbour(v4(udp(4000, 9), POD, WORLD, UDP!, FIRST, 42))).toBe(SHOT);
    expect(fromPod(v4("00".repeat(16), POD, WORLD, UDP!, LATER, 42))).toBe(OK);
  });
  it("of a ping are judged by its type", () => {
    datapath.setPolicy(7, {
      ...policy([entry({ direction: "egress", protocol: ICMP!, port: 8, portPrefix: 16 })]),
      proxyPorts: new Map(),
    });
    expect(fromPod(v4(icmp(8, 5), POD, WORLD, ICMP!, FIRST, 43))).toBe(OK);
    expect(fromPod(v4("00".repeat(16), POD, WORLD, ICMP!, LATER, 43))).toBe(OK);
    expect(fromPod(v4(icmp(13, 5), POD, WORLD, ICMP!, FIRST, 44))).toBe(SHOT);
  });
});

describe("connections", () => {
  it("of pings are answered by echo replies alone, whatever identifier looks like another type", () => {
    datapath.setPolicy(7, { ...policy([ALLOW_ALL[1]!]), proxyPorts: new Map() });
    for (const id of [0, 13]) {
      expect(fromPod(v4(icmp(8, id), POD, WORLD, ICMP!))).toBe(OK);
      expect(fromFabric(v4(icmp(0, id), WORLD, POD, ICMP!))).toBe(REDIRECT);
    }
    expect(fromFabric(v4(icmp(8, 0), WORLD, POD, ICMP!))).toBe(SHOT);
    expect(fromFabric(v4(icmp(13, 0), WORLD, POD, ICMP!))).toBe(SHOT);
  });
  it("answer from where they were asked last: a node's port, then the pod itself, from one socket", () => {
    const answer = () => {
      const { packet } = runOften(object, "from_endpoint", pod, v4(udp(8080, 4747), POD, WORLD, UDP!), 1);
      const { from, sport } = layersOf(Buffer.from(packet));
      return `${from}:${sport}`;
    };
    for (let round = 0; round < 2; round++) {
      expect(fromFabric(v4(udp(4747, 30_080), WORLD, NODE, UDP!))).toBe(REDIRECT);
      expect(answer()).toBe(`${NODE}:30080`);
      expect(fromFabric(v4(udp(4747, 8080), WORLD, POD, UDP!))).toBe(REDIRECT);
      expect(answer()).toBe(`${POD}:8080`);
    }
  });
});
