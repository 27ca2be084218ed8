import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { FRAMES, Monitor } from "../../src/agent/monitor.ts";
import { serveMonitorSocket } from "../../src/agent/monitor-socket.ts";
import { frameText } from "../../src/cli/cilium/monitor.ts";
import { buildMonitorFilter } from "../../src/cli/cilium/monitor-filter.ts";
import type { L7Notification } from "../../src/model/access-record.ts";
import type { AgentNotification } from "../../src/model/agent-notification.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { FORBIDDEN_PUT } from "../support/access-record.ts";
import { type CraftedEvent, craftEvent, ipv4Packet, ipv6Packet, tcpPacket, udpHeader } from "../support/craft-event.ts";
import { ODD_PACKETS } from "../support/odd-packets.ts";

const real = oracle("cilium-dbg");
const why = skipNote(real);

const ends = { endpoint: 871, destinationEndpoint: 12, sourceIdentity: 10135, destinationIdentity: 318, ifindex: 1 };
const address = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const reply = tcpPacket({ source: "172.20.1.20", sourcePort: 80, destinationPort: 43966, flags: 0x12 });

const EVENTS: readonly CraftedEvent[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((subtype): CraftedEvent => ({ type: 4, ...ends, subtype })),
  ...[1, 2, 3, 5].map((ctStatus): CraftedEvent => ({ type: 4, ...ends, subtype: 3, ctStatus, packet: reply })),
  { type: 4, ...ends, subtype: 1, verdict: 10_001 },
  { type: 4, ...ends, subtype: 3, originalAddress: "172.20.1.20", sourceIdentity: 2, destinationIdentity: 1 },
  { type: 4, subtype: 4, packet: ipv4Packet(17, udpHeader()) },
  { type: 4, ...ends, flags: 4, packet: ipv6Packet(58, [128, 0, 0, 0, 0, 1, 0, 1], address, address) },
  { type: 4, ...ends, packet: ipv4Packet(1, [8, 0, 0, 0, 0, 0, 0, 0]) },
  { type: 1, ...ends, subtype: 133 },
  { type: 1, ...ends, subtype: 181, destinationEndpoint: 0, sourceIdentity: 0, destinationIdentity: 0 },
  {
    type: 1,
    ...ends,
    subtype: 170,
    packet: new Uint8Array([2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 8, 6, ...new Array(28).fill(0)]),
  },
  { type: 5, ...ends, direction: 1, verdict: -133 },
  { type: 5, ...ends, direction: 2, verdict: 0, matchType: 2, sourceIdentity: 2 },
  { type: 5, ...ends, direction: 1, verdict: 10_001, matchType: 3, sourceIdentity: 2 },
  { type: 5, ...ends, direction: 1, verdict: 0, flags: 16, matchType: 4 },
  ...ODD_PACKETS.flatMap((packet, at): CraftedEvent[] => [
    // back to the first processor again and again
    { type: 4, ...ends, packet, cpu: at % 3, flags: packet[12] === 0x86 ? 4 : 0 },
    ...(at % 9 === 0 ? [{ type: 1, ...ends, subtype: 133, packet, cpu: at % 2 }] : []),
  ]),
];

const dns = {
  query: "a.example.com.",
  type: 1,
  transport: "udp",
  code: 0,
  addresses: [],
  cnames: [],
  ttl: 0,
  types: [],
} as const;
const answer = { ...dns, addresses: ["192.0.2.1", "2001:db8::1"], cnames: ["b.example.com."], ttl: 30, types: [5, 1] };
const seen = (record: Partial<L7Notification["record"]>): L7Notification => ({
  record: { ...FORBIDDEN_PUT, ...record },
  source: { id: 3845, identity: 19274, labels: ["k8s:class=<tie>", "k8s:org=empire"] },
  destination: { id: 871, identity: 318, labels: ["k8s:org=empire"] },
});
const headers = [{ name: "X-Token", value: "a&b" }];

const RECORDS: readonly L7Notification[] = [
  seen({ headers }),
  seen({ type: "response", verdict: "forwarded", status: 200, direction: "egress", missingHeaders: headers }),
  seen({ verdict: "error", url: "http://deathstar/a?b=c", rejectedHeaders: headers }),
  seen({ url: "http://u:p@deathstar:8080/a%20b/(c)/%2f?", headers: [...headers, ...headers] }),
  seen({ dns }),
  seen({ type: "response", dns: answer, verdict: "forwarded" }),
  seen({ tls: { protocols: ["h2"] }, reason: "" }),
];

