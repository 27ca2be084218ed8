/** Load for proxies: wrk, h2load, and clients that only hold their connections. */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type L7World, lastPath, type Way } from "./l7-world.ts";
import { CLIENT_CPU, client } from "./namespaces.ts";
import { cpuMicroseconds, memoryBytes } from "./proxy-process.ts";
import { percentile } from "./rounds.ts";

/** One round of one way. */
export interface Figure {
  /** Requests a second. */
  readonly rate: number;
  /** Of the proxy, for each request, in microseconds; NaN = direct. */
  readonly cpu: number;
}

/** What a way is asked. */
export interface Load {
  readonly what: string;
  readonly path: string;
  readonly rules: number;
  readonly http2?: true;
  /** For wrk, or h2load with HTTP/2. */
  readonly arguments: readonly string[];
}

const urlOf = (world: L7World, way: Way, { rules, path }: Pick<Load, "rules" | "path">) =>
  `http://${world.address}:${way.port}${lastPath(rules)}/${path}`;

/** Why there is no h2load here; undefined = there is. */
export function missingH2load(): string | undefined {
  return spawnSync("h2load", ["--version"]).status === 0
    ? undefined
    : "h2load is not installed: apt-get install nghttp2-client";
}

/** Asks for so many seconds. Throws on an answer that is no 200. */
export async function ask(world: L7World, way: Way, load: Load, seconds: number): Promise<Figure> {
  const before = way.pid === undefined ? 0 : cpuMicroseconds(way.pid);
  const [program, duration] = load.http2 ? ["h2load", `-D${seconds}`] : ["wrk", `-d${seconds}s`];
  const out = await client(world.client, program, "-t1", duration, ...load.arguments, urlOf(world, way, load));
  const cpu = way.pid === undefined ? Number.NaN : cpuMicroseconds(way.pid) - before;
  const { requests, rate, failed } = load.http2 ? readH2load(out) : readWrk(out);
  if (failed || !(requests > 0)) throw new Error(`${way.name}: ${out}`);
  return { rate, cpu: cpu / requests };
}

function readWrk(out: string) {
  return {
    requests: Number(/(\d+) requests in/.exec(out)?.[1]),
    rate: Number(/Requests\/sec: +([\d.]+)/.exec(out)?.[1]),
    failed: /Non-2xx/.test(out), // a connection that fails is a request that does not count
  };
}

function readH2load(out: string) {
  const requests = Number(/status codes: (\d+) 2xx/.exec(out)?.[1]);
  return {
    requests,
    rate: Number(/finished in [^,]*, ([\d.]+) req\/s/.exec(out)?.[1]),
    failed: !/status codes: \d+ 2xx, 0 3xx, 0 4xx, 0 5xx/.test(out),
  };
}

/** p50 and p99 of the time to an answer, in milliseconds, on 64 connections that together ask at `rate` a second. */
export async function pacedLatency(world: L7World, way: Way, load: Load, rate: number, seconds: number) {
  const log = join(tmpdir(), `shieldgate-h2load-${process.pid}`);
  const pace = ["--h1", "-t1", "-c64", `-D${seconds}`, `--rps=${Math.max(1, Math.round(rate / 64))}`];
  try {
    await client(world.client, "h2load", ...pace, `--log-file=${log}`, urlOf(world, way, load));
    const tookMs = readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((line) => Number(line.split("\t")[2]) / 1000);
    return { p50: percentile(tookMs, 0.5), p99: percentile(tookMs, 0.99) };
  } finally {
    rmSync(log, { force: true });
  }
}

/** In the client's pod: so many connections, one request on each; says so when all are answered, and holds them. */
const HOLDER = `
const [address, port, path, count] = process.argv.slice(1);
let open = 0, answered = 0;
const next = () => {
  if (open++ >= Number(count)) return;
  const socket = require("net").connect(Number(port), address, () =>
    socket.write("GET " + path + " HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"));
  socket.on("error", (error) => { console.log(error.message); process.exit(1); });
  socket.once("data", () => { if (++answered === Number(count)) console.log("held"); next(); });
};
for (let index = 0; index < 50; index++) next();
setTimeout(() => { if (answered < Number(count)) { console.log(answered + " answered in 20 s"); process.exit(1); } }, 20000);
`;

/** Bytes of memory that the proxy takes for each of so many connections that were used once and idle since. */
export async function idleBytes(world: L7World, way: Way, rules: number, count: number): Promise<number> {
  const before = memoryBytes(way.pid!);
  const script = [world.address, String(way.port), `${lastPath(rules)}/idle`, String(count)];
  const words = ["taskset", "-c", String(CLIENT_CPU), process.execPath, "-e", HOLDER, "--", ...script];
  const holder = spawn("nsenter", [`--net=${world.client}`, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const said = await new Promise<string>((resolve) => {
      holder.stdout.once("data", (chunk) => resolve(String(chunk).trim()));
      holder.once("exit", (code) => resolve(`exit ${code}`));
    });
    if (said !== "held") throw new Error(`${way.name}, ${count} idle connections: ${said}`);
    return (memoryBytes(way.pid!) - before) / count;
  } finally {
    holder.kill("SIGKILL");
  }
}

/** 10,000, or what the limit of open files leaves a proxy that holds two for each. */
export function idleConnections(): number {
  const most = Number(/^Max open files +\d+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]);
  return Math.min(10_000, Math.floor((most - 1000) / 2));
}
