import { protocolName } from "../model/protocol.ts";
import type { Direction } from "../model/verdict.ts";
import { PolicyConflict } from "../policy/clause.ts";
import { type Candidate, type Explanation, explain } from "../policy/explain.ts";
import { judgeL7, type L7Facts, type L7Verdict, passedOn } from "../policy/judge-l7.ts";
import { portOf } from "../policy/named-ports.ts";
import type { Somebody } from "../policy/scenario-world.ts";
import type { Cluster, LocatedRule } from "./cluster.ts";
import { type NearMiss, nearMisses, type SideQuestion } from "./near-miss.ts";
import type { Party } from "./party.ts";

export type Verdict = "allowed" | "denied" | "unknown";

/** A rule that matched and did not decide. */
export interface LostRule {
  readonly rules: readonly LocatedRule[];
  readonly verdict: Candidate["verdict"];
  readonly why: string;
}

/** What one end of the connection says. */
export interface SideResult {
  readonly endpoint: string;
  readonly verdict: Verdict;
  /** Why it is unknown. */
  readonly missing?: string;
  /** Whether a policy speaks of this direction of the endpoint at all. */
  readonly enforced: boolean;
  /** Whether the proxy judges each request. */
  readonly redirected: boolean;
  /** Nothing matched, and default deny decided: `rules` are those that turned it on. */
  readonly byDefault: boolean;
  readonly rules: readonly LocatedRule[];
  /** Rules by which the proxy judged the request. */
  readonly requestRules: readonly LocatedRule[];
  readonly lost: readonly LostRule[];
  /** Only where it is denied. */
  readonly near: readonly NearMiss[];
}

/** One connection between two parties. */
export interface CaseResult {
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly port: number;
  readonly verdict: Verdict;
  readonly missing?: string;
  readonly notes: readonly string[];
  /** Absent where the end is no endpoint of ours. */
  readonly egress?: SideResult;
  readonly ingress?: SideResult;
}

/** What is asked of every pair of parties. */
export interface ConnectionQuestion {
  readonly from: Party;
  readonly to: Party;
  /** IANA number. */
  readonly protocol: number;
  /** Destination port or ICMP type, where the destination does not say it itself. */
  readonly port?: number | string;
  readonly facts: L7Facts;
}

/** The verdict on one connection, as the engine gives it. Throws an Error where the port is not known. */
export function judgeConnection(cluster: Cluster, question: ConnectionQuestion): CaseResult {
  const { from, to, facts } = question;
  const [source, destination] = [somebody(cluster, from), somebody(cluster, to)];
  const { protocol } = question;
  const port = numberOf(question, destination);
  const side = (
    direction: Direction,
    subject: Somebody,
    peer: Somebody,
    more: Pick<SideQuestion, "titles" | "facts">,
  ) => (subject.isEndpoint ? judgeSide(cluster, { direction, subject, peer, protocol, port, ...more }) : undefined);
  const out = side("egress", source, destination, { titles: { subject: from.title, peer: to.title }, facts });
  const seen = out?.passed ?? facts;
  const into = side("ingress", destination, source, { titles: { subject: to.title, peer: from.title }, facts: seen });
  const [egress, ingress] = [out?.result, into?.result];
  const sides = [egress, ingress].filter((each) => each !== undefined);
  const verdict = together(sides.map((each) => each.verdict));
  const missing = sides.find((each) => each.verdict === "unknown")?.missing;
  return {
    from: from.title,
    to: to.title,
    protocol: protocolName(protocol),
    port,
    verdict,
    ...(verdict === "unknown" && missing !== undefined ? { missing } : {}),
    notes: [from, to].flatMap(({ title, note }) => (note === undefined ? [] : [`${title}: ${note}`])),
    ...(egress === undefined ? {} : { egress }),
    ...(ingress === undefined ? {} : { ingress }),
  };
}

/** A denial on either side is final; else what is unknown on one side leaves all unknown. */
function together(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("denied")) return "denied";
  return verdicts.includes("unknown") ? "unknown" : "allowed";
}

function somebody({ engine }: Cluster, { name, title }: Party): Somebody {
  const found = engine.world.find(name);
  if (found === undefined) throw new Error(`${title}: nobody in these files is called ${name}`);
  return found;
}

function numberOf({ to, protocol, port }: ConnectionQuestion, { namedPorts }: Somebody): number {
  const wanted = to.asked?.port ?? port;
  const ports = to.ports.map((each) => `${each.port}/${each.protocol.toLowerCase()}`);
  const there = ports.length === 0 ? "" : ` (its containers declare ${[...new Set(ports)].join(", ")})`;
  if (wanted === undefined) throw new Error(`${to.title}: which port? Write it behind a colon, as in NAME:80${there}`);
  if (typeof wanted === "number") return wanted;
  const found = portOf(namedPorts, wanted, protocol);
  if (found === undefined)
    throw new Error(`${to.title} has no ${protocolName(protocol)} port called ${wanted}${there}`);
  return found;
}

/** What one side says, and the request as the other side sees it. */
function judgeSide(cluster: Cluster, asked: SideQuestion): { result: SideResult; passed: L7Facts } {
  const { direction, subject, peer, protocol, port, facts, titles } = asked;
  const endpoint = titles.subject;
  const policy = cluster.engine.policyOf(subject);
  const located = (rules: readonly Parameters<Cluster["locate"]>[0][]) => rules.map((rule) => cluster.locate(rule));
  if (policy instanceof PolicyConflict) {
    const missing = `rules of ${endpoint} that can stand together: ${policy.message}`;
    const nothing = { rules: [], requestRules: [], lost: [], near: [] };
    const known = {
      endpoint,
      verdict: "unknown",
      missing,
      enforced: true,
      redirected: false,
      byDefault: false,
    } as const;
    return { result: { ...known, ...nothing }, passed: facts };
  }
  const query = { direction, identity: peer.identity, protocol, port };
  const explained = explain(policy, query, facts, cluster.engine.secrets);
  const { l7 } = explained;
  const verdict = verdictOf(explained);
  const enforced = direction === "ingress" ? policy.ingressEnforced : policy.egressEnforced;
  let near: readonly NearMiss[] | undefined = verdict === "denied" ? undefined : [];
  const result: SideResult = {
    endpoint,
    verdict,
    ...(verdict === "unknown" ? { missing: missingFact(l7 ?? judgeL7(policy, query, facts)) } : {}),
    enforced,
    redirected: explained.verdict === "redirect",
    byDefault: explained.verdict === "deny" && explained.entry === undefined,
    rules: located(explained.rules),
    requestRules: located(l7?.origins ?? []),
    lost: explained.lost.map(({ rules, ...rest }) => ({ ...rest, rules: located(rules) })),
    // Only who tells people about a denial asks for them.
    get near() {
      near ??= nearMisses(cluster, asked);
      return near;
    },
  };
  return { result, passed: l7 === undefined ? facts : passedOn(facts, l7) };
}

function verdictOf({ verdict, l7 }: Explanation): Verdict {
  if (verdict === "allow") return "allowed";
  if (verdict === "deny") return "denied";
  if (l7 === undefined || l7.verdict === "unknown") return "unknown";
  return l7.verdict === "allow" ? "allowed" : "denied";
}

const FACTS = {
  http: "the HTTP request (--http 'GET /path')",
  dns: "the name that is asked for (--dns NAME)",
  sni: "the server name of the TLS client (--sni NAME)",
  listener: "what the listener of the user's own decides",
} as const;

function missingFact({ missing }: L7Verdict): string {
  return missing === undefined ? "what the connection carries: some of it passes, some does not" : FACTS[missing];
}