const labels = ["k8s:io.cilium.k8s.policy.name=<a>"];
const SAID: readonly AgentNotification[] = [
  { type: "Cilium agent started", message: { time: "2026-01-02T03:04:05Z" } },
  { type: "Policy updated", message: { labels, revision: 3, rule_count: 1 } },
  { type: "Policy deleted", message: { labels, revision: 4, rule_count: 1 } },
  { type: "Endpoint created", message: { id: 871, labels, "pod-name": "a", namespace: "b" } },
  { type: "Endpoint regenerated", message: { id: 871, labels } },
  { type: "Failed endpoint regeneration", message: { id: 871, labels, error: "no room" } },
  { type: "Endpoint deleted", message: { id: 871, labels } },
  { type: "IPCache entry upserted", message: { cidr: "10.0.0.1/32", id: 5, "old-id": 6, "encrypt-key": 0 } },
  { type: "IPCache entry deleted", message: { cidr: "10.0.0.1/32", id: 5, "encrypt-key": 0 } },
];

const QUESTIONS = [
  "",
  "-v",
  "-v -v",
  "-v -v --hex",
  "-j",
  "-n",
  "-v -v -n",
  "--type drop",
  "--type trace --type agent",
  "--type l7",
  "--type policy-verdict",
  "--from 871",
  "--to 12",
  "--related-to 12",
  "--from 3845",
].map((text) => text.split(" ").filter((word) => word !== ""));

/** What is meant to differ: words of the program about itself. */
const comparable = (text: string) => text.replaceAll(/^time=.*\n/gm, "");

function tell(monitor: Monitor): void {
  for (const event of EVENTS) monitor.event(craftEvent(event));
  for (const record of RECORDS) monitor.l7(() => record);
  for (const notification of SAID) monitor.agentEvent(notification);
  monitor.lost(7, 3);
}

/** The lines that our own command prints of the same. */
function own(args: readonly string[]): string {
  const flags = args
    .map((word, at) => ({ word, value: args[at + 1] ?? "" }))
    .flatMap(({ word, value }) => {
      const long: Record<string, string> = { "-v": "verbose", "-j": "json", "-n": "numeric", "--hex": "hex" };
      if (long[word] !== undefined) return [{ name: long[word], value: "true" }];
      return word.startsWith("--") ? [{ name: word.slice(2), value }] : [];
    });
  const is = (name: string) => flags.some((flag) => flag.name === name);
  const style = {
    ...{ json: is("json"), hex: is("hex"), numeric: is("numeric") },
    verbose: flags.filter(({ name }) => name === "verbose").length === 2,
    interfaceName: (ifindex: number) => (ifindex === 1 ? "lo" : String(ifindex)),
  };
  const filter = buildMonitorFilter(flags);
  const frames = [
    ...EVENTS.map((event) => FRAMES.event(craftEvent(event))!),
    ...RECORDS.map(FRAMES.l7),
    ...SAID.map(FRAMES.agent),
    FRAMES.lost(7, 3),
  ];
  const texts = frames.map((frame) => frameText(frame.subarray(4), filter, style));
  return texts
    .filter((text) => text !== "")
    .map((text) => `${text}\n`)
    .join("");
}

describe.skipIf("missing" in real)(`upstream's cilium-dbg monitor reads our agent${why}`, () => {
  const directory = mkdtempSync(join(tmpdir(), "sgt-h-monitor-"));
  const path = join(directory, "monitor1_2.sock");
  const printed = new Map<string, string>();

  async function end(child: ChildProcess): Promise<void> {
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  beforeAll(async () => {
    let clients = 0;
    const monitor = new Monitor();
    const attach = monitor.attach.bind(monitor);
    vi.spyOn(monitor, "attach").mockImplementation((...given) => {
      clients++;
      attach(...given);
    });
    const server = await serveMonitorSocket(path, monitor);
    const running = QUESTIONS.map((args) => {
      const env = { ...process.env, CILIUM_SOCK: join(directory, "none") };
      const program = "path" in real ? real.path : "";
      const child = spawn(program, ["monitor", "--monitor-socket", path, ...args], { env });
      const [out, err] = [[] as Buffer[], [] as Buffer[]];
      child.stdout.on("data", (chunk) => out.push(chunk));
      child.stderr.on("data", (chunk) => err.push(chunk));
      return { args, child, out, err };
    });
    await vi.waitFor(() => expect(clients).toBe(QUESTIONS.length), { timeout: 60_000 });
    tell(monitor);
    monitor.close();
    await vi.waitFor(
      () => {
        for (const { err, out } of running)
          expect(String(Buffer.concat([...err, ...out]))).toContain("connection closed");
      },
      { timeout: 60_000 },
    );
    await Promise.all(running.map(({ child }) => end(child)));
    for (const { args, out } of running) printed.set(args.join(" "), String(Buffer.concat(out)));
    server.close();
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each(QUESTIONS.map((args) => [args.join(" "), args] as const))("monitor %s", (name, args) => {
    expect(comparable(own(args))).toBe(comparable(printed.get(name) ?? ""));
  });
});
