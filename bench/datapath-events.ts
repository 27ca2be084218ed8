import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { NODE } from "../src/datapath/contract.ts";
import { LAYOUT } from "../src/datapath/ebpf/layout.ts";
import { Aggregation } from "../src/datapath/port.ts";
import { entry, policy } from "../test/kernel/datapath-lab.ts";
import { frame, ipv4, OK, POD, runOften, udp } from "../test/kernel/datapath-packets.ts";
import { openNode } from "../test/kernel/datapath-surroundings.ts";
import type { Row } from "./report.ts";
import { median } from "./rounds.ts";

const PACKETS = 1_000_000;
/** Packets without a look at the ring between them: the reader is never as quick as they come. */
const BURST = 20_000;
const PER_SECOND = 1_000_000;
/** How long the reader has for what is left, in ms. */
const PATIENCE = 5_000;
const PEER = 5_000;
const UDP = 17;
const TRACE = 4;
const BILLION = 1e9;
/** So few that the ring has room for them, and so long until they are read, in ms. */
const FEW = 100;
const SETTLE = 100;

interface Counts {
  /** Events of all packets. */
  readonly made: number;
  readonly read: number;
  readonly lost: number;
  /** Rounds whose packet did not pass. */
  readonly blocked: number;
}

/**
 * A million packets of a known connection, each of which is traced, faster than anybody reads: what the program does with them, and
 * whether what was read and what was counted as lost is all that came.
 */
export async function measureEventFlood(): Promise<Row[]> {
  const node = await openNode(NODE);
  const { datapath, object } = node;
  let read = 0;
  const stop = datapath.onEvents((event) => {
    if (event[LAYOUT.sg_event.fields.type] === TRACE) read++;
  });
  try {
    const ifindex = await node.addPod({ id: 7, identity: 1001, address: POD });
    datapath.upsertIpcache("203.0.113.0/24", { identity: PEER });
    const allowed = entry({ direction: "egress", protocol: UDP, identity: PEER, port: 53, portPrefix: 16 });
    datapath.setPolicy(7, { ...policy([allowed]), proxyPorts: new Map() });
    const packet = frame("0800", ipv4(udp(4000, 53), { to: "203.0.113.9", protocol: UDP }));
    const burst = (count: number) => runOften(object, "from_endpoint", ifindex, packet, count);
    burst(1); // the connection is known from here on
    datapath.setAggregation(Aggregation.None);
    await sleep(SETTLE);
    read = 0;
    burst(FEW);
    await sleep(SETTLE);
    const perPacket = read / FEW;
    read = 0;
    const before = datapath.lostEvents();
    const nanoseconds: number[] = [];
    let blocked = 0;
    for (let sent = 0; sent < PACKETS; sent += BURST) {
      const done = burst(BURST);
      nanoseconds.push(done.nanoseconds);
      if (done.result !== OK) blocked++;
      await setImmediate();
    }
    const lost = datapath.lostEvents() - before;
    const until = performance.now() + PATIENCE;
    const made = PACKETS * perPacket;
    while (read + lost < made && performance.now() < until) await sleep(1);
    return rowsOf(nanoseconds, { made, read, lost, blocked });
  } finally {
    stop();
    node.close();
  }
}

function rowsOf(nanoseconds: readonly number[], counts: Counts): Row[] {
  const { made, read, lost, blocked } = counts;
  const rate = BILLION / median(nanoseconds);
  const isTrue = read + lost === made && blocked === 0;
  return [
    {
      what: "packets a second, each traced, more than anybody reads",
      ours: `${(rate / 1e6).toFixed(1)} million/s (${median(nanoseconds)} ns each)`,
      target: `${PER_SECOND / 1e6} million/s`,
      reached: rate >= PER_SECOND,
      raw: nanoseconds,
    },
    {
      what: "the same: every packet passed, and its event was read or counted as lost",
      ours: isTrue
        ? `yes: ${read} read, ${lost} lost`
        : `no: ${read} read, ${lost} lost of ${made}, ${blocked} rounds stopped`,
      target: "yes",
      reached: isTrue,
      raw: counts,
    },
  ];
}
