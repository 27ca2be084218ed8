/** What programs make of a packet, byte for byte: each header of bpf/lib that changes or makes one, in both families. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LoadedObject, ProgramName } from "../../src/datapath/ebpf/object.ts";
import type { Datapath } from "../../src/datapath/port.ts";
import { ALLOW_ALL, policy } from "./datapath-lab.ts";
import { type Layers, layersOf, withChecksums } from "./datapath-layers.ts";
import {
  frame,
  HOST_MAC,
  icmp,
  ipv4,
  ipv6,
  MAC,
  OK,
  POD,
  POD6,
  REDIRECT,
  runOften,
  SHOT,
  tcp,
  udp,
} from "./datapath-packets.ts";
import { DUAL_NODE, openNode, type TestNode } from "./datapath-surroundings.ts";

const [TCP, UDP, ICMP, ICMPV6, SCTP] = [6, 17, 1, 58, 132];
const NODE = DUAL_NODE.address;
const NODE6 = DUAL_NODE.ipv6!.address;

interface Family {
  readonly name: string;
  readonly pod: string;
  readonly peer: string;
  readonly backend: string;
  readonly vip: string;
  readonly empty: string;
  readonly node: string;
  readonly hairpin: string;
  packet(payload: string, from: string, to: string, protocol: number): Buffer;
}

const FAMILIES: readonly Family[] = [
  {
    name: "IPv4",
    pod: POD,
    peer: "203.0.113.9",
    backend: "172.20.1.77",
    vip: "10.96.0.50",
    empty: "10.96.0.51",
    node: NODE,
    hairpin: "169.254.42.1",
    packet: (payload, from, to, protocol) => withChecksums(frame("0800", ipv4(payload, { from, to, protocol }))),
  },
  {
    name: "IPv6",
    pod: POD6,
    peer: "2001:db8::9",
    backend: "fd00:172:20:1::77",
    vip: "fd00:10:96::32",
    empty: "fd00:10:96::33",
    node: NODE6,
    hairpin: "fd5e:61d9:a7e0::2a01",
    packet: (payload, from, to, protocol) => withChecksums(frame("86dd", ipv6(payload, from, to, protocol))),
  },
];

let testNode: TestNode;
let datapath: Datapath;
let object: LoadedObject;
let ifindex: number;
let other: number;

beforeAll(async () => {
  testNode = await openNode(DUAL_NODE);
  ({ datapath, object } = testNode);
  ifindex = await testNode.addPod({ id: 7, identity: 1001, address: POD, address6: POD6 });
  const backend = { address: FAMILIES[0]!.backend, address6: FAMILIES[1]!.backend };
  other = await testNode.addPod({ id: 8, identity: 1002, ...backend });
  for (const id of [7, 8]) datapath.setPolicy(id, { ...policy(ALLOW_ALL, [], false), proxyPorts: new Map() });
  datapath.setServices(
    FAMILIES.flatMap(({ vip, empty, node, backend: address, pod }, index) => {
      const base = { affinitySeconds: 0, backends: [{ address, port: 8080 }] };
      const inside = { ...base, type: "ClusterIP" } as const;
      return [
        { id: 10 + index, address: vip, port: 80, protocol: TCP!, ...inside },
        { id: 20 + index, address: vip, port: 53, protocol: UDP!, ...inside },
        { id: 30 + index, address: vip, port: 81, protocol: TCP!, ...inside, backends: [{ address: pod, port: 8081 }] },
        { id: 35 + index, address: vip, port: 54, protocol: UDP!, ...inside, backends: [{ address: pod, port: 8081 }] },
        { id: 40 + index, address: empty, port: 80, protocol: TCP!, ...inside, backends: [] },
        { id: 50 + index, address: empty, port: 53, protocol: UDP!, ...inside, backends: [] },
        { id: 60 + index, address: node, port: 30_080, protocol: UDP!, ...base, type: "NodePort" } as const,
        { id: 70 + index, address: vip, port: 9, protocol: SCTP!, ...inside },
      ];
    }),
  );
});
afterAll(() => testNode?.close());
beforeEach(() => void datapath.flushConnections());

function run(program: ProgramName, packet: Buffer): { readonly result: number; readonly layers: Layers } {
  const { result, packet: out } = runOften(object, program, ifindex, packet, 1);
  return { result, layers: layersOf(Buffer.from(out)) };
}

describe.each(FAMILIES)("$name", ({ pod, peer, backend, vip, empty, node, hairpin, packet }) => {
  const isV6 = pod.includes(":");
  const unreachable = isV6 ? { protocol: ICMPV6, type: 1, code: 4 } : { protocol: ICMP, type: 3, code: 3 };

  it("service.h, rewrite.h: a frontend becomes its backend and back, every checksum right", () => {
    for (const [protocol, ask, answer] of [
      [TCP!, tcp(4000, 80), tcp(8080, 4000).replace("5002ffff", "5012ffff")],
      [UDP!, udp(4000, 53), udp(8080, 4000)],
    ] as const) {
      const sent = run("from_endpoint", packet(ask, pod, vip, protocol));
      expect(sent.layers).toMatchObject({ from: pod, to: backend, sport: 4000, dport: 8080, isSound: true });
      // the backend's answer, out of its own interface
      const reply = packet(answer, backend, pod, protocol);
      reply.write("020000000008", 6, "hex");
      const { packet: out } = runOften(object, "from_endpoint", other, reply, 1);
      const port = protocol === TCP ? 80 : 53;
      expect(layersOf(Buffer.from(out))).toMatchObject({ from: vip, to: pod, sport: port, dport: 4000, isSound: true });
    }
  });

  it("service.h: SCTP, whose checksum cannot be patched, is dropped and not sent wrong", () => {
    const sctp = `0fa00009${"00".repeat(12)}`;
    expect(runOften(object, "from_endpoint", ifindex, packet(sctp, pod, vip, SCTP!), 1).result).toBe(SHOT);
  });

  it("refuse.h: nobody there is a reset to TCP, once, and port unreachable to UDP", () => {
    const asked = run("from_endpoint", packet(tcp(4001, 80), pod, empty, TCP!));
    expect(asked.result).toBe(REDIRECT);
    expect(asked.layers).toMatchObject({ from: empty, to: pod, sport: 80, dport: 4001, tcpFlags: 0x14, isSound: true });
    expect(asked.layers.ack).toBe(1); // the SYN's number and one
    const within = tcp(4001, 80).replace("5002ffff", "5010ffff"); // in the middle of a connection
    expect(run("from_endpoint", packet(within, pod, empty, TCP!)).layers).toMatchObject({
      tcpFlags: 0x04,
      isSound: true,
    });
    const reset = tcp(4001, 80).replace("5002ffff", "5004ffff");
    expect(run("from_endpoint", packet(reset, pod, empty, TCP!)).result).toBe(SHOT);
    const datagram = packet(udp(4002, 53), pod, empty, UDP!);
    const refused = run("from_endpoint", datagram);
    expect(refused.layers).toMatchObject({ from: empty, to: pod, ...unreachable, isSound: true });
    expect(refused.layers.quoted).toBe(datagram.toString("hex", 14, (isV6 ? 54 : 34) + 8));
  });

  it("refuse.h: from the fabric it goes back to the neighbour that brought it", () => {
    datapath.setServices([
      ...datapath.listServices().filter(({ address }) => address !== node),
      { id: 99, address: node, port: 30_081, protocol: TCP!, type: "NodePort", affinitySeconds: 0, backends: [] },
    ]);
    const { result, layers } = run("from_network", packet(tcp(5000, 30_081), peer, node, TCP!));
    expect(result).toBe(REDIRECT);
    expect(layers).toMatchObject({ from: node, to: peer, sport: 30_081, tcpFlags: 0x14, isSound: true });
    expect(layers.macs).toBe(MAC + HOST_MAC);
    datapath.setServices(
      datapath
        .listServices()
        .filter(({ id }) => id !== 99)
        .concat({
          id: isV6 ? 61 : 60,
          address: node,
          port: 30_080,
          protocol: UDP!,
          type: "NodePort",
          affinitySeconds: 0,
          backends: [{ address: backend, port: 8080 }],
        }),
    );
  });

  it("hairpin.h: a pod that asks itself sees another address, and its answer finds it again", () => {
    const sent = run("from_endpoint", packet(tcp(4003, 81), pod, vip, TCP!));
    expect(sent.layers).toMatchObject({ from: hairpin, to: pod, sport: 4003, dport: 8081, isSound: true });
    const answer = run("from_endpoint", packet(tcp(8081, 4003).replace("5002ffff", "5012ffff"), pod, hairpin, TCP!));
    expect(answer.layers).toMatchObject({ from: vip, to: pod, sport: 81, dport: 4003, isSound: true });
    expect(run("from_endpoint", packet(tcp(9999, 4003), pod, hairpin, TCP!)).result).toBe(SHOT);
  });

  it("deliver.h: an answer through a node's port has its frontend back, and so has an error about it", () => {
    const sent = run("from_network", packet(udp(5001, 30_080), peer, node, UDP!));
    expect(sent.layers).toMatchObject({ from: peer, to: backend, dport: 8080, isSound: true });
    const about = packet(udp(5001, 8080), peer, backend, UDP!).toString("hex", 14);
    const error = `${isV6 ? "0104" : "0303"}000000000000${about}`;
    const reply = packet(error, backend, peer, isV6 ? ICMPV6! : ICMP!);
    reply.write("020000000008", 6, "hex");
    const { packet: out } = runOften(object, "from_endpoint", other, reply, 1);
    const layers = layersOf(Buffer.from(out));
    expect(layers).toMatchObject({ from: node, to: peer, ...unreachable, isSound: true });
    expect(
      layersOf(
        Buffer.concat([
          Buffer.alloc(12),
          Buffer.from(isV6 ? "86dd" : "0800", "hex"),
          Buffer.from(layers.quoted, "hex"),
        ]),
      ),
    ).toMatchObject({
      from: peer,
      to: node,
      sport: 5001,
      dport: 30_080,
    });
  });

  /** Port unreachable about the packet, and what an ICMP error quotes. */
  const errorAbout = (about: Buffer, from: string, to: string) =>
    packet(`${isV6 ? "0104" : "0303"}000000000000${about.toString("hex", 14)}`, from, to, isV6 ? ICMPV6! : ICMP!);
  const quotedBy = ({ quoted }: Layers) =>
    layersOf(Buffer.concat([Buffer.from(`${"00".repeat(12)}${isV6 ? "86dd" : "0800"}${quoted}`, "hex")]));

  it("service.h: what a client says about its service's answer is told to the backend, as it knows it", () => {
    run("from_endpoint", packet(udp(4010, 53), pod, vip, UDP!));
    const closed = errorAbout(packet(udp(53, 4010), vip, pod, UDP!), pod, vip);
    const { result, layers } = run("from_endpoint", closed);
    expect(result).toBe(REDIRECT);
    expect(layers).toMatchObject({ from: pod, to: backend, ...unreachable, isSound: true });
    expect(quotedBy(layers)).toMatchObject({ from: backend, to: pod, sport: 8080, dport: 4010 });
    const strange = errorAbout(packet(udp(53, 4011), vip, pod, UDP!), pod, vip);
    expect(run("from_endpoint", strange).result).toBe(SHOT);
  });

  it("service.h: a backend that is ending keeps its flows, gets no new ones, and is left when it has gone", () => {
    const before = datapath.listServices();
    const at = isV6 ? "fd00:172:20:2::78" : "172.20.2.78";
    datapath.upsertIpcache(`${at}/${isV6 ? 128 : 32}`, { identity: 1003, tunnel: "192.168.10.102" });
    const set = (ending: readonly { address: string; port: number }[]) =>
      datapath.setServices(
        before.map((each) =>
          each.address === vip && each.port === 53
            ? { ...each, backends: [{ address: at, port: 8080 }], ending, affinitySeconds: 60 }
            : each,
        ),
      );
    const led = (sport: number) => run("from_endpoint", packet(udp(sport, 53), pod, vip, UDP!)).layers.to;
    datapath.setServices(before.map((each) => ({ ...each, affinitySeconds: 60 })));
    expect(led(4020)).toBe(backend);
    set([{ address: backend, port: 8080 }]);
    expect([led(4020), led(4021), led(4020)]).toEqual([backend, at, backend]);
    set([]);
    expect(led(4020)).toBe(at);
    datapath.setServices(before);
  });

  it("hairpin.h: a pod that asks itself is told, at either end, that nobody is there", () => {
    run("from_endpoint", packet(udp(4012, 54), pod, vip, UDP!));
    const refused = run("from_endpoint", errorAbout(packet(udp(4012, 8081), hairpin, pod, UDP!), pod, hairpin));
    expect(refused.layers).toMatchObject({ from: vip, to: pod, ...unreachable, isSound: true });
    expect(quotedBy(refused.layers)).toMatchObject({ from: pod, to: vip, sport: 4012, dport: 54 });
    const closed = run("from_endpoint", errorAbout(packet(udp(54, 4012), vip, pod, UDP!), pod, vip));
    expect(closed.layers).toMatchObject({ from: hairpin, to: pod, ...unreachable, isSound: true });
    expect(quotedBy(closed.layers)).toMatchObject({ from: pod, to: hairpin, sport: 8081, dport: 4012 });
  });

  it("parse.h: cut anywhere, a packet ends every program in one of its ways, and never leaves as something else", () => {
    const whole = packet(tcp(4004, 80), pod, vip, TCP!);
    for (let length = isV6 ? 54 : 34; length < whole.length; length++) {
      const cut = whole.subarray(0, length);
      for (const program of ["from_endpoint", "to_endpoint", "from_overlay", "from_host"] as const)
        expect(runOften(object, program, ifindex, cut, 1).result, `${program}, ${length} bytes`).toBe(SHOT);
      for (const program of ["from_network", "to_network", "loopback", "to_proxy"] as const)
        expect([OK, SHOT], `${program}, ${length} bytes`).toContain(runOften(object, program, ifindex, cut, 1).result);
    }
  });

  it("parse.h: an echo is tracked by its identifier, and an answer to nobody's question is judged", () => {
    const [ask, answer, protocol] = isV6 ? [128, 129, ICMPV6!] : [8, 0, ICMP!];
    datapath.setPolicy(7, { ...policy([ALLOW_ALL[1]!]), proxyPorts: new Map() });
    expect(runOften(object, "from_endpoint", ifindex, packet(icmp(ask, 7), pod, peer, protocol), 1).result).toBe(OK);
    expect(runOften(object, "from_network", ifindex, packet(icmp(answer, 7), peer, pod, protocol), 1).result).toBe(
      REDIRECT,
    );
    expect(runOften(object, "from_network", ifindex, packet(icmp(answer, 8), peer, pod, protocol), 1).result).toBe(
      SHOT,
    );
    datapath.setPolicy(7, { ...policy(ALLOW_ALL, [], false), proxyPorts: new Map() });
  });
});
