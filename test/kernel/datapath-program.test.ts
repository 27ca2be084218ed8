/** Single packets through single programs by BPF_PROG_TEST_RUN, and the kernel's choice against the one in memory. */
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { NODE } from "../../src/datapath/contract.ts";
import { LAYOUT } from "../../src/datapath/ebpf/layout.ts";
import type { LoadedObject, ProgramName } from "../../src/datapath/ebpf/object.ts";
import { Aggregation, type Datapath } from "../../src/datapath/port.ts";
import { createSimDatapath } from "../../src/datapath/sim/datapath.ts";
import { SOURCE_FILES } from "../../src/flow/decode/source-file.ts";
import type { PolicyMapEntry } from "../../src/policy/policy-map.ts";
import { ALLOW_ALL, entry, policy, sleep } from "./datapath-lab.ts";
import {
  frame,
  hexOf,
  type Ipv4,
  ipv4,
  MAC,
  OK,
  opening,
  PEER,
  POD,
  REDIRECT,
  runProgram,
  SHOT,
  sctp,
  tcp,
  udp,
} from "./datapath-packets.ts";
import { openNode, type TestNode } from "./datapath-surroundings.ts";

const F = LAYOUT.sg_event.fields;

let testNode: TestNode;
let datapath: Datapath;
let object: LoadedObject;
let ifindex: number;
let events: {
  type: number;
  subtype: number;
  verdict: number;
  match: number;
  cookie: number;
  flags: number;
  cpu: number;
}[] = [];

const run = (program: ProgramName, packet: Buffer) => runProgram(object, program, ifindex, packet);
const send = (payload: string, header?: Ipv4) => run("from_endpoint", frame("0800", ipv4(payload, header)));
const setPolicy = (entries: PolicyMapEntry[]) => {
  const wire = policy(entries);
  datapath.setPolicy(7, { ...wire, proxyPorts: new Map() });
};

async function drops(): Promise<number[]> {
  await sleep(20);
  return events.filter((event) => event.type === 1).map((event) => event.subtype);
}

beforeAll(async () => {
  testNode = await openNode(NODE);
  ({ datapath, object } = testNode);
  datapath.setAggregation(Aggregation.Low);
  ifindex = await testNode.addPod({ id: 7, identity: 1001, address: POD });
  datapath.onEvents((event) => {
    const view = new DataView(event.buffer, event.byteOffset, event.byteLength);
    events.push({
      type: event[F.type] ?? 0,
      subtype: event[F.subtype] ?? 0,
      verdict: view.getInt32(F.verdict, true),
      match: event[F.match_type] ?? 0,
      cookie: view.getUint32(F.cookie, true),
      flags: event[F.flags] ?? 0,
      cpu: view.getUint16(F.cpu, true),
    });
  });
});
afterAll(() => testNode?.close());
beforeEach(async () => {
  await sleep(20);
  events = [];
});

