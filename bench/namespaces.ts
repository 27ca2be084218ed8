import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../test/support/lab.ts";

/** Where a program of the benchmark runs: `nsenter` arguments for a namespace by path. */
export type Place = string;

export const SERVER_CPU = 1;
export const CLIENT_CPU = 0;

/** The network namespace of a process. */
export function placeOf(pid: number): Place {
  return `/proc/${pid}/ns/net`;
}

/** Compiles the traffic program once. */
export function buildTraffic(root: string): string {
  const binary = join(tmpdir(), `shieldgate-traffic-${process.pid}`);
  execFileSync("clang", ["-O2", "-o", binary, join(root, "bench/native/traffic.c")]);
  process.on("exit", () => rmSync(binary, { force: true }));
  return binary;
}

function argv(place: Place, cpu: number, words: readonly string[]): string[] {
  return [`--net=${place}`, "taskset", "-c", String(cpu), ...words];
}

/** Runs a client to its end, pinned; its stdout. */
export async function client(place: Place, ...words: string[]): Promise<string> {
  const result = await run("nsenter", argv(place, CLIENT_CPU, words));
  if (result.code !== 0) throw new Error(`${words.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

/** Starts a server, pinned; resolves when it says that it is ready. */
export function server(place: Place, ...words: string[]): Promise<ChildProcess> {
  const child = spawn("nsenter", argv(place, SERVER_CPU, words), { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`${words.join(" ")}: exit ${code}`)));
    child.stdout?.once("data", () => resolve(child));
  });
}

/** Two namespaces with a plain router between them: veth pairs, the kernel's forwarding, no policy. */
export class PlainRouting {
  readonly client: Place;
  readonly server: Place;
  readonly address = "10.201.2.2";
  private readonly names: readonly string[];

  constructor(name: string) {
    this.names = ["a", "b", "router"].map((part) => `${name}-${part}`);
    this.client = `/run/netns/${this.names[0]}`;
    this.server = `/run/netns/${this.names[1]}`;
  }

  create(): void {
    const [a, b, router] = this.names;
    const script = `set -e
for n in ${this.names.join(" ")}; do ip netns add $n; ip -n $n link set lo up; done
ip -n ${router} link add va type veth peer name eth0 netns ${a}
ip -n ${router} link add vb type veth peer name eth0 netns ${b}
ip -n ${router} addr add 10.201.1.1/24 dev va; ip -n ${router} addr add 10.201.2.1/24 dev vb
ip -n ${router} link set va up; ip -n ${router} link set vb up
ip -n ${a} addr add 10.201.1.2/24 dev eth0; ip -n ${a} link set eth0 up; ip -n ${a} route add default via 10.201.1.1
ip -n ${b} addr add 10.201.2.2/24 dev eth0; ip -n ${b} link set eth0 up; ip -n ${b} route add default via 10.201.2.1
ip netns exec ${router} sysctl -qw net.ipv4.ip_forward=1`;
    execFileSync("sh", ["-c", script]);
  }

  remove(): void {
    for (const name of this.names) execFileSync("sh", ["-c", `ip netns delete ${name} 2>/dev/null || true`]);
  }
}
