import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { buildSync } from "esbuild";
import { AGENT_FLAGS } from "../src/lab/processes.ts";
import type { FollowReport, ServeReport } from "./flow-load.ts";
import { CLIENT_CPU, SERVER_CPU } from "./namespaces.ts";
import { ended } from "./proxy-process.ts";
import type { Row } from "./report.ts";
import { median } from "./rounds.ts";

const ROUNDS = 5;
const SECONDS = 2;

/** One side: asked a line, it answers one. */
class Side {
  readonly child: ChildProcess;
  private readonly lines: Interface;
  private readonly waiting: PromiseWithResolvers<string>[] = [];

  constructor(cpu: number, words: readonly string[]) {
    this.child = spawn("taskset", ["-c", String(cpu), process.execPath, ...AGENT_FLAGS, ...words], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.lines = createInterface({ input: this.child.stdout! });
    this.lines.on("line", (line) => this.waiting.shift()?.resolve(line));
    this.child.once("exit", (code) => {
      for (const { reject } of this.waiting) reject(new Error(`a side of the load ended with ${code}`));
    });
  }

  line(): Promise<string> {
    const line = Promise.withResolvers<string>();
    this.waiting.push(line);
    return line.promise;
  }

  async ask<T>(question: string): Promise<T> {
    const answer = this.line();
    this.child.stdin!.write(`${question}\n`);
    return JSON.parse(await answer) as T;
  }
}

interface Load {
  readonly what: string;
  readonly clients: number;
  readonly rate: number;
  readonly hasSlow: boolean;
}

const LOADS: readonly Load[] = [
  { what: "70,000 flows a second to one client", clients: 1, rate: 70_000, hasSlow: false },
  { what: "100,000 flows a second to one client", clients: 1, rate: 100_000, hasSlow: false },
  { what: "20,000 flows a second to each of 10 clients", clients: 10, rate: 20_000, hasSlow: false },
  { what: "the same beside one that does not read", clients: 10, rate: 20_000, hasSlow: true },
];

interface Round {
  readonly served: ServeReport;
  readonly followed: FollowReport;
}

async function once(server: Side, program: string, socket: string, load: Load): Promise<Round> {
  const followers = new Side(CLIENT_CPU, [program, "follow", socket, String(load.clients), load.hasSlow ? "1" : "0"]);
  try {
    await followers.line();
    const served = await server.ask<ServeReport>(`${load.rate} ${SECONDS}`);
    return { served, followed: await followers.ask<FollowReport>(`stop ${served.made}`) };
  } finally {
    await ended(followers.child);
  }
}

function rowsOf({ what, clients, rate, hasSlow }: Load, rounds: readonly Round[]): Row[] {
  const share = ({ served, followed }: Round) =>
    median(followed.clients.map(({ flows }) => flows / served.made)) * (served.made / (rate * SECONDS));
  const whole = median(rounds.map(share));
  const cpu = median(rounds.map(({ served }) => served.cpu / served.made));
  const memory = Math.max(...rounds.map(({ served }) => served.memory)) / 2 ** 20;
  const told = rounds.every(({ served, followed: { clients: all, slow } }) =>
    [...all, ...(slow === undefined ? [] : [slow])].every(({ flows, lost }) => flows + lost === served.made),
  );
  return [
    {
      what,
      ours: `${((whole * rate) / 1000).toFixed(1)}k/s to each, ${cpu.toFixed(1)} us a flow, ${memory.toFixed(0)} MiB`,
      target: `${rate / 1000}k/s to each of ${clients}`,
      reached: whole >= 0.99,
      raw: rounds,
    },
    {
      what: `${what}: each flow came or was told as lost${hasSlow ? ", to the slow one too" : ""}`,
      ours: told ? "yes" : "no",
      target: "yes",
      reached: told,
      raw: null,
    },
  ];
}

const NODES = 3;
const NODE_RATE = 10_000;
/** Until the relay follows all nodes. */
const JOIN_MS = 500;

/** The relay has a processor to itself; its nodes share the other one with the client. */
async function measureRelayedFlows(program: string, folder: string): Promise<Row[]> {
  const nodes = Array.from({ length: NODES }, () => new Side(CLIENT_CPU, [program, "serve"]));
  const ports = await Promise.all(nodes.map((node) => node.line()));
  const socket = join(folder, "relay.sock");
  const relay = new Side(SERVER_CPU, [program, "relay", socket, ...ports]);
  try {
    await relay.line();
    const rounds: Round[] = [];
    for (let round = -1; round < ROUNDS; round++) {
      const follower = new Side(CLIENT_CPU, [program, "follow", socket, "1", "0"]);
      await follower.line();
      // the relay answers before it has asked the nodes
      await sleep(JOIN_MS);
      await relay.ask("joined");
      const made = await Promise.all(nodes.map((node) => node.ask<ServeReport>(`${NODE_RATE} ${SECONDS}`)));
      const served = { ...(await relay.ask<Omit<ServeReport, "made">>("cost")), made: sumOf(made) };
      const followed = await follower.ask<FollowReport>(`stop ${served.made}`);
      if (round >= 0) rounds.push({ served, followed });
      await ended(follower.child);
    }
    const what = `${NODE_RATE / 1000},000 flows a second of each of ${NODES} nodes through the relay`;
    return rowsOf({ what, clients: 1, rate: NODES * NODE_RATE, hasSlow: false }, rounds);
  } finally {
    await Promise.all([relay, ...nodes].map((side) => ended(side.child)));
  }
}

function sumOf(reports: readonly ServeReport[]): number {
  return reports.reduce((sum, { made }) => sum + made, 0);
}

/** Streams of flows from one node's observer to clients, and of three through the relay, without a kernel: what visibility costs where it is read. */
export async function measureFlows(root: string): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "sg-bench-flows-"));
  const program = join(folder, "flow-load.mjs");
  const entryPoints = [join(root, "bench/flow-load.ts")];
  buildSync({ entryPoints, outfile: program, bundle: true, platform: "node", format: "esm" });
  const socket = join(folder, "hubble.sock");
  const server = new Side(SERVER_CPU, [program, "serve", socket]);
  try {
    await server.line();
    const rows: Row[] = [];
    for (const load of LOADS) {
      const rounds: Round[] = [];
      for (let round = -1; round < ROUNDS; round++) {
        const figures = await once(server, program, socket, load);
        if (round >= 0) rounds.push(figures); // the first one warms up
      }
      rows.push(...rowsOf(load, rounds));
    }
    rows.push(...(await measureRelayedFlows(program, folder)));
    return rows;
  } finally {
    await ended(server.child);
    rmSync(folder, { recursive: true, force: true });
  }
}
