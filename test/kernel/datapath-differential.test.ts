/** The kernel's verdict on real packets against the engine's, for random policies of every kind that Cilium has. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deletePrefix } from "../../src/datapath/ebpf/ipcache.ts";
import { LAYOUT } from "../../src/datapath/ebpf/layout.ts";
import type { LoadedObject } from "../../src/datapath/ebpf/object.ts";
import type { Datapath } from "../../src/datapath/port.ts";
import { addressPrefix, formatAddress } from "../../src/model/cidr.ts";
import type { Direction } from "../../src/model/verdict.ts";
import { AuthType } from "../../src/policy/column.ts";
import type { ComputedPolicy } from "../../src/policy/computed-policy.ts";
import { type LookupQuery, lookup } from "../../src/policy/lookup.ts";
import { policiesOfScenario } from "../../src/policy/scenario.ts";
import { randomScenario } from "../support/policy-scenarios.ts";
import { Random } from "../support/policy-scenarios-random.ts";
import { sleep } from "./datapath-lab.ts";
import { frame, ipv4, ipv6, OK, opening, POD, POD6, runProgram, SHOT } from "./datapath-packets.ts";
import { DUAL_NODE, openNode, type TestNode } from "./datapath-surroundings.ts";

const SEED = Number(process.env["SG_DIFFERENTIAL_SEED"] ?? 0);
const SCENARIOS = Number(process.env["SG_KERNEL_RUNS"] ?? 400);
const PACKETS = 32;
const F = LAYOUT.sg_event.fields;
const DROP_POLICY = -133;
const DROP_POLICY_DENY = -181;
const DROP_AUTH_REQUIRED = -189;
const HOST = 1;
const [ICMP, ICMPV6] = [1, 58];
/** Errors quote another packet, and are judged by that packet's connection; neighbours are answered without policy. */
const UNJUDGED: Readonly<Record<number, readonly number[]>> = {
  [ICMP]: [3, 4, 5, 11, 12],
  [ICMPV6]: [1, 2, 3, 4, 130, 131, 132, 133, 134, 135, 136, 137, 143],
};
const ECHO: Readonly<Record<number, number>> = { [ICMP]: 8, [ICMPV6]: 128 };
const NOBODY = 54_321;

/** What is known of a verdict: both sides put into the same words. */
interface Verdict {
  /** As events have it: 0, a proxy port, or minus a drop reason. */
  readonly verdict: number;
  readonly match: number;
  readonly rules: string;
}

let testNode: TestNode;
let datapath: Datapath;
let object: LoadedObject;
let ifindexes: Readonly<Record<Direction, number>>;
let events: { readonly verdict: number; readonly match: number; readonly cookie: number }[] = [];

beforeAll(async () => {
  testNode = await openNode(DUAL_NODE);
  ({ datapath, object } = testNode);
  const egress = await testNode.addPod({ id: 7, identity: 1001, address: POD, address6: POD6 });
  ifindexes = { egress, ingress: egress };
  datapath.onEvents((event) => {
    if (event[F.type] !== 5) return;
    const view = new DataView(event.buffer, event.byteOffset, event.byteLength);
    const cookie = view.getUint32(F.cookie, true);
    events.push({ verdict: view.getInt32(F.verdict, true), match: event[F.match_type] ?? 0, cookie });
  });
});
afterAll(() => testNode?.close());

function rulesText(origins: readonly { readonly name: string; readonly path: string }[] = []): string {
  return origins
    .map(({ name, path }) => `${name} ${path}`)
    .sort()
    .join(", ");
}

/** Packets at the edges of what the policy speaks of. */
function queriesFor(policy: ComputedPolicy, random: Random): LookupQuery[] {
  const identities = [...new Set(policy.entries.map(({ identity }) => identity)), NOBODY].filter((id) => id !== 0);
  const ports = policy.entries.flatMap(({ port, portPrefix }) => {
    const size = 2 ** (16 - portPrefix);
    return [port - 1, port, port + size - 1, port + size].filter((each) => each > 0 && each < 65_536);
  });
  return random.list(PACKETS, PACKETS, () => {
    const protocol = random.pick([ICMP, ICMPV6, 6, 6, 6, 17, 17, 132]);
    const target = random.percent(85) && ports.length > 0 ? random.pick(ports) : random.below(65_535) + 1;
    const direction = random.pick(["ingress", "egress"] as const);
    const type = random.pick([0, 8, 13, 14, 128, 129, ...ports.filter((port) => port < 256)]);
    const echo = ECHO[protocol];
    const port = echo === undefined ? target : UNJUDGED[protocol]!.includes(type) ? echo : type;
    return { direction, identity: random.pick(identities), protocol, port };
  });
}

