import { type ChildProcess, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { constants, setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { createPolicyDiscovery, type PolicyDiscovery } from "../src/proxy/xds-server.ts";
import { ALLOW_ALL, entry, type Lab, openLab, type Pod, policy } from "../test/kernel/datapath-lab.ts";
import { ROOT } from "../test/support/lab.ts";
import { CLIENT_CPU, client, goFirst } from "./namespaces.ts";
import { cpuMicroseconds, ended, startPinned, startProxy } from "./proxy-process.ts";
import type { Row } from "./report.ts";
import { median } from "./rounds.ts";

const UDP = 17;
const KEY = "egress:UDP:53:dns";
const DIRECT = "5353";
const JUDGED = "53";
const ROUNDS = 7;
/** A proxy in JavaScript is compiled while it works, for some seconds: so many rounds before it counts; the first of them has a row of its own. */
const WARM_UP_ROUNDS = 4;
const SECONDS = "1";
const WINDOW = "64";
/** Questions a second at which the latency is looked at. */
const PACE = "5000";

/** What one round of `dns load` or `dns pace` printed. */
interface Figure {
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly lost: number;
  /** Of the proxy, for each question, in microseconds. */
  readonly cpu: number;
}

/** Two pods of one node, a DNS server in one of them, and the real proxy at port 53 alone. */
class DnsWorld {
  private readonly directory = mkdtempSync(join(tmpdir(), "shieldgate-dns-"));
  private readonly children: ChildProcess[] = [];
  private readonly program = join(this.directory, "dns");
  private readonly lab: Lab;
  private readonly asking: Pod;
  private readonly answering: Pod;
  private discovery: PolicyDiscovery | undefined;
  private proxy: ChildProcess | undefined;

  constructor(lab: Lab, asking: Pod, answering: Pod) {
    this.lab = lab;
    this.asking = asking;
    this.answering = answering;
  }

  async open(): Promise<void> {
    execFileSync("clang", ["-O2", "-o", this.program, join(ROOT, "bench/native/dns.c")]);
    for (const port of [DIRECT, JUDGED])
      this.children.push(startPinned(this.answering.netns, this.words("serve", port), CLIENT_CPU));
    const xdsPath = join(this.directory, "xds.sock");
    this.discovery = await createPolicyDiscovery({ socketPath: xdsPath, onAccessRecord: () => undefined });
    const { node, id, address } = this.asking;
    this.proxy = startProxy({ node, directory: this.directory, xdsPath });
    this.children.push(this.proxy);
    const rules = [{ dns: [{ matchPattern: "*.example.com" }], deny: false, precedence: 1, origin: 0 }];
    const redirect = { key: KEY, direction: "egress", protocol: UDP, port: 53, parser: "dns", rules } as const;
    const endpoint = { endpointId: id, endpointIp: address, revision: 1, secrets: new Map<string, string>() };
    const ports = await this.discovery.publish({ ...endpoint, redirects: [redirect] });
    const judged = entry({
      direction: "egress",
      protocol: UDP,
      port: 53,
      portPrefix: 16,
      redirect: KEY,
      precedence: 2,
    });
    await node.call("setPolicy", id, policy([...ALLOW_ALL, judged], [...ports]));
    // It is on the client's processor, and has work only where the proxy is asked: that is not to be taken for the proxy's.
    setPriority(constants.priority.PRIORITY_LOW);
  }

  /** Client and server share a processor, before all other work there; the proxy has the other one for itself. */
  private words(...words: readonly string[]): string[] {
    return ["nice", "-n", "-20", this.program, ...words];
  }

  async measure(mode: "load" | "pace", port: string, much: string, names: string): Promise<Figure> {
    const before = cpuMicroseconds(this.proxy!.pid!);
    const words = this.words(mode, this.answering.address, port, SECONDS, much, names);
    const out = await client(`/run/netns/${this.asking.netns}`, ...words);
    const spent = cpuMicroseconds(this.proxy!.pid!) - before;
    const [rate = 0, p50 = 0, p99 = 0, lost = 0] = out.split(" ").map(Number);
    return { rate, p50, p99, lost, cpu: spent / (rate * Number(SECONDS)) };
  }

  async close(): Promise<void> {
    await Promise.all(this.children.map(ended));
    await this.discovery?.close();
    await this.lab.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const middle = (figures: readonly Figure[], pick: (figure: Figure) => number) => median(figures.map(pick));

type Round = Record<"rate" | "directRate" | "direct" | "known" | "fresh", Figure>;

async function measureRound(world: DnsWorld): Promise<Round> {
  return {
    rate: await world.measure("load", JUDGED, WINDOW, "100"),
    directRate: await world.measure("load", DIRECT, WINDOW, "100"),
    direct: await world.measure("pace", DIRECT, PACE, "100"),
    known: await world.measure("pace", JUDGED, PACE, "100"),
    fresh: await world.measure("pace", JUDGED, "1000", "0"),
  };
}

async function rowsOf(world: DnsWorld): Promise<Row[]> {
  const rounds: Round[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) rounds.push(await measureRound(world));
  const first = rounds[0]!;
  const counted = rounds.slice(WARM_UP_ROUNDS);
  const of = (name: keyof Round) => counted.map((round) => round[name]);
  const [rate, directRate, direct, known, fresh] = [
    of("rate"),
    of("directRate"),
    of("direct"),
    of("known"),
    of("fresh"),
  ];
  const added = (ours: readonly Figure[], pick: (figure: Figure) => number) =>
    median(ours.map((figure, round) => pick(figure) - pick(direct[round]!)));
  const addedP99 = added(known, ({ p99 }) => p99);
  const freshP99 = added(fresh, ({ p99 }) => p99);
  return [
    {
      what: `DNS questions a second, ${WINDOW} at once`,
      ours: `${middle(rate, (figure) => figure.rate).toFixed(0)}/s, ${middle(rate, ({ cpu }) => cpu).toFixed(1)} us of the proxy each`,
      against: `direct ${middle(directRate, (figure) => figure.rate).toFixed(0)}/s`,
      target: ">= 20,000",
      reached: middle(rate, (figure) => figure.rate) >= 20_000,
      raw: { rate, directRate },
    },
    {
      what: `DNS, added latency at ${PACE} a second, known names`,
      ours: `p50 ${added(known, ({ p50 }) => p50).toFixed(0)} us, p99 ${addedP99.toFixed(0)} us`,
      against: `direct p99 ${middle(direct, ({ p99 }) => p99).toFixed(0)} us`,
      target: "p99 < 1000 us",
      reached: addedP99 < 1000,
      raw: { direct, known },
    },
    {
      what: "DNS, added latency at 1000 a second, names that the agent must be told first",
      ours: `p50 ${added(fresh, ({ p50 }) => p50).toFixed(0)} us, p99 ${freshP99.toFixed(0)} us`,
      target: "",
      reached: true,
      raw: fresh,
    },
    {
      what: `DNS, the first second of the proxy, ${WINDOW} at once; then at ${PACE} a second`,
      ours: `${first.rate.rate}/s; added p99 ${first.known.p99 - first.direct.p99} us`,
      target: "",
      reached: true,
      raw: first,
    },
  ];
}

/** DNS through the real redirect and proxy, beside the same server asked directly. */
export async function measureDns(): Promise<Row[]> {
  // The agent's side, which is this process, may not disturb what is measured.
  execFileSync("taskset", ["-cp", String(CLIENT_CPU), String(process.pid)]);
  goFirst();
  const lab = await openLab({ watched: false });
  let close = () => lab.close();
  try {
    const [node] = lab.nodes;
    const asking = await lab.pod(node, 101, 1001, 10);
    const answering = await lab.pod(node, 102, 1002, 11);
    await node.call("setPolicy", answering.id, policy(ALLOW_ALL, [], false));
    const world = new DnsWorld(lab, asking, answering);
    close = () => world.close();
    await world.open();
    return await rowsOf(world);
  } finally {
    await close();
  }
}
