/** Broken, cut and invented packets through every program: none gets past a policy that allows nothing. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { NODE } from "../../src/datapath/contract.ts";
import type { LoadedObject } from "../../src/datapath/ebpf/object.ts";
import type { Datapath } from "../../src/datapath/port.ts";
import { Random } from "../support/policy-scenarios-random.ts";
import { expectNothingLeaves, RUNS, randomHex } from "./datapath-fuzzing.ts";
import { policy } from "./datapath-lab.ts";
import { frame, hexOf, icmp, ipv4, MAC, POD, runProgram, SHOT, sctp, tcp, udp } from "./datapath-packets.ts";
import { openNode, type TestNode } from "./datapath-surroundings.ts";

const SERVICE = "10.96.0.50";
const ETHERNET = 14;
/** The kernel runs no program on less. */
const SHORTEST = ETHERNET + 20;
const SHORTEST_IPV6 = ETHERNET + 40;
const [IPV4, ARP, IPV6] = ["0800", "0806", "86dd"];
const [ICMP, UNREACHABLE, FRAGMENTATION_NEEDED] = [1, 3, 4];

let testNode: TestNode;
let datapath: Datapath;
let object: LoadedObject;
let ifindex: number;

beforeAll(async () => {
  testNode = await openNode(NODE);
  ({ datapath, object } = testNode);
  ifindex = await testNode.addPod({ id: 7, identity: 1001, address: POD });
  datapath.setPolicy(7, { ...policy([]), proxyPorts: new Map() });
  datapath.upsertIpcache("0.0.0.0/0", { identity: 2 });
  datapath.upsertIpcache("172.20.2.0/24", { identity: 1003, tunnel: "192.168.10.102" });
  const backends = [{ address: POD, port: 8080 }];
  datapath.setServices([
    { id: 1, address: SERVICE, port: 80, protocol: 6, type: "ClusterIP", affinitySeconds: 0, backends },
    { id: 2, address: NODE.address, port: 30_080, protocol: 6, type: "NodePort", affinitySeconds: 9, backends },
  ]);
});
afterAll(() => testNode?.close());

function payload(random: Random): { readonly protocol: number; readonly bytes: string } {
  const [sport, dport] = [random.below(65_536), random.pick([53, 80, 8472, 30_080, random.below(65_536)])];
  const quoted = ipv4(udp(sport, dport), { from: random.pick([POD, NODE.address]), to: random.pick([POD, "8.8.8.8"]) });
  return random.pick([
    { protocol: 17, bytes: udp(sport, dport) },
    { protocol: 6, bytes: tcp(sport, dport) },
    { protocol: 132, bytes: sctp(sport, dport) },
    { protocol: 1, bytes: icmp(random.below(256), sport) },
    { protocol: 1, bytes: `030${random.below(6)}000000000000${quoted}` },
    { protocol: random.below(256), bytes: randomHex(random, random.below(60)) },
  ]);
}

/** A packet that might come from the pod, or one that claims to; then some bytes change, and the end may be missing. */
function randomPacket(random: Random): Buffer {
  const address = () =>
    random.pick([POD, POD, NODE.address, SERVICE, "172.20.2.9", "172.20.1.1", "169.254.42.1", "8.8.8.8"]);
  const { protocol, bytes } = payload(random);
  const fragment = random.pick(["0000", "0000", "4000", "2000", "2001", "0010"]);
  const body = ipv4(bytes, { from: address(), to: address(), protocol, fragment, id: random.below(4) });
  const type = random.pick([IPV4, IPV4, IPV4, IPV4, ARP, IPV6, randomHex(random, 2)]);
  const arp = `0001080006040001${MAC}${hexOf(POD)}000000000000${hexOf(address())}`;
  const packet = frame(type, type === ARP ? arp : body);
  for (let change = random.pick([0, 0, 1, 2, 8]); change > 0; change--)
    packet[random.below(packet.length)] = random.below(256);
  const cut = random.percent(15) ? Math.max(SHORTEST, random.below(packet.length)) : packet.length;
  if (packet.toString("hex", 12, 14) !== IPV6 || cut >= SHORTEST_IPV6) return packet.subarray(0, cut);
  return Buffer.concat([packet, Buffer.alloc(SHORTEST_IPV6)]);
}

function headerLength(packet: Buffer): number {
  return ETHERNET + ((packet[ETHERNET] ?? 0) & 0xf) * 4;
}

/** What may leave the pod although nothing is allowed. */
function isExcepted(packet: Buffer): boolean {
  const type = packet.toString("hex", 12, 14);
  if (type === ARP) return true;
  const l4 = headerLength(packet);
  const isSizeReport =
    packet[ETHERNET + 9] === ICMP && packet[l4] === UNREACHABLE && packet[l4 + 1] === FRAGMENTATION_NEEDED;
  // A service is answered for: refused at once, or led back to the pod itself.
  const toService = packet[ETHERNET + 16] === 10 && packet[ETHERNET + 17] === 96;
  const toNodePort = packet.toString("hex", ETHERNET + 16, ETHERNET + 20) === hexOf(NODE.address);
  return isSizeReport || toService || toNodePort;
}

describe("packets that nobody should send", { timeout: 120_000 }, () => {
  it("never leave a pod whose policy allows nothing, and end no program in a way of their own", () => {
    expectNothingLeaves(object, ifindex, { randomPacket, isExcepted });
  });

  it("never reach the pod from the network", () => {
    for (let run = 0; run < RUNS / 4; run++) {
      const random = new Random(run + 1_000_000);
      const { protocol, bytes } = payload(random);
      if (protocol === ICMP) continue;
      const packet = frame(IPV4!, ipv4(bytes, { from: "203.0.113.9", to: POD, protocol }));
      for (let change = random.below(3); change > 0; change--)
        packet[ETHERNET + 20 + random.below(packet.length - ETHERNET - 20)] = random.below(256);
      expect(runProgram(object, "from_network", ifindex, packet), `run ${run}: ${packet.toString("hex")}`).toBe(SHOT);
    }
  });
});