describe("from_endpoint", () => {
  it("drops what is not the pod's own, and what it cannot judge", async () => {
    setPolicy(ALLOW_ALL);
    expect(send(udp(1, 53))).toBe(OK);
    expect(run("from_endpoint", frame("0800", ipv4(udp(1, 53)), "020000000008"))).toBe(SHOT);
    expect(send(udp(1, 53), { from: "172.20.1.11" })).toBe(SHOT);
    expect(send(udp(1, 8472), { to: "192.168.10.102" })).toBe(SHOT);
    expect(run("from_endpoint", frame("86dd", "600000000008113f".padEnd(96, "0")))).toBe(SHOT);
    expect(run("from_endpoint", frame("86dd", "6000000000083aff".padEnd(96, "0")))).toBe(SHOT); // NDP: no event
    expect(send("1234", { protocol: 6 })).toBe(SHOT);
    expect(send(udp(1, 2), { protocol: 50 })).toBe(SHOT);
    expect(await drops()).toEqual([132, 132, 170, 139, 134, 137]);
  });
  it("answers ARP for every address but the pod's own", () => {
    const arp = (target: string) => `0001080006040001${MAC}${hexOf(POD)}000000000000${hexOf(target)}`;
    expect(run("from_endpoint", frame("0806", arp("172.20.1.1")))).toBe(REDIRECT);
    expect(run("from_endpoint", frame("0806", arp(POD)))).toBe(SHOT);
  });
  it("judges SCTP by its ports", () => {
    setPolicy([entry({ direction: "egress", protocol: 132, port: 9000, portPrefix: 16 })]);
    expect(send(sctp(5, 9000), { protocol: 132 })).toBe(OK);
    expect(send(sctp(5, 9001), { protocol: 132 })).toBe(SHOT);
    expect(send(udp(5, 9000))).toBe(SHOT);
  });
  it("gives later fragments the first one's ports, and drops those it has not seen start", async () => {
    setPolicy([entry({ direction: "egress", protocol: 17, port: 53, portPrefix: 16 })]);
    expect(send("00".repeat(16), { fragment: "0002", id: 9 })).toBe(SHOT);
    expect(send(udp(77, 53), { fragment: "2000", id: 9 })).toBe(OK);
    expect(send("00".repeat(16), { fragment: "0002", id: 9 })).toBe(OK);
    expect(send(udp(77, 54), { fragment: "2000", id: 10 })).toBe(SHOT);
    expect(send("00".repeat(16), { fragment: "0002", id: 10 })).toBe(SHOT);
    expect(await drops()).toEqual([157, 133, 133]);
  });
  it("lets no ICMP error out that speaks of a stranger's connection", () => {
    setPolicy([]);
    const quoted = ipv4(udp(1, 53), { from: PEER, to: "172.20.1.99" });
    expect(send(`0301000000000000${quoted}`, { protocol: 1 })).toBe(SHOT);
  });
  it("does not take authentication for granted", async () => {
    setPolicy([entry({ direction: "egress", authType: 1 })]);
    expect(send(udp(1, 53))).toBe(SHOT);
    expect(await drops()).toEqual([189]);
  });
});

describe("a watched port", () => {
  const captured = async () => {
    await sleep(20);
    return events.filter(({ type }) => type === 3).length;
  };
  const syn = (dport: number) => tcp(5, dport);
  const segment = (dport: number, payload: string) => `${syn(dport).replace("5002", "5018")}${payload}`;
  const out = (payload: string) => send(payload, { protocol: 6 });
  const watch = (direction: "ingress" | "egress", port: number, endpoint = 7) =>
    datapath.watchPorts([{ endpoint, direction, protocol: 6, port }]);

  afterAll(() => datapath.watchPorts([]));

  it("shows each packet that begins a connection or has a payload, and only those of its endpoint, direction and port", async () => {
    setPolicy(ALLOW_ALL);
    watch("egress", 80);
    expect(out(syn(80))).toBe(OK);
    expect(out(segment(80, "474554"))).toBe(OK);
    expect(out(segment(80, "20"))).toBe(OK);
    expect(await captured()).toBe(3);
    events = [];
    expect([out(segment(80, "")), out(segment(81, "474554")), out(syn(81))]).toEqual([OK, OK, OK]);
    watch("ingress", 80);
    expect(out(segment(80, "474554"))).toBe(OK);
    watch("egress", 80, 8);
    expect(out(segment(80, "474554"))).toBe(OK);
    datapath.watchPorts([]);
    expect(out(segment(80, "474554"))).toBe(OK);
    expect(await captured()).toBe(0);
  });

  it("shows nothing that is denied, or that its proxy gets", async () => {
    watch("egress", 80);
    setPolicy([]);
    expect(out(segment(80, "474554"))).toBe(SHOT);
    const redirected = policy([entry({ direction: "egress", protocol: 6, port: 80, portPrefix: 16, redirect: "r" })]);
    datapath.setPolicy(7, { ...redirected, proxyPorts: new Map([["r", 10000]]) });
    out(segment(80, "474554"));
    expect(await captured()).toBe(0);
  });
});

