import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleApiServer } from "../test/support/api-server-bundle.ts";
import { realApiServerMissing } from "../test/support/real-api-server.ts";
import { fanOut, fill, timed, writes } from "./api-load.ts";
import { type MeasuredServer, settled, startOurs, startTheirs } from "./api-servers.ts";
import type { Row } from "./report.ts";
import { interleave, median, percentile, type Side } from "./rounds.ts";

const PODS = 10_000;
const STARTS = 3;
const ROUNDS = 3;
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const ALL = "/api/v1/pods";

const MS = (value: number): string => (value < 10 ? `${value.toFixed(2)} ms` : `${Math.round(value)} ms`);
const MB = (value: number): string => `${Math.round(value / 1e6)} MB`;
const PER_SECOND = (value: number): string => `${Math.round(value)}/s`;

/** One row of both sides in turn; `isBetter` says whether the ratio, ours to theirs, is where it should be. */
async function compared(
  what: string,
  rounds: number,
  sides: readonly [Side, Side],
  shown: (value: number) => string,
  target: "less" | "not less",
): Promise<Row> {
  const { ours, theirs, ratio, spread, rounds: raw } = await interleave(rounds, ...sides);
  const reached = target === "less" ? ratio < 1 : ratio >= 1;
  const aim = target === "less" ? "below 1.00" : "1.00 or better";
  return {
    what,
    ours: shown(ours),
    against: `${shown(theirs)} (kube-apiserver, etcd)`,
    ratio,
    spread,
    target: aim,
    reached,
    raw,
  };
}

async function measureStarts(bundle: string): Promise<Row[]> {
  const idle: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  const start = (begin: () => Promise<MeasuredServer>, memories: number[]) => async () => {
    const server = await begin();
    memories.push(server.memory());
    await server.close();
    return server.readyMs;
  };
  const sides = [start(() => startOurs(bundle), idle.ours), start(() => startTheirs(true), idle.theirs)] as const;
  const row = await compared("API server, start to ready", STARTS, sides, MS, "less");
  const [ours, theirs] = [median(idle.ours), median(idle.theirs)];
  const memory = { what: "its memory when it is ready", ours: MB(ours), against: MB(theirs), ratio: ours / theirs };
  return [row, { ...memory, target: "below 1.00", reached: ours < theirs, raw: idle }];
}

async function latencies(
  [ours, theirs]: readonly [MeasuredServer, MeasuredServer],
  what: string,
  path: string,
  times: number,
  accept?: string,
): Promise<Row[]> {
  const all: Record<"ours" | "theirs", number[]> = { ours: [], theirs: [] };
  for (let turn = 0; turn < ROUNDS; turn++) {
    all.ours.push(...(await timed(ours, path, times, accept)));
    all.theirs.push(...(await timed(theirs, path, times, accept)));
  }
  return [50, 99].map((place) => {
    const [a, b] = [percentile(all.ours, place / 100), percentile(all.theirs, place / 100)];
    const row = { what: `${what}, p${place}`, ours: MS(a), against: MS(b), ratio: a / b, target: "below 1.00" };
    return { ...row, reached: a < b, raw: place === 50 ? all : "" };
  });
}

async function measureWrites(pair: readonly [MeasuredServer, MeasuredServer], note: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [clients, count] of [
    [1, 50],
    [16, 200],
  ] as const) {
    const rounds = {
      ours: [] as Awaited<ReturnType<typeof writes>>[],
      theirs: [] as Awaited<ReturnType<typeof writes>>[],
    };
    for (let turn = 0; turn < ROUNDS; turn++) {
      rounds.ours.push(await writes(pair[0], count, clients));
      rounds.theirs.push(await writes(pair[1], count, clients));
    }
    for (const verb of ["create", "update", "patch"] as const) {
      const ratios = rounds.ours.map((round, index) => round[verb] / rounds.theirs[index]![verb]);
      const [ours, theirs] = [rounds.ours, rounds.theirs].map((side) => median(side.map((round) => round[verb])));
      const ratio = median(ratios);
      const spread = [percentile(ratios, 0.25), percentile(ratios, 0.75)] as const;
      const row = {
        what: `${verb}, ${clients} client${clients === 1 ? "" : "s"}, ${note}`,
        ours: PER_SECOND(ours!),
        against: PER_SECOND(theirs!),
      };
      rows.push({ ...row, ratio, spread, target: "1.00 or better", reached: ratio >= 1, raw: ratios });
    }
  }
  return rows;
}

