import { ask, type Figure, idleBytes, idleConnections, type Load, missingH2load, pacedLatency } from "./l7-load.ts";
import { type L7World, openL7World, type Way } from "./l7-world.ts";
import type { Row } from "./report.ts";
import { median, percentile } from "./rounds.ts";

const ROUNDS = 5;
const SECONDS = 1;
/** A proxy in JavaScript is compiled while it works, for some four seconds of full load: every way is asked so long before it counts. */
const WARM_UP_SECONDS = 4;

const KEPT: Load = {
  what: "64 connections, small answers",
  path: "request-landing",
  rules: 1,
  arguments: ["-c64"],
};
const NEW: Load = {
  ...KEPT,
  what: "a new connection for each request",
  arguments: ["-c64", "-H", "Connection: close"],
};
const BIG: Load = { ...KEPT, what: "bodies of 1 MB", path: "big", arguments: ["-c16"] };
const STREAMS: Load = { ...KEPT, what: "HTTP/2, 100 streams", http2: true, arguments: ["-c1", "-m100"] };
const LOADS = [KEPT, NEW, BIG, { ...KEPT, rules: 10 }, { ...KEPT, rules: 100 }];

const nameOf = ({ what, rules }: Load) => `${what}, ${rules} rule${rules === 1 ? "" : "s"}`;
type Figures = ReadonlyMap<string, readonly Figure[]>;

/** The second before which a way was not asked for this; of KEPT, nobody was asked for anything. */
async function firstSecond(world: L7World, ways: readonly Way[], load: Load): Promise<Figures> {
  const figures = new Map<string, Figure[]>();
  for (const way of ways) figures.set(way.name, [await ask(world, way, load, 1)]);
  return figures;
}

/** Figures of every way, round by round; the order of the ways turns so that a slow minute meets them all. */
async function measure(world: L7World, ways: readonly Way[], load: Load): Promise<Figures> {
  console.error(`bench: L7, ${nameOf(load)}`);
  for (const way of ways) await ask(world, way, load, WARM_UP_SECONDS);
  const figures = new Map<string, Figure[]>(ways.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (let turn = 0; turn < ways.length; turn++) {
      const way = ways[(turn + round) % ways.length]!;
      figures.get(way.name)!.push(await ask(world, way, load, SECONDS));
    }
  }
  return figures;
}

interface Target {
  readonly text: string;
  readonly reached: (ratio: number) => boolean;
}

const NONE: Target = { text: "", reached: () => true };
const AT_LEAST: Target = { text: ">= 1", reached: (ratio) => ratio >= 1 };
const AT_MOST: Target = { text: "<= 1", reached: (ratio) => ratio <= 1 };
const A_THIRD: Target = { text: "<= 0.33", reached: (ratio) => ratio <= 1 / 3 };

const digits = (value: number) => (value < 100 ? value.toFixed(1) : value.toFixed(0));

/** Ours against one other: the medians, and of the rounds' ratios their median and middle half. */
function compare(
  what: string,
  unit: string,
  target: Target,
  other: string,
  pairs: readonly (readonly number[])[],
): Row {
  const ratios = pairs.map(([ours, theirs]) => ours! / theirs!);
  return {
    what,
    ours: `${digits(median(pairs.map(([ours]) => ours!)))}${unit}`,
    against: `${other} ${digits(median(pairs.map(([, theirs]) => theirs!)))}${unit}`,
    ratio: median(ratios),
    spread: [percentile(ratios, 0.25), percentile(ratios, 0.75)],
    target: target.text,
    reached: target.reached(median(ratios)),
    raw: { ours: pairs.map(([ours]) => ours), theirs: pairs.map(([, theirs]) => theirs) },
  };
}

