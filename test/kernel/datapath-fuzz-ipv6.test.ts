/** The same as datapath-fuzz.test.ts in IPv6: extension headers in every order, fragments, neighbours, quoted packets. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LoadedObject } from "../../src/datapath/ebpf/object.ts";
import type { Datapath } from "../../src/datapath/port.ts";
import { parseAddress } from "../../src/model/cidr.ts";
import { Random } from "../support/policy-scenarios-random.ts";
import { byte, expectNothingLeaves, PROGRAMS, RUNS, randomHex } from "./datapath-fuzzing.ts";
import { policy } from "./datapath-lab.ts";
import {
  frame,
  hexOf6,
  icmp,
  ipv6,
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

const SERVICE = "fd00:10:96::32";
const ETHERNET = 14;
const HEADER = 40;
const SHORTEST = ETHERNET + HEADER;
const [HOP_OPTIONS, ROUTING, FRAGMENT, AUTHENTICATION, NO_NEXT, DESTINATION_OPTIONS] = [0, 43, 44, 51, 59, 60];
const [TOO_BIG, SOLICITATION, ADVERTISEMENT] = [2, 135, 136];
const [UDP, TCP, ICMPV6] = [17, 6, 58];
const NEIGHBOUR = "fd00:172:20:1::1";

let testNode: TestNode;
let datapath: Datapath;
let object: LoadedObject;
let ifindex: number;

beforeAll(async () => {
  testNode = await openNode(DUAL_NODE);
  ({ datapath, object } = testNode);
  ifindex = await testNode.addPod({ id: 7, identity: 1001, address: POD, address6: POD6 });
  datapath.setPolicy(7, { ...policy([]), proxyPorts: new Map() });
  datapath.upsertIpcache("::/0", { identity: 10 });
  datapath.upsertIpcache("fd00:172:20:2::/64", { identity: 1003, tunnel: "192.168.10.102" });
  const backends = [{ address: POD6, port: 8080 }];
  datapath.setServices([
    { id: 1, address: SERVICE, port: 80, protocol: 6, type: "ClusterIP", affinitySeconds: 0, backends },
  ]);
});
afterAll(() => testNode?.close());

interface Layer {
  readonly protocol: number;
  readonly bytes: string;
}

function address(random: Random): string {
  return random.pick([
    POD6,
    POD6,
    SERVICE,
    NEIGHBOUR,
    "fd00:172:20:2::9",
    "fd5e:61d9:a7e0::2a01",
    "2001:db8::8",
    "ff02::1",
    "fe80::1",
    "::",
  ]);
}

function upperLayer(random: Random): Layer {
  const [sport, dport] = [random.below(65_536), random.pick([53, 80, 8472, random.below(65_536)])];
  const quoted = ipv6(udp(sport, dport), address(random), address(random), UDP);
  return random.pick([
    { protocol: UDP, bytes: udp(sport, dport) },
    { protocol: TCP, bytes: tcp(sport, dport) },
    { protocol: ICMPV6, bytes: icmp(random.below(256), sport) },
    { protocol: ICMPV6, bytes: `${byte(random.below(5))}${byte(random.below(6))}000000000000${quoted}` },
    { protocol: ICMPV6, bytes: `${byte(SOLICITATION)}00000000000000${hexOf6(address(random))}` },
    { protocol: 1, bytes: icmp(8, sport) },
    { protocol: random.below(256), bytes: randomHex(random, random.below(60)) },
  ]);
}

/** Puts extension headers before the layer; an unknown length is as likely as the right one. */
function extended(random: Random, inner: Layer): Layer {
  let { protocol, bytes } = inner;
  for (let left = random.pick([0, 0, 0, 1, 1, 2, 3, 8]); left > 0; left--) {
    const type = random.pick([HOP_OPTIONS, ROUTING, FRAGMENT, AUTHENTICATION, NO_NEXT, DESTINATION_OPTIONS]);
    const length = type === AUTHENTICATION ? 0 : random.pick([0, 0, 1, random.below(256)]);
    const offset = random.pick(["0000", "0001", "0008", "0009", randomHex(random, 2)]);
    const rest =
      type === FRAGMENT ? `00${offset}${byte(random.below(4)).padStart(8, "0")}` : `${byte(length)}${"00".repeat(6)}`;
    bytes = `${byte(protocol)}${rest}${"00".repeat(8 * Math.min(length, 2))}${bytes}`;
    protocol = type;
  }
  return { protocol, bytes };
}

function randomPacket(random: Random): Buffer {
  const { protocol, bytes } = extended(random, upperLayer(random));
  const packet = frame("86dd", ipv6(bytes, address(random), address(random), protocol));
  for (let change = random.pick([0, 0, 1, 2, 8]); change > 0; change--)
    packet[ETHERNET + random.below(packet.length - ETHERNET)] = random.below(256);
  const cut = random.percent(15) ? Math.max(SHORTEST, random.below(packet.length)) : packet.length;
  return packet.subarray(0, cut);
}

