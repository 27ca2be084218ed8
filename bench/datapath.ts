import { openWorld, PORT, type Ways, type World } from "./datapath-world.ts";
import { client } from "./namespaces.ts";
import type { Row } from "./report.ts";
import { interleave } from "./rounds.ts";

const TCP = 6;
const UDP = 17;
/** Entries of the policies in all rows that are not about their number. */
const ENTRIES = 100;
const ENTRY_COUNTS = [0, 1, 100, 1_000, 10_000];
const SERVICE_COUNTS = [1, 1_000, 10_000];

/** A kind of traffic: what the traffic program is told before and after where to. */
interface Kind {
  readonly what: string;
  /** Of plain routing, at least. */
  readonly goal: number;
  readonly mode: string;
  readonly connections?: number;
  readonly protocol: number;
  readonly unit: string;
}

const ONE: Kind = { what: "request/response", goal: 1, mode: "rr", protocol: TCP, unit: "/s" };
const MANY: Kind = { ...ONE, what: "request/response, 32 connections", connections: 32 };
const NEW: Kind = { ...ONE, what: "new connections", mode: "crr" };
const DATAGRAMS: Kind = { ...ONE, what: "UDP request/response", mode: "urr", protocol: UDP };
const STREAM: Kind = { ...ONE, what: "one stream", goal: 0.95, mode: "stream", connections: 1, unit: " Mbit/s" };
const STREAMS: Kind = { ...STREAM, what: "8 streams", connections: 8 };
const KINDS = [ONE, MANY, NEW, DATAGRAMS, STREAM, STREAMS];

/** Unmeasured and before each row: by it hosts learn who their neighbours are, and caches what is new. */
const WARM_UP_SECONDS = 0.03;

/** How long the matrix is measured. */
export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
}

/** Ratios of single rounds differ by a third on a machine with neighbours: their median settles after a dozen. */
export const FULL: Effort = { rounds: 15, seconds: 0.2 };
/** Shows that everything works; its figures say nothing. */
export const QUICK: Effort = { rounds: 2, seconds: 0.1 };

/** `goal` = undefined: only reported. */
type Measure = (kind: Kind, ways: Ways, under: string, goal?: number) => Promise<Row>;

function measureWith(traffic: string, { rounds, seconds }: Effort): Measure {
  const once = async (kind: Kind, { client: place, address }: Ways["ours"], duration = seconds) => {
    const count = kind.connections === undefined ? [] : [String(kind.connections)];
    return Number(await client(place, traffic, kind.mode, address, String(PORT), String(duration), ...count));
  };
  return async (kind, { ours, plain }, under, goal) => {
    const what = `${kind.what}, ${under}`;
    console.error(`bench: datapath, ${what}`);
    for (const way of [ours, plain]) await once(kind, way, WARM_UP_SECONDS);
    const result = await interleave(
      rounds,
      () => once(kind, ours),
      () => once(kind, plain),
    );
    return {
      what,
      ours: `${Math.round(result.ours)}${kind.unit}`,
      against: `plain routing ${Math.round(result.theirs)}${kind.unit}`,
      ratio: result.ratio,
      spread: result.spread,
      target: goal === undefined ? "" : `>= ${goal}`,
      reached: goal === undefined || result.ratio >= goal,
      raw: { ours: result.rounds.map((round) => round.ours), theirs: result.rounds.map((round) => round.theirs) },
    };
  };
}

async function policyRows(world: World, measure: Measure): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of KINDS) {
    for (const count of ENTRY_COUNTS) {
      await world.setEntries(count, kind.protocol);
      const under = count === 0 ? "no policy enforced" : `${count} policy entries`;
      rows.push(await measure(kind, world.local, under, kind.goal));
    }
  }
  return rows;
}

async function ipv6Rows(world: World, measure: Measure): Promise<Row[]> {
  const rows: Row[] = [];
  await world.setEntries(ENTRIES, TCP);
  for (const kind of [ONE, MANY, NEW])
    rows.push(await measure(kind, world.local6, `IPv6, ${ENTRIES} policy entries`, kind.goal));
  return rows;
}

async function serviceRows(world: World, measure: Measure): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of KINDS) {
    await world.setEntries(ENTRIES, kind.protocol);
    for (const count of SERVICE_COUNTS) {
      await world.setServices(count, kind.protocol);
      rows.push(await measure(kind, world.service, `through one of ${count} services`, kind.goal));
    }
  }
  await world.setServices(0, TCP);
  return rows;
}

async function nodeRows(world: World, measure: Measure): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kind of KINDS) {
    await world.setEntries(ENTRIES, kind.protocol);
    rows.push(await measure(kind, world.vxlan, "to another node, VXLAN"));
    rows.push(await measure(kind, world.native, "to another node, native routing", kind.goal));
  }
  return rows;
}

async function eventRows(world: World, measure: Measure): Promise<Row[]> {
  const rows: Row[] = [];
  await world.setEntries(ENTRIES, TCP);
  for (const kind of [ONE, NEW]) {
    // without a reader the ring is full: an event costs the attempt to make it
    await world.setEvents({ read: false, every: false });
    rows.push(await measure(kind, world.local, "events not read"));
    await world.setEvents({ read: true, every: false });
    rows.push(await measure(kind, world.local, "events read"));
    await world.setEvents({ read: true, every: true });
    rows.push(await measure(kind, world.local, "every packet traced and read"));
  }
  await world.setEvents({ read: true, every: false });
  return rows;
}

/**
 * Traffic between two pods with policy against the same traffic over plain routing, as policies and services grow, in both
 * families, between nodes, and with more or less events. In all rows but those on events a process reads the events, as an
 * agent does, and aggregation is the agent's own.
 */
export async function measureDatapath(traffic: string, effort: Effort): Promise<Row[]> {
  const world = await openWorld(traffic);
  try {
    const measure = measureWith(traffic, effort);
    await world.setEvents({ read: true, every: false });
    const rows: Row[] = [];
    for (const part of [policyRows, ipv6Rows, serviceRows, nodeRows, eventRows])
      rows.push(...(await part(world, measure)));
    return rows;
  } finally {
    await world.close();
  }
}
