import { Protocol, protocolName } from "../../model/protocol.ts";
import type { Direction } from "../../model/verdict.ts";
import type { RecordedParty } from "../replay/party.ts";
import { mergeTemplates, templatePattern } from "../replay/path-template.ts";
import { type Conversation, OTHER_PATHS } from "../replay/recording.ts";
import { peerSelectorOf } from "./stable-labels.ts";

/** One element of `ingress` or `egress`, and the flows that it is for. */
export interface SuggestedRule {
  readonly direction: Direction;
  /** As in the policy: `fromEndpoints`, `toFQDNs`, `toPorts` … */
  readonly element: Readonly<Record<string, unknown>>;
  readonly flows: readonly Conversation[];
  /** Where it allows more than what was recorded. */
  readonly widenings: readonly string[];
}

export interface RuleOptions {
  /** Whether requests are looked at. */
  readonly l7: boolean;
  /** Paths of one method at one port; more are merged. */
  readonly maxPaths: number;
  /** Addresses at one port; more become the world. */
  readonly maxAddresses: number;
}

/** What is wanted of one subject in one direction. */
export interface Wanted {
  readonly subject: RecordedParty;
  readonly direction: Direction;
  readonly flows: readonly Conversation[];
  /** Everybody who is known, to tell peers from others. */
  readonly everybody: readonly RecordedParty[];
  /** Names that the subject asked for. */
  readonly asked: ReadonlySet<string>;
}

interface PeerGroup {
  readonly field: "Endpoints" | "Entities" | "FQDNs" | "CIDR";
  /** Elements of that list. */
  readonly values: readonly unknown[];
  readonly flows: readonly Conversation[];
  readonly widening?: string;
}

/** Rules for what is wanted, peers with the same ports and requests together. */
export function rulesFor(wanted: Wanted, options: RuleOptions): SuggestedRule[] {
  const { direction } = wanted;
  const prefix = direction === "egress" ? "to" : "from";
  const drafts = peerGroups(wanted, options).map((group) => ({ group, ...portsOf(group.flows, options, wanted) }));
  const merged = Map.groupBy(drafts, ({ group, ports }) => JSON.stringify([group.field, ports]));
  return [...merged.values()].map((same): SuggestedRule => {
    const [first] = same;
    const values = [
      ...new Map(same.flatMap(({ group }) => group.values).map((value) => [JSON.stringify(value), value])).values(),
    ];
    return {
      direction,
      element: { [`${prefix}${first!.group.field}`]: values, ...first!.ports },
      flows: same.flatMap(({ group }) => group.flows),
      widenings: [
        ...new Set(same.flatMap(({ group, widenings }) => [...(group.widening ? [group.widening] : []), ...widenings])),
      ],
    };
  });
}

function peerOf({ from, to }: Conversation, direction: Direction): RecordedParty {
  return direction === "egress" ? to : from;
}

function peerGroups(wanted: Wanted, { maxAddresses }: RuleOptions): PeerGroup[] {
  const { direction, flows } = wanted;
  const byPeer = Map.groupBy(flows, (flow) =>
    JSON.stringify([peerValue(peerOf(flow, direction), wanted), isIcmp(flow)]),
  );
  const groups = [...byPeer].map(([text, all]): PeerGroup => ({ ...peerIn(text), flows: all }));
  const addresses = Map.groupBy(
    groups.filter(({ field }) => field === "CIDR"),
    ({ flows: all }) => portKey(all),
  );
  return [
    ...groups.filter(({ field }) => field !== "CIDR"),
    ...[...addresses.values()].flatMap((same): PeerGroup[] => {
      if (same.length <= maxAddresses) return same;
      const widening = `${same.length} addresses were recorded: the whole world is allowed in their place`;
      return [{ field: "Entities", values: ["world"], flows: same.flatMap((each) => each.flows), widening }];
    }),
  ];
}

function portKey(flows: readonly Conversation[]): string {
  return [...new Set(flows.map(({ protocol, port }) => `${protocol}/${port}`))].sort().join();
}

type PeerValue = Pick<PeerGroup, "field" | "values">;

function peerIn(text: string): PeerValue {
  return (JSON.parse(text) as [PeerValue])[0];
}

function isIcmp({ protocol }: Conversation): boolean {
  return protocol === Protocol.Icmp || protocol === Protocol.IcmpV6;
}

function peerValue(peer: RecordedParty, { direction, everybody, subject, asked }: Wanted): PeerValue {
  if (peer.kind === "pod")
    return { field: "Endpoints", values: [{ matchLabels: peerSelectorOf(peer, everybody, subject) }] };
  const isApiServer = peer.labels.includes("reserved:kube-apiserver");
  if (isApiServer && direction === "egress") return { field: "Entities", values: ["kube-apiserver"] };
  if (peer.kind === "entity") {
    const [entity = ""] = peer.labels.filter((label) => label !== "reserved:kube-apiserver");
    return { field: "Entities", values: [entity.slice("reserved:".length) || "kube-apiserver"] };
  }
  if (direction === "egress" && peer.names.length > 0) {
    const own = peer.names.filter((name) => asked.has(name));
    return { field: "FQDNs", values: (own.length > 0 ? own : peer.names).map((matchName) => ({ matchName })) };
  }
  return { field: "CIDR", values: [`${peer.address}/${peer.address.includes(":") ? 128 : 32}`] };
}