/** The last header of a packet whose extensions can be read: its number and where it lies. */
function lastHeader(packet: Buffer): { readonly protocol: number; readonly at: number } {
  let protocol = packet[ETHERNET + 6] ?? NO_NEXT!;
  let at = SHORTEST;
  while (
    [HOP_OPTIONS, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS].includes(protocol) &&
    at < packet.length
  ) {
    const length = packet[at + 1] ?? 0;
    const size = protocol === FRAGMENT ? 8 : protocol === AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8;
    protocol = packet[at] ?? NO_NEXT!;
    at += size;
  }
  return { protocol, at };
}

/** What may leave the pod although nothing is allowed: an answer about neighbours, to itself; and as in IPv4. */
function isExcepted(packet: Buffer): boolean {
  const { protocol, at } = lastHeader(packet);
  const type = protocol === ICMPV6 ? packet[at] : undefined;
  return (
    type === SOLICITATION ||
    type === TOO_BIG ||
    packet.toString("hex", ETHERNET + 24, SHORTEST - 2) === hexOf6(SERVICE).slice(0, 28)
  );
}

describe("packets of IPv6 that nobody should send", { timeout: 120_000 }, () => {
  it("never leave a pod whose policy allows nothing, and end no program in a way of their own", () => {
    expectNothingLeaves(object, ifindex, { randomPacket, isExcepted });
  });

  it("never reach the pod from the network", () => {
    for (let run = 0; run < RUNS / 4; run++) {
      const random = new Random(run + 1_000_000);
      const { protocol, bytes } = extended(random, upperLayer(random));
      const packet = frame("86dd", ipv6(bytes, "2001:db8::9", POD6, protocol));
      if (lastHeader(packet).protocol === ICMPV6) continue;
      expect(runProgram(object, "from_network", ifindex, packet), `run ${run}: ${packet.toString("hex")}`).toBe(SHOT);
    }
  });

  it("never pass for IPv4: a mapped address is no address of a packet", () => {
    const mapped = `00000000000000000000ffff${Buffer.from(parseAddress(POD)!).toString("hex", 12)}`;
    const plain = ipv6(tcp(1, 80), POD6, "2001:db8::8", TCP);
    for (const at of [16, 48]) {
      const packet = frame("86dd", plain.slice(0, at) + mapped + plain.slice(at + 32));
      for (const program of PROGRAMS.filter((name) => !["loopback", "to_network", "to_proxy"].includes(name)))
        expect(runProgram(object, program, ifindex, packet), `${program} at ${at}`).toBe(SHOT);
    }
  });
});

describe("neighbours", () => {
  const ask = (target: string, from = POD6, hops = "ff") => {
    const payload = `${byte(SOLICITATION)}00000000000000${hexOf6(target)}0101020000000007`;
    const packet = ipv6(payload, from, "ff02::1:ff00:1", ICMPV6);
    return runOften(object, "from_endpoint", ifindex, frame("86dd", packet.slice(0, 14) + hops + packet.slice(16)), 1);
  };
  const sum = (bytes: Buffer) => {
    let total = 0;
    for (let at = 0; at < bytes.length; at += 2) total += bytes.readUInt16BE(at);
    while (total >> 16) total = (total & 0xffff) + (total >> 16);
    return total;
  };

  it("are all the node's own end, whatever address the pod asks for", () => {
    for (const target of [NEIGHBOUR, "fd00:172:20:1::b", "2001:db8::8"]) {
      const { result, packet } = ask(target);
      expect(result).toBe(REDIRECT);
      expect(packet.toString("hex", 0, 14)).toBe("02000000000702000000010786dd");
      expect(packet.toString("hex", ETHERNET + 8, SHORTEST)).toBe(hexOf6(target) + hexOf6(POD6));
      expect(packet[SHORTEST]).toBe(ADVERTISEMENT);
      expect(packet.toString("hex", SHORTEST + 8)).toBe(`${hexOf6(target)}0201020000000107`);
      const pseudo = Buffer.from("000000200000003a", "hex");
      expect(sum(Buffer.concat([packet.subarray(ETHERNET + 8, SHORTEST), pseudo, packet.subarray(SHORTEST)]))).toBe(
        0xffff,
      );
    }
  });
  it("are not answered for the pod's own address, a probe for duplicates, or from beyond a router", () => {
    expect([ask(POD6), ask(NEIGHBOUR, "::"), ask(NEIGHBOUR, POD6, "fe")].map(({ result }) => result)).toEqual([
      SHOT,
      SHOT,
      SHOT,
    ]);
  });
});