function expected(policy: ComputedPolicy, query: LookupQuery, ports: ReadonlyMap<string, number>): Verdict | undefined {
  const { verdict, matchType, origins, authType, entry } = lookup(policy, query);
  const isEnforced = query.direction === "ingress" ? policy.ingressEnforced : policy.egressEnforced;
  const said = { match: matchType, rules: rulesText(origins) };
  if (verdict === "deny") return { ...said, verdict: entry === undefined ? DROP_POLICY : DROP_POLICY_DENY };
  if (authType !== AuthType.Disabled) return { ...said, verdict: DROP_AUTH_REQUIRED };
  if (!isEnforced) return undefined;
  // The node's own requests are not for L7 rules to judge.
  const isHost = query.direction === "ingress" && query.identity === HOST;
  return { ...said, verdict: verdict === "redirect" && !isHost ? ports.get(entry!.redirect!)! : 0 };
}

let peers = 0;
let sport = 0;

/** Every packet has a peer's address of its own, so that none belongs to an earlier one's connection. */
function send({ direction, identity, protocol, port }: LookupQuery): number {
  const isIpv6 = protocol === ICMPV6 || (protocol !== ICMP && peers % 2 === 1);
  const peer = isIpv6
    ? formatAddress(Buffer.from(`fd99${peers.toString(16).padStart(28, "0")}`, "hex"))
    : `10.${(peers >> 16) & 255}.${(peers >> 8) & 255}.${peers & 255}`;
  peers++;
  sport = (sport % 60_000) + 1;
  datapath.upsertIpcache(addressPrefix(peer), { identity });
  const payload = opening(protocol, sport, port)!;
  const pod = isIpv6 ? POD6 : POD;
  const [from, to] = direction === "egress" ? [pod, peer] : [peer, pod];
  const packet = isIpv6
    ? frame("86dd", ipv6(payload, from, to, protocol))
    : frame("0800", ipv4(payload, { from, to, protocol }));
  const program = direction === "egress" ? "from_endpoint" : "from_network";
  const result = runProgram(object, program, ifindexes[direction], packet);
  // not by the datapath, which would look through all connections for the address: no address comes twice
  deletePrefix(object.map("sg_ipcache"), addressPrefix(peer));
  return result;
}

async function compare(policy: ComputedPolicy, what: string, random: Random): Promise<number> {
  const proxyPorts = new Map(policy.redirects.map(({ key }, index) => [key, 10_000 + index]));
  const cookies = policy.origins.map((_, index) => index + 1);
  datapath.setPolicy(7, { policy, proxyPorts, cookies });
  events = [];
  const queries = queriesFor(policy, random);
  const wanted: (Verdict & { readonly query: string })[] = [];
  for (const query of queries) {
    const verdict = expected(policy, query, proxyPorts);
    const result = send(query);
    const isOpen = verdict === undefined || verdict.verdict === 0;
    // Nobody listens at the proxy's ports here: what is redirected there is dropped behind its verdict.
    expect(result === SHOT, `${what}: ${JSON.stringify(query)} came to ${result}`).toBe(!isOpen);
    if (verdict !== undefined) wanted.push({ ...verdict, query: JSON.stringify(query) });
  }
  for (let round = 0; events.length < wanted.length && round < 200; round++) await sleep(1);
  const seen = events.map(({ verdict, match, cookie }, index) => ({
    query: wanted[index]?.query,
    verdict,
    match,
    rules: rulesText(policy.origins[cookie - 1]),
  }));
  expect(seen, what).toEqual(wanted.map(({ query, verdict, match, rules }) => ({ query, verdict, match, rules })));
  return queries.length;
}

describe("the kernel and the engine", { timeout: 300_000 }, () => {
  it("give every packet the same verdict, for the same rules", async () => {
    let packets = 0;
    for (let seed = SEED; seed < SEED + SCENARIOS; seed++) {
      const policies = policiesOfScenario(randomScenario(seed, { isValid: true }));
      const random = new Random(seed);
      for (const [name, policy] of policies) packets += await compare(policy, `seed ${seed}, ${name}`, random);
    }
    console.log(`${packets} packets judged alike by the engine and the kernel`);
    expect(packets).toBeGreaterThan(SCENARIOS * PACKETS);
    expect(OK).toBe(0);
  });
});