describe("what the kernel tells of its policy", () => {
  const rows = () =>
    datapath.dumpPolicy(7).map(({ identity, port, packets, bytes }) => [identity, port, packets, bytes]);
  const length = ipv4(udp(1, 53)).length / 2 + 14;

  it("counts what each entry decided, and goes on counting when the policy is replaced", () => {
    datapath.upsertIpcache(`${PEER}/32`, { identity: 600 });
    const range = entry({ direction: "egress", protocol: 17, port: 48, portPrefix: 12, precedence: 1 });
    const own = entry({ direction: "egress", identity: 600, protocol: 17, port: 53, portPrefix: 16, precedence: 2 });
    setPolicy([range, own]);
    send(udp(2001, 53));
    send(udp(2002, 53));
    send(udp(2003, 50));
    send(udp(2004, 70));
    expect(rows().sort()).toEqual([
      [0, 48, 1, length],
      [600, 53, 2, 2 * length],
    ]);
    setPolicy([range]);
    send(udp(2005, 53));
    expect(rows()).toEqual([[0, 48, 2, 2 * length]]);
  });

  it("forgets what an entry has counted when it goes: one that comes back begins at zero", () => {
    const first = entry({ direction: "egress", protocol: 17, port: 90, portPrefix: 16, precedence: 1 });
    const second = entry({ direction: "egress", protocol: 17, port: 91, portPrefix: 16, precedence: 1 });
    setPolicy([first, second]);
    for (const port of [90, 91]) send(udp(2100, port));
    setPolicy([second]);
    setPolicy([first, second]);
    expect(rows().sort()).toEqual([
      [0, 90, 0, 0],
      [0, 91, 1, length],
    ]);
  });

  it("counts packets by what became of them, direction and place", () => {
    const counted = () =>
      new Map(datapath.metrics().map((row) => [`${row.reason} ${row.direction} ${row.file} ${row.line}`, row]));
    const before = counted();
    setPolicy(ALLOW_ALL);
    expect([send(udp(2201, 53)), send(udp(2201, 53), { from: "172.20.1.11" })]).toEqual([OK, SHOT]);
    setPolicy([]);
    expect(send(udp(2202, 53))).toBe(SHOT);
    const grown = [...counted().values()].flatMap((row) => {
      const { packets = 0, bytes = 0 } = before.get(`${row.reason} ${row.direction} ${row.file} ${row.line}`) ?? {};
      const more = { packets: row.packets - packets, bytes: row.bytes - bytes };
      return more.packets === 0 ? [] : [{ ...row, ...more }];
    });
    const once = { direction: "egress", packets: 1, bytes: length };
    const named = grown.map(({ file, ...row }) => ({ ...row, file: SOURCE_FILES[file - 1] }));
    const line = expect.any(Number);
    expect(named.sort((a, b) => a.reason - b.reason)).toEqual([
      { ...once, reason: 0, line, file: "from_endpoint.c" },
      { ...once, reason: 132, line, file: "from_endpoint.c" },
      { ...once, reason: 133, line, file: "policy.h" },
    ]);
    expect(grown.filter((row) => row.line === 0)).toEqual([]);
  });

  it("in audit mode lets pass what policy denies, and says so, once a connection", async () => {
    datapath.upsertIpcache(`${PEER}/32`, { identity: 500 });
    setPolicy([entry({ direction: "egress", identity: 500, deny: true })]);
    expect(send(udp(3001, 53))).toBe(SHOT);
    datapath.setAudit(7, true);
    expect([send(udp(3002, 53)), send(udp(3002, 53))]).toEqual([OK, OK]);
    expect(run("from_endpoint", frame("0800", ipv4(udp(3003, 53), { from: "172.20.1.11" })))).toBe(SHOT);
    datapath.setAudit(7, false);
    expect(send(udp(3002, 53))).toBe(SHOT);
    await sleep(20);
    const verdicts = events.filter(({ type }) => type === 5).map(({ verdict, flags }) => [verdict, (flags & 16) !== 0]);
    expect(verdicts).toEqual([
      [-181, false],
      [0, true],
      [-181, false],
    ]);
  });

  it("lists its connections, and forgets them", () => {
    setPolicy(ALLOW_ALL);
    datapath.flushConnections();
    send(tcp(4001, 80), { protocol: 6 });
    expect(datapath.connections()).toMatchObject([
      {
        scope: "egress",
        protocol: 6,
        source: POD,
        sourcePort: 4001,
        destination: PEER,
        destinationPort: 80,
        forwardFlags: 2,
        replyFlags: 0,
        translatedAddress: "",
        sourceIdentity: 1001,
        replyReported: 0,
      },
    ]);
    const second = Math.floor(Number(process.hrtime.bigint() / 1_000_000_000n));
    expect(second - datapath.connections()[0]!.forwardReported).toBeOneOf([0, 1]);
    expect(datapath.connections()[0]?.expiresIn).toBeGreaterThan(50);
    expect([datapath.flushConnections(), datapath.connections()]).toEqual([1, []]);
  });
});

