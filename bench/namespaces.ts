import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { constants, setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../test/support/lab.ts";

/** Where a program of the benchmark runs: `nsenter` arguments for a namespace by path. */
export type Place = string;

export const SERVER_CPU = 1;
export const CLIENT_CPU = 0;
const AUTOGROUP = "/proc/self/autogroup";

/** The network namespace of a process. */
export function placeOf(pid: number): Place {
  return `/proc/${pid}/ns/net`;
}

/**
 * Before all other work of the machine, until the returned function is called: where the kernel groups tasks by session, a
 * process's own priority counts within its group only.
 */
export function goFirst(): () => void {
  const { PRIORITY_HIGHEST, PRIORITY_NORMAL } = constants.priority;
  const set = (priority: number) => {
    setPriority(priority);
    if (existsSync(AUTOGROUP)) writeFileSync(AUTOGROUP, String(priority));
  };
  const back = () => set(PRIORITY_NORMAL);
  set(PRIORITY_HIGHEST);
  process.once("exit", back);
  return () => {
    process.off("exit", back);
    back();
  };
}

function compiler(): string {
  const found = ["clang", "cc", "gcc"].find((name) => spawnSync(name, ["--version"]).status === 0);
  if (found === undefined) throw new Error("no C compiler for bench/native/traffic.c: apt-get install clang");
  return found;
}

/** Compiles the traffic program once. Throws where there is no compiler. */
export function buildTraffic(root: string): string {
  const binary = join(tmpdir(), `shieldgate-traffic-${process.pid}`);
  execFileSync(compiler(), ["-O2", "-o", binary, join(root, "bench/native/traffic.c")]);
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

const CLIENT_NET = { v4: "10.201.1", v6: "fd00:10:201:1:" } as const;
const SERVER_NET = { v4: "10.201.2", v6: "fd00:10:201:2:" } as const;

/** Commands that join a host's namespace to a router's. */
function joinHost(
  host: string,
  router: string,
  end: string,
  { v4, v6 }: typeof CLIENT_NET | typeof SERVER_NET,
): string {
  return `ip -n ${router} link add ${end} type veth peer name eth0 netns ${host}
ip -n ${router} addr add ${v4}.1/24 dev ${end}; ip -n ${router} addr add ${v6}:1/64 dev ${end} nodad; ip -n ${router} link set ${end} up
ip -n ${host} addr add ${v4}.2/24 dev eth0; ip -n ${host} addr add ${v6}:2/64 dev eth0 nodad; ip -n ${host} link set eth0 up
ip -n ${host} route add default via ${v4}.1; ip -n ${host} route add default via ${v6}:1`;
}

/** Commands that give a router a place on the bridge br0 of the namespace `fabric`, and the way to the other router's host. */
function joinBridge(
  fabric: string,
  router: string,
  own: number,
  other: number,
  net: typeof CLIENT_NET | typeof SERVER_NET,
) {
  return `ip -n ${fabric} link add plain${own} type veth peer name eth0 netns ${router}; ip -n ${fabric} link set plain${own} up master br0
ip -n ${router} addr add 192.168.10.${own}/24 dev eth0; ip -n ${router} link set eth0 up
ip -n ${router} route add ${net.v4}.0/24 via 192.168.10.${other}`;
}

/**
 * A client's and a server's namespace with plain routing between them: veth pairs, the kernel's forwarding, no policy, no
 * eBPF. One router as between two pods of a node; or, across the bridge br0 of a fabric's namespace, two (then IPv4 only).
 */
export class PlainRouting {
  readonly client: Place;
  readonly server: Place;
  readonly address = `${SERVER_NET.v4}.2`;
  readonly address6 = `${SERVER_NET.v6}:2`;
  private readonly names: readonly string[];
  private readonly fabric: string | undefined;

  constructor(name: string, fabric?: string) {
    const routers = fabric === undefined ? ["router"] : ["router", "router2"];
    this.names = ["a", "b", ...routers].map((part) => `${name}-${part}`);
    this.client = `/run/netns/${this.names[0]}`;
    this.server = `/run/netns/${this.names[1]}`;
    this.fabric = fabric;
  }

  create(): void {
    const [a = "", b = "", router = "", router2 = router] = this.names;
    const { fabric } = this;
    const script = `set -e
for n in ${this.names.join(" ")}; do ip netns add $n; ip -n $n link set lo up; done
${joinHost(a, router, "va", CLIENT_NET)}
${joinHost(b, router2, "vb", SERVER_NET)}
${fabric === undefined ? "" : joinBridge(fabric, router, 201, 202, SERVER_NET)}
${fabric === undefined ? "" : joinBridge(fabric, router2, 202, 201, CLIENT_NET)}
for n in ${router} ${router2}; do ip netns exec $n sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; done`;
    execFileSync("sh", ["-c", script]);
  }

  remove(): void {
    for (const name of this.names) execFileSync("sh", ["-c", `ip netns delete ${name} 2>/dev/null || true`]);
  }
}