async function measureFanOut([ours, theirs]: readonly [MeasuredServer, MeasuredServer]): Promise<Row[]> {
  const delays: Record<"ours" | "theirs", number[]> = { ours: [], theirs: [] };
  const side =
    (server: MeasuredServer, kept: number[]): Side =>
    async () => {
      const { perSecond, delays: seen } = await fanOut(server, 100, 50);
      kept.push(...seen);
      return perSecond;
    };
  const sides = [side(ours, delays.ours), side(theirs, delays.theirs)] as const;
  const rate = await compared("events to 100 watchers", ROUNDS, sides, PER_SECOND, "not less");
  const late = [50, 99].map((place) => {
    const [a, b] = [percentile(delays.ours, place / 100), percentile(delays.theirs, place / 100)];
    const row = { what: `write to event at a watcher of 100, p${place}`, ours: MS(a), against: MS(b), ratio: a / b };
    return { ...row, target: "below 1.00", reached: a < b, raw: "" };
  });
  return [rate, ...late];
}

/**
 * Our API server beside a real kube-apiserver with etcd, each on one processor, the client on the other. Of writes there are
 * two: etcd as it comes syncs its log to the disk before it answers, ours does not; without that both keep what a process
 * wrote before it ended. Throws when the real one is not built.
 */
export async function measureApi(): Promise<Row[]> {
  const missing = realApiServerMissing();
  if (missing !== undefined) throw new Error(missing);
  const directory = mkdtempSync(join(tmpdir(), "shieldgate-bench-api-"));
  const open: MeasuredServer[] = [];
  const started = async (server: Promise<MeasuredServer>): Promise<MeasuredServer> => {
    open.push(await server);
    return open.at(-1)!;
  };
  try {
    const bundle = await bundleApiServer(directory);
    const rows: Row[] = [];
    const add = (more: readonly Row[]): void => {
      for (const row of more) console.error(`  ${row.what}: ${row.ours}, theirs ${row.against}`);
      rows.push(...more);
    };
    add(await measureStarts(bundle));
    const pair = [await started(startOurs(bundle)), await started(startTheirs(false))] as const;
    for (const server of pair) await fill(server, PODS);
    await settled(pair);
    const [ours, theirs] = pair.map((server) => server.memory()) as [number, number];
    const memory = { what: "memory with 10,000 pods", ours: MB(ours), against: MB(theirs), ratio: ours / theirs };
    add([{ ...memory, target: "below 1.00", reached: ours < theirs, raw: { ours, theirs } }]);
    add(await latencies(pair, "get a pod", "/api/v1/namespaces/bench-1/pods/pod-1", 200));
    add(await latencies(pair, "list 10,000 pods", ALL, 3));
    add(await latencies(pair, "list 500 of them", `${ALL}?limit=500`, 10));
    add(await latencies(pair, "list 1,000 by label", `${ALL}?labelSelector=app%3Dapp-1`, 5));
    add(await latencies(pair, "list 10,000 as a table", ALL, 2, TABLE));
    add(await measureFanOut(pair));
    add(await measureWrites(pair, "neither syncs"));
    const syncing = await started(startTheirs(true));
    await fill(syncing, 0);
    add(await measureWrites([pair[0], syncing], "etcd syncs, ours does not"));
    return rows;
  } finally {
    for (const server of open) await server.close();
    rmSync(directory, { recursive: true });
  }
}
