import { MAX_PORT } from "../model/port.ts";
import { protocolName } from "../model/protocol.ts";
import type { Direction } from "../model/verdict.ts";
import { PolicyConflict } from "../policy/clause.ts";
import type { ComputedPolicy } from "../policy/computed-policy.ts";
import { coveringClauses } from "../policy/judge-l7.ts";
import { lookup, verdictBounds } from "../policy/lookup.ts";
import type { Somebody } from "../policy/scenario-world.ts";
import type { L7Settings } from "../policy/statement.ts";
import type { Cluster } from "./cluster.ts";

/** Ports by which one may reach another. */
export interface PortReach {
  /** `TCP`; `ANY` = every protocol but those in `except`. */
  readonly protocol: string;
  /** Protocols that are not open as a whole; what of them is open stands in other elements. */
  readonly except?: readonly string[];
  readonly first: number;
  readonly last: number;
  /** What requests must be, as the proxy judges them: a list for each side that has a say. Absent = anything. */
  readonly requests?: readonly string[];
}

/** What one may send to another. `conflict` = rules that cannot stand together: nothing is known. */
export type Reach = readonly PortReach[] | "conflict";

interface Side {
  readonly direction: Direction;
  readonly policy: ComputedPolicy;
  readonly identity: number;
}

/** Every port of `to` that `from` may use, by egress there and ingress here. */
export function reachOf({ engine }: Cluster, from: Somebody, to: Somebody): Reach {
  const sides: Side[] = [];
  for (const [direction, subject, peer] of [
    ["egress", from, to],
    ["ingress", to, from],
  ] as const) {
    if (!subject.isEndpoint) continue;
    const policy = engine.policyOf(subject);
    if (policy instanceof PolicyConflict) return "conflict";
    sides.push({ direction, policy, identity: peer.identity });
  }
  const bounds = new Map<number, Set<number>>([[0, new Set([0])]]);
  for (const side of sides) {
    for (const [protocol, starts] of verdictBounds(side.policy, side)) {
      const known = bounds.get(protocol) ?? new Set([0]);
      for (const start of starts) known.add(start);
      bounds.set(protocol, known);
    }
  }
  const byProtocol = [...bounds]
    .sort(([a], [b]) => a - b)
    .map(([protocol, starts]) => ({ protocol, parts: partsOf(protocol, starts, sides) }));
  return joined(byProtocol);
}

interface ProtocolReach {
  readonly protocol: number;
  readonly parts: readonly PortReach[];
}

/** Protocols that are open like those that nobody names are not named either. */
function joined(byProtocol: readonly ProtocolReach[]): PortReach[] {
  const [rest, ...named] = byProtocol;
  if (!isOpen(rest!)) return byProtocol.flatMap(({ parts }) => parts);
  const closed = named.filter((each) => !isOpen(each));
  const except = closed.map(({ protocol }) => protocolName(protocol));
  const [everything] = rest!.parts;
  return [{ ...everything!, ...(except.length === 0 ? {} : { except }) }, ...closed.flatMap(({ parts }) => parts)];
}

function isOpen({ parts }: ProtocolReach): boolean {
  const [part] = parts;
  return parts.length === 1 && part!.first === 0 && part!.last === MAX_PORT && part!.requests === undefined;
}

/** True when every port of every protocol is open. */
export function isEverything(reach: Reach): boolean {
  if (reach === "conflict" || reach.length !== 1) return false;
  const [{ protocol, except, requests }] = reach as [PortReach];
  return protocol === "ANY" && except === undefined && requests === undefined;
}

function partsOf(protocol: number, starts: ReadonlySet<number>, sides: readonly Side[]): PortReach[] {
  const ordered = [...starts].sort((a, b) => a - b);
  const parts: PortReach[] = [];
  for (const [index, first] of ordered.entries()) {
    const requests = requestsAt(protocol, first, sides);
    if (requests === undefined) continue;
    const last = (ordered[index + 1] ?? MAX_PORT + 1) - 1;
    const previous = parts.at(-1);
    const isSame = previous?.last === first - 1 && JSON.stringify(previous.requests ?? []) === JSON.stringify(requests);
    if (isSame) parts[parts.length - 1] = { ...previous!, last };
    else parts.push({ protocol: protocolName(protocol), first, last, ...(requests.length === 0 ? {} : { requests }) });
  }
  return parts;
}

/** What the proxies want of requests; none = anything goes, undefined = nothing does. */
function requestsAt(protocol: number, port: number, sides: readonly Side[]): string[] | undefined {
  const requests: string[] = [];
  for (const { direction, policy, identity } of sides) {
    const query = { direction, identity, protocol, port };
    const { verdict } = lookup(policy, query);
    if (verdict === "deny") return undefined;
    if (verdict !== "redirect") continue;
    const clauses = coveringClauses(policy[direction], query);
    const texts = clauses.flatMap((clause) =>
      clause.verdict === "allow" ? [clause.l7 === undefined ? "any request" : requestText(clause.l7)] : [],
    );
    requests.push(`${direction}: ${[...new Set(texts)].join(" or ")}`);
  }
  return requests;
}

function requestText({ http, dns, serverNames, listener }: L7Settings): string {
  const rules = [
    ...(http ?? []).map(({ method = "any method", path = "any path", host, headers, headerMatches }) => {
      const more = [
        ...(host === undefined ? [] : [`host ${host}`]),
        ...(headers ?? []),
        ...(headerMatches ?? []).map(({ name }) => name),
      ];
      return [method, path, ...(more.length === 0 ? [] : [`(${more.join(", ")})`])].join(" ");
    }),
    ...(dns ?? []).map(({ matchName, matchPattern }) => `name ${matchName ?? matchPattern}`),
    ...(serverNames ?? []).map((name) => `server ${name}`),
    ...(listener === undefined ? [] : [`listener ${listener.name}`]),
  ];
  return rules.length === 0 ? "any request" : rules.join(" or ");
}

/** `TCP 80`, `UDP 8000-9000`, `TCP`, `all ports`, `ICMP 8`. */
export function portText({ protocol, except, first, last }: PortReach): string {
  if (except !== undefined) return `every protocol but ${except.join(" and ")}`;
  if (first === 0 && last === MAX_PORT) return protocol === "ANY" ? "all ports" : protocol;
  return `${protocol} ${first === last ? first : `${first}-${last}`}`;
}