/** `what` in place of the load's name; such rows have no target. */
function rowsOf(load: Load, figures: Figures, what = nameOf(load)): Row[] {
  const ours = figures.get("ours")!;
  const aims = what === nameOf(load);
  return [...figures].flatMap(([name, theirs]) => {
    if (name === "ours") return [];
    const pairs = (pick: (figure: Figure) => number) => ours.map((one, round) => [pick(one), pick(theirs[round]!)]);
    const rate = compare(
      what,
      "/s",
      aims && name === "HAProxy" ? AT_LEAST : NONE,
      name,
      pairs(({ rate }) => rate),
    );
    if (name === "direct") return [rate];
    const target = (aims ? { HAProxy: AT_MOST, Envoy: A_THIRD }[name] : undefined) ?? NONE;
    return [
      rate,
      compare(
        `${what}: CPU a request`,
        " us",
        target,
        name,
        pairs(({ cpu }) => cpu),
      ),
    ];
  });
}

function skipped(what: string, reason: string): Row {
  return { what, ours: `skipped: ${reason}`, target: "", reached: true, raw: null };
}

/** Each at half of what it can: what a request waits for where there is room. */
async function latencyRows(world: L7World, ways: readonly Way[], kept: Figures): Promise<Row[]> {
  const missing = missingH2load();
  if (missing !== undefined) return [skipped("latency at half load", missing)];
  const rows: Row[] = [];
  for (const way of ways) {
    const rate = median(kept.get(way.name)!.map((figure) => figure.rate)) / 2;
    const { p50, p99 } = await pacedLatency(world, way, KEPT, rate, 2);
    rows.push({
      what: `latency at half load, ${way.name}`,
      ours: `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`,
      against: `at ${rate.toFixed(0)}/s`,
      target: "",
      reached: true,
      raw: { rate, p50, p99 },
    });
  }
  return rows;
}

async function idleRows(world: L7World, ways: readonly Way[]): Promise<Row[]> {
  const count = idleConnections();
  const rows: Row[] = [];
  for (const way of ways) {
    if (way.pid === undefined) continue;
    console.error(`bench: L7, idle connections, ${way.name}`);
    const what = `memory of an idle connection, ${way.name}, ${count} of them`;
    const bytes = await idleBytes(world, way, KEPT.rules, count).catch((error: Error) => error);
    if (typeof bytes !== "number") {
      rows.push(skipped(what, bytes.message));
      continue;
    }
    rows.push({
      what,
      ours: `${(bytes / 1024).toFixed(1)} KiB`,
      target: "",
      reached: true,
      raw: bytes,
    });
  }
  return rows;
}

async function http2Rows(world: L7World): Promise<Row[]> {
  const missing = missingH2load();
  if (missing !== undefined) return [skipped(STREAMS.what, missing)];
  const speaking: Way[] = [];
  const rows: Row[] = [];
  for (const way of await world.begin({ rules: STREAMS.rules, http2: true })) {
    const failure = await ask(world, way, STREAMS, SECONDS).then(
      () => undefined,
      () => `${way.name} does not pass HTTP/2 on to a server that speaks it`,
    );
    if (failure === undefined) speaking.push(way);
    else rows.push(skipped(`${STREAMS.what}, ${way.name}`, failure));
  }
  if (!speaking.some(({ name }) => name === "ours")) return rows;
  return [...rows, ...rowsOf(STREAMS, await measure(world, speaking, STREAMS))];
}

/** Our proxy and others in the same place, from pod to pod through the real redirect. */
export async function measureL7(): Promise<Row[]> {
  const world = await openL7World();
  try {
    const rows: Row[] = [...world.skipped].map(([name, reason]) => skipped(name, reason));
    let ways: readonly Way[] = [];
    let rules = 0;
    for (const load of LOADS) {
      if (load.rules !== rules) ways = await world.begin({ rules: load.rules, http2: false });
      rules = load.rules;
      if (load === KEPT) {
        const what = `${nameOf(load)}, the first second of each proxy`;
        rows.push(...rowsOf(load, await firstSecond(world, ways, load), what));
      }
      const figures = await measure(world, ways, load).catch((error: Error) => error);
      if (figures instanceof Error) {
        rows.push(skipped(nameOf(load), figures.message)); // the others are not lost by it
        continue;
      }
      rows.push(...rowsOf(load, figures));
      if (load !== KEPT) continue;
      // before the loads that leave the client without free ports
      rows.push(...(await latencyRows(world, ways, figures)), ...(await idleRows(world, ways)));
    }
    return [...rows, ...(await http2Rows(world))];
  } finally {
    await world.close();
  }
}
