import { cpuMicroseconds, type L7World, lastPath, openL7World, type Way } from "./l7-world.ts";
import { client } from "./namespaces.ts";
import type { Row } from "./report.ts";
import { median, percentile } from "./rounds.ts";

/** One round of one way. */
interface Figure {
  /** Requests a second. */
  readonly rate: number;
  /** Of the proxy, for each request, in microseconds; NaN = direct. */
  readonly cpu: number;
}

/** What wrk is told. */
interface Load {
  readonly what: string;
  readonly connections: number;
  readonly path: string;
  readonly arguments?: readonly string[];
  readonly seconds: number;
}

const KEPT: Load = { what: "64 connections, small answers", connections: 64, path: "request-landing", seconds: 1 };
const NEW: Load = {
  ...KEPT,
  what: "a new connection for each request",
  arguments: ["-H", "Connection: close"],
};
const BIG: Load = { what: "bodies of 1 MB", connections: 16, path: "big", seconds: 1 };

async function wrk(world: L7World, way: Way, load: Load, rules: number): Promise<Figure> {
  const before = way.pid === undefined ? 0 : cpuMicroseconds(way.pid);
  const url = `http://${world.address}:${way.port}${lastPath(rules)}/${load.path}`;
  const options = ["-t1", `-c${load.connections}`, `-d${load.seconds}s`, ...(load.arguments ?? [])];
  const out = await client(world.client, "wrk", ...options, url);
  const spent = way.pid === undefined ? Number.NaN : cpuMicroseconds(way.pid) - before;
  const requests = Number(/(\d+) requests in/.exec(out)?.[1]);
  if (/Non-2xx|Socket errors/.test(out) || !(requests > 0)) throw new Error(`${way.name}: ${out}`);
  return { rate: Number(/Requests\/sec: +([\d.]+)/.exec(out)?.[1]), cpu: spent / requests };
}

/** Figures of every way, round by round; the order of the ways turns so that a slow minute meets them all. */
async function rounds(ways: readonly Way[], count: number, once: (way: Way) => Promise<Figure>) {
  const figures = new Map<string, Figure[]>(ways.map(({ name }) => [name, []]));
  for (let round = -1; round < count; round++) {
    for (let turn = 0; turn < ways.length; turn++) {
      const way = ways[(turn + round + ways.length) % ways.length]!;
      const figure = await once(way);
      if (round >= 0) figures.get(way.name)!.push(figure); // the first one warms up
    }
  }
  return figures;
}

/** Ours against one other: the medians, and of the rounds' ratios their median and middle half. */
function compare(
  what: string,
  unit: string,
  figures: ReadonlyMap<string, readonly Figure[]>,
  other: string,
  pick: (figure: Figure) => number,
  target: { readonly text: string; reached(ratio: number): boolean },
): Row {
  const ours = figures.get("ours")!.map(pick);
  const theirs = figures.get(other)!.map(pick);
  const ratios = ours.map((value, round) => value / theirs[round]!);
  const digits = (value: number) => (value < 100 ? value.toFixed(1) : value.toFixed(0));
  return {
    what,
    ours: `${digits(median(ours))}${unit}`,
    against: `${other} ${digits(median(theirs))}${unit}`,
    ratio: median(ratios),
    spread: [percentile(ratios, 0.25), percentile(ratios, 0.75)],
    target: target.text,
    reached: target.reached(median(ratios)),
    raw: { ours, theirs },
  };
}

const NONE = { text: "", reached: () => true };
const AT_LEAST = { text: ">= 1", reached: (ratio: number) => ratio >= 1 };
const AT_MOST = { text: "<= 1", reached: (ratio: number) => ratio <= 1 };
const A_THIRD = { text: "<= 0.33", reached: (ratio: number) => ratio <= 1 / 3 };

function rowsOf(what: string, figures: ReadonlyMap<string, readonly Figure[]>): Row[] {
  const others = [...figures.keys()].filter((name) => name !== "ours");
  return others.flatMap((other) => {
    const isHaproxy = other === "HAProxy";
    const rate = compare(what, "/s", figures, other, ({ rate }) => rate, isHaproxy ? AT_LEAST : NONE);
    if (other === "direct") return [rate];
    const target = isHaproxy ? AT_MOST : other === "Envoy" ? A_THIRD : NONE;
    return [rate, compare(`${what}: CPU a request`, " us", figures, other, ({ cpu }) => cpu, target)];
  });
}

/** Our proxy and others in the same place, from pod to pod through the real redirect. */
export async function measureL7(): Promise<Row[]> {
  const world = await openL7World();
  try {
    const rows: Row[] = [...world.skipped].map(([name, reason]) => ({
      what: name,
      ours: `skipped: ${reason}`,
      target: "",
      reached: true,
      raw: null,
    }));
    for (const rules of [1, 10, 100]) {
      const ways = await world.begin({ rules, http2: false });
      const loads = rules === 1 ? [KEPT, NEW, BIG] : [KEPT];
      for (const load of loads) {
        console.error(`bench: L7, ${load.what}, ${rules} rules`);
        const figures = await rounds(ways, 5, (way) => wrk(world, way, load, rules));
        rows.push(...rowsOf(`${load.what}, ${rules} rule${rules === 1 ? "" : "s"}`, figures));
      }
    }
    return rows;
  } finally {
    await world.close();
  }
}