interface Ports {
  readonly ports: Readonly<Record<string, unknown>>;
  readonly widenings: readonly string[];
}

/** `toPorts` or `icmps` of all flows of one peer. A rule has one of them: ICMP is a rule of its own. */
function portsOf(flows: readonly Conversation[], options: RuleOptions, wanted: Wanted): Ports {
  const icmp = flows.filter(isIcmp);
  if (icmp.length > 0) {
    const types = new Map(icmp.map(({ protocol, port }) => [`${protocol}/${port}`, icmpField(protocol, port)]));
    return { ports: { icmps: [{ fields: [...types.values()] }] }, widenings: [] };
  }
  const byPort = Map.groupBy(flows, ({ protocol, port }) => `${port}/${protocol}`);
  const widenings: string[] = [];
  const plain: PlainPort[] = [];
  const judged: object[] = [];
  for (const [, same] of [...byPort].sort(([a], [b]) => Number.parseInt(a, 10) - Number.parseInt(b, 10))) {
    const { port, protocol } = same[0]!;
    const written = { port: String(port), protocol: protocolName(protocol) };
    const rules = options.l7 ? requestRules(same, options, widenings, wanted) : undefined;
    if (rules === undefined) plain.push({ port, protocol: written.protocol });
    else judged.push({ ports: [written], rules });
  }
  return { ports: { toPorts: [...portElements(plain), ...judged] }, widenings };
}

interface PlainPort {
  readonly port: number;
  readonly protocol: string;
}

/** Ports of one element, as Cilium bounds them. */
const MOST_PORTS = 40;

/** Ports that follow one another are a range: it holds no others. */
function portElements(ports: readonly PlainPort[]): object[] {
  const ranges: { first: number; last: number; protocol: string }[] = [];
  for (const { port, protocol } of ports.toSorted((a, b) =>
    a.protocol < b.protocol ? -1 : a.protocol > b.protocol ? 1 : a.port - b.port,
  )) {
    const before = ranges.at(-1);
    if (before !== undefined && before.protocol === protocol && before.last + 1 === port && port > 1)
      before.last = port;
    else ranges.push({ first: port, last: port, protocol });
  }
  const written = ranges.map(({ first, last, protocol }) => ({
    port: String(first),
    ...(last > first && { endPort: last }),
    protocol,
  }));
  const count = Math.ceil(written.length / MOST_PORTS);
  return Array.from({ length: count }, (_, i) => ({ ports: written.slice(i * MOST_PORTS, (i + 1) * MOST_PORTS) }));
}

function icmpField(protocol: number, type: number) {
  return { family: protocol === Protocol.Icmp ? "IPv4" : "IPv6", type };
}

function requestRules(
  flows: readonly Conversation[],
  { maxPaths }: RuleOptions,
  widenings: string[],
  wanted: Wanted,
): object | undefined {
  const names = flows.flatMap(({ request }) => (request?.parser === "dns" ? [request.facts.dns ?? ""] : []));
  // names are judged where they are asked for
  if (names.length > 0 && wanted.direction === "egress") return { dns: dnsRules(names, maxPaths, widenings) };
  // requests are judged where they were when they were recorded: a second proxy on the other side would say the same
  const http = flows.filter(
    ({ request, sides }) => request?.parser === "http" && sides[wanted.direction] !== undefined,
  );
  if (http.length > 0) return { http: httpRules(http, maxPaths, widenings) };
  const isDns =
    wanted.direction === "egress" && flows[0]!.port === 53 && wanted.flows.some(({ to }) => to.names.length > 0);
  if (!isDns) return undefined;
  widenings.push(
    "any name may be asked for: names of addresses are learned from the answers, and no questions were recorded",
  );
  return { dns: [{ matchPattern: "*" }] };
}

function dnsRules(names: readonly string[], most: number, widenings: string[]): object[] {
  const plain = [...new Set(names.map((name) => name.replace(/\.$/, "")))].sort();
  if (plain.length <= most * 4) return plain.map((matchName) => ({ matchName }));
  widenings.push(`${plain.length} names were asked for, and every name may be`);
  return [{ matchPattern: "*" }];
}

function httpRules(flows: readonly Conversation[], most: number, widenings: string[]): object[] {
  const byMethod = Map.groupBy(flows, ({ request }) => request?.facts.http?.method ?? "");
  return [...byMethod]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([method, same]) => {
      const titles = same.map(({ request }) => request!.title.slice(method.length + 1));
      const exact = method.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
      if (titles.includes(OTHER_PATHS)) {
        widenings.push(`too many paths of ${method} were recorded, and every path is allowed`);
        return [{ method: exact }];
      }
      const templates = mergeTemplates(titles, most);
      const merged = templates.filter((template) => template.includes("{"));
      if (merged.length > 0)
        widenings.push(`every path of the form ${merged.map((template) => `${method} ${template}`).join(", ")}`);
      return templates.map((template) => ({ method: exact, path: templatePattern(template) }));
    });
}