/** A small generator of repeatable numbers: failures must be found again. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function randomEntries(next: (below: number) => number): PolicyMapEntry[] {
  const entries = new Map<string, PolicyMapEntry>();
  for (let i = 0; i < 14; i++) {
    const protocol = [0, 1, 6, 17, 132][next(5)] ?? 0;
    const portPrefix = protocol === 0 ? 0 : next(17);
    const mask = (0xffff << (16 - portPrefix)) & 0xffff;
    const one = entry({
      direction: "egress",
      identity: [0, 500, 501][next(3)] ?? 0,
      protocol,
      portPrefix,
      port: next(16) & mask,
      deny: next(4) === 0,
      precedence: next(3),
      authType: next(12) === 0 ? 1 : 0,
      hasOwnAuth: next(3) === 0,
    });
    entries.set(`${one.identity} ${protocol} ${portPrefix} ${one.port}`, one);
  }
  return [...entries.values()];
}

describe("the kernel and the datapath in memory", () => {
  it("decide alike on random policies", async () => {
    const next = generator(20);
    const sim = createSimDatapath();
    await sim.prepareNode({} as never);
    await sim.addEndpoint({
      id: 7,
      identity: 1001,
      address: POD,
      interfaceName: "lxc7",
      ifindex,
      mac: "",
      hostMac: "",
    });
    const expected: unknown[] = [];
    let sport = 1000;
    for (let round = 0; round < 60; round++) {
      const wire = policy(randomEntries(next));
      const realized = { ...wire, proxyPorts: new Map<string, number>() };
      datapath.setPolicy(7, realized);
      sim.setPolicy(7, realized);
      for (let i = 0; i < 12; i++) {
        const identity = [500, 501, 502][next(3)] ?? 0;
        for (const one of [datapath, sim]) one.upsertIpcache(`${PEER}/32`, { identity });
        const protocol = [1, 6, 17, 132][next(4)] ?? 0;
        // Only echoes: other ICMP has no identifier, so one type is one connection, and errors quote a packet.
        const target = protocol === 1 ? 8 * next(2) : next(16);
        sport++;
        const payload = opening(protocol, sport, target);
        const verdict = sim.judge(7, "egress", PEER, protocol, target);
        expect(send(payload ?? "", { protocol })).toBe(verdict.verdict < 0 ? SHOT : OK);
        expected.push({ type: 5, subtype: 0, ...verdict });
      }
      await sleep(0);
    }
    await sleep(50);
    expect(expected.length).toBeGreaterThan(500);
    expect(events.filter((event) => event.type === 5)).toMatchObject(expected);
  });
});

describe("the event ring", () => {
  it("says which processor saw the packet", async () => {
    setPolicy(ALLOW_ALL);
    const all = cpus().map((_, cpu) => cpu);
    const pin = (to: string) => execFileSync("taskset", ["-pc", to, String(process.pid)], { stdio: "ignore" });
    for (const cpu of all) {
      pin(String(cpu));
      send(udp(1, 53));
    }
    pin(`0-${all.length - 1}`);
    await sleep(20);
    expect(events.filter((event) => event.type === 4).map((event) => event.cpu)).toEqual(all);
  });
  it("counts what it had no room for", async () => {
    setPolicy(ALLOW_ALL);
    const before = datapath.lostEvents();
    for (let i = 0; i < 12_000; i++) send(udp(1, 53));
    const lost = datapath.lostEvents() - before;
    await sleep(100);
    expect(lost).toBeGreaterThan(0);
    expect(datapath.lostByProcessor().reduce((sum, count) => sum + count, 0)).toBe(before + lost);
    expect(events.filter((event) => event.type === 4).length + lost).toBe(12_000);
  });
});
