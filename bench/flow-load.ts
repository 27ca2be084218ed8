/**
 * The sides of the load on the flow API, each a process of its own. `relay SOCKET PORT...` merges observers. `serve SOCKET` (or a port of its choice) is an observer that makes flows of
 * packets' events as its parent asks (`RATE SECONDS` a line) and answers what that took; `follow SOCKET COUNT SLOW` follows
 * with COUNT clients and one that does not read when SLOW is 1, and answers `stop MADE` with what they got, as soon as each was told of
 * all MADE flows or ten seconds have gone.
 */

import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { loopTurns } from "../src/agent/flow-view.ts";
import { createFlowPipeline, createFlowRing } from "../src/flow/index.ts";
import { createObserver, createRelay } from "../src/hubble/index.ts";
import { craftEvent, tcpPacket } from "../test/support/craft-event.ts";
import { starWarsContext } from "../test/support/flow-context.ts";
import { FlowFollower } from "../test/support/flow-follower.ts";

/** The ring of a node in the lab. */
const CAPACITY = 4095;
/** How often flows are made: as many at a time as the rate wants. */
const TICK_MS = 1;
/** How long a client is waited for that was not told of all flows. */
const PATIENCE_MS = 10_000;
/** As many at a time as the agent takes from the kernel's ring. */
const MOST_AT_ONCE = 1024;
/** Of an event: its time, and its packet's ports. */
const TIME_AT = 48;
const PORTS_AT = 72 + 14 + 20;

export interface ServeReport {
  readonly made: number;
  /** Processor time of the process, in microseconds. */
  readonly cpu: number;
  /** Most resident memory so far, in bytes. */
  readonly memory: number;
}

export interface FollowReport {
  /** Of each client that reads. */
  readonly clients: readonly { readonly flows: number; readonly lost: number }[];
  /** Of the one that did not read until the end. */
  readonly slow?: { readonly flows: number; readonly lost: number };
}

/** Of one connection what the node tells: the verdict, and packets of both ways, from two pods in turn. */
function trafficEvents(): Buffer[] {
  return (["172.20.2.10", "172.20.2.11"] as const).flatMap((pod) => {
    const [sourceIdentity, destinationIdentity] = [pod.endsWith("0") ? 10135 : 19274, 318];
    const there = { source: pod, destination: "172.20.1.20", sourcePort: 40_000, destinationPort: 80 };
    const back = { source: there.destination, destination: pod, sourcePort: 80, destinationPort: 40_000 };
    const seen = { sourceIdentity, destinationIdentity, ifindex: 12, endpoint: 871, monotonicNs: 1n };
    const trace = (flags: number) =>
      craftEvent({ ...seen, type: 4, ctStatus: 1, destinationEndpoint: 871, packet: tcpPacket({ ...there, flags }) });
    const answer = (flags: number) => {
      const ends = { sourceIdentity: destinationIdentity, destinationIdentity: sourceIdentity };
      return craftEvent({ ...seen, ...ends, type: 4, subtype: 4, ctStatus: 2, packet: tcpPacket({ ...back, flags }) });
    };
    const verdict = { type: 5, direction: 1, matchType: 2, cookie: 7, revision: 3 };
    const judged = craftEvent({ ...seen, ...verdict, packet: tcpPacket({ ...there, flags: 0x02 }) });
    return [judged, trace(0x02), answer(0x12), trace(0x18), trace(0x11), answer(0x11)].map((one) => Buffer.from(one));
  });
}

/** The next event: each connection has a port of its own, and each event its time. */
function nextOf(events: readonly Buffer[], number: number): Buffer {
  const event = events[number % events.length]!;
  const port = 32_768 + (Math.floor(number / events.length) % 28_000);
  event.writeUInt16BE(port, event.readUInt16BE(PORTS_AT) === 80 ? PORTS_AT + 2 : PORTS_AT);
  event.writeBigUInt64LE(process.hrtime.bigint(), TIME_AT);
  return event;
}

/** A path; or nothing, for a port on loopback. */
function listenerOf(path: string) {
  return path === "" ? { host: "127.0.0.1", port: 0 } : { path };
}

/** Merges the observers at these ports. */
async function relay(path: string, ports: readonly string[]): Promise<void> {
  const peers = ports.map((port) => ({ name: `default/node-${port}`, address: `127.0.0.1:${port}` }));
  const merged = createRelay({ peers, version: "1.20.2", now: Date.now, nodeName: "relay" });
  await merged.serve([{ path }]);
  console.log("ready");
  let before = process.cpuUsage();
  for await (const _ of createInterface({ input: process.stdin })) {
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    console.log(JSON.stringify({ cpu: user + system, memory: process.resourceUsage().maxRSS * 1024 }));
  }
  await merged.close();
}

async function serve(path: string): Promise<void> {
  const ring = createFlowRing(CAPACITY);
  const context = { ...starWarsContext, turn: loopTurns(), newUuid: randomUUID };
  const pipeline = createFlowPipeline({ context, ring });
  const observer = createObserver({ ring, nodeName: "default/k8s-w1", version: "1.20.2", now: Date.now });
  await observer.serve([listenerOf(path)]);
  const events = trafficEvents();
  const load = async (rate: number, seconds: number): Promise<ServeReport> => {
    const before = process.cpuUsage();
    const begin = performance.now();
    let made = 0;
    for (let now = begin; now < begin + 1000 * seconds; now = performance.now()) {
      const due = Math.min(((now - begin) * rate) / 1000, rate * seconds);
      const end = Math.min(due, made + MOST_AT_ONCE);
      for (; made < end; made++) pipeline.event(nextOf(events, made));
      await new Promise((resolve) => (end < due ? setImmediate(resolve) : setTimeout(resolve, TICK_MS)));
    }
    const spent = process.cpuUsage(before);
    return { made, cpu: spent.user + spent.system, memory: process.resourceUsage().maxRSS * 1024 };
  };
  console.log(observer.port);
  for await (const line of createInterface({ input: process.stdin })) {
    const [rate = 0, seconds = 0] = line.split(" ").map(Number);
    console.log(JSON.stringify(await load(rate, seconds)));
  }
  await observer.close();
}

async function follow(path: string, count: number, hasSlow: boolean): Promise<void> {
  const followers = Array.from({ length: count }, () => new FlowFollower({ path }));
  const slow = hasSlow ? new FlowFollower({ path }) : undefined;
  await Promise.all([...followers, ...(slow === undefined ? [] : [slow])].map((one) => one.begun()));
  for (const one of followers) one.read();
  console.log("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    slow?.read();
    const made = Number(line.split(" ")[1]);
    const all = [...followers, ...(slow === undefined ? [] : [slow])];
    const until = performance.now() + PATIENCE_MS;
    // lost events are told once a second
    while (performance.now() < until && all.some(({ flows, lost }) => flows + lost < made))
      await new Promise((resolve) => setTimeout(resolve, 100));
    const counts = ({ flows, lost }: FlowFollower) => ({ flows, lost });
    const report: FollowReport = {
      clients: followers.map(counts),
      ...(slow === undefined ? {} : { slow: counts(slow) }),
    };
    console.log(JSON.stringify(report));
    break;
  }
  for (const one of followers) one.close();
  slow?.close();
}

const [, , role, path = "", count = "1", slow = "0"] = process.argv;
if (role === "serve") await serve(path);
else if (role === "relay") await relay(path, process.argv.slice(4));
else if (role === "follow") await follow(path, Number(count), slow === "1");
