import { protocolName } from "../model/protocol.ts";
import type { Clause } from "./clause.ts";
import type { ComputedPolicy } from "./computed-policy.ts";
import type { DirectionPolicy } from "./direction-policy.ts";
import type { Secrets } from "./http-rule.ts";
import { coveringClauses, judgeL7, type L7Facts, type L7Verdict } from "./judge-l7.ts";
import { type LookupQuery, type LookupResult, lookup } from "./lookup.ts";
import type { Origins } from "./origin.ts";
import type { RuleOrigin } from "./policy-map.ts";
import { levelOf } from "./precedence.ts";

/** A rule that matches the connection and did not decide, or one that just misses it. */
export interface Candidate {
  readonly rules: readonly RuleOrigin[];
  readonly verdict: "allow" | "deny" | "pass" | "redirect";
  /** Why it did not decide. */
  readonly why: string;
}

/** A verdict with the rules behind it. */
export interface Explanation extends LookupResult {
  /** Rules that decided; for a default deny, those that turned it on. */
  readonly rules: readonly RuleOrigin[];
  /** Rules that match the connection and lost, the strongest first. */
  readonly lost: readonly Candidate[];
  /** Rules of the direction that miss it by the peer or by the port; only when nothing allowed it. */
  readonly missed: readonly Candidate[];
  /** The proxy's word on the request; absent = the connection is not redirected, or no facts were given. */
  readonly l7?: L7Verdict;
  /** One sentence for a person. */
  readonly text: string;
}

/** `CiliumNetworkPolicy default/rule1 spec.ingress[0]`; a built-in rule by its name. */
export function originName({ kind, namespace, name, path }: RuleOrigin): string {
  if (kind === "") return path;
  return `${kind} ${namespace === "" ? name : `${namespace}/${name}`} ${path}`;
}

const DECIDED = { allow: "allowed by", deny: "denied by", redirect: "sent to the proxy by" } as const;

function names(rules: readonly RuleOrigin[]): string {
  return rules.map(originName).join(", ");
}

function wordOf({ verdict, l7 }: Clause): Candidate["verdict"] {
  return verdict === "allow" && l7 !== undefined ? "redirect" : verdict;
}

/** Looks the query up and says which rules decided, which lost, and what the proxy says to the request. */
export function explain(policy: ComputedPolicy, query: LookupQuery, facts?: L7Facts, secrets?: Secrets): Explanation {
  const result = lookup(policy, query);
  const direction = query.direction === "ingress" ? policy.ingress : policy.egress;
  const hasFacts = facts !== undefined && Object.keys(facts).length > 0;
  const l7 = result.verdict === "redirect" && hasFacts ? judgeL7(policy, query, facts, secrets) : undefined;
  const isRefused = result.verdict === "deny" || l7?.verdict === "deny";
  return {
    ...result,
    rules: result.origins,
    lost: lostTo([...result.origins, ...(l7?.origins ?? [])], coveringClauses(direction, query), direction, query),
    missed: isRefused ? missedBy(direction, query) : [],
    ...(l7 === undefined ? {} : { l7 }),
    text: sentence(query, result, l7),
  };
}

function sentence(query: LookupQuery, result: LookupResult, l7: L7Verdict | undefined): string {
  const { direction, identity, protocol, port } = query;
  const side = direction === "ingress" ? "from" : "to";
  const flow = `${direction} ${side} identity ${identity} on ${protocolName(protocol)} ${port}`;
  if (result.entry === undefined)
    return `${flow} is denied: no rule allows it, and default deny is on by ${names(result.origins)}`;
  if (result.verdict === "deny" && result.origins.every(({ kind }) => kind === ""))
    return `${flow} is denied: no rule allows it (${names(result.origins)})`;
  const decided = `${flow} is ${DECIDED[result.verdict]} ${names(result.origins)}`;
  if (l7 === undefined) return decided;
  if (l7.verdict === "unknown")
    return `${decided}, where the request cannot be judged: ${l7.missing === "listener" ? "its own listener decides" : `no ${l7.missing} facts`}`;
  const by = l7.origins.length === 0 ? "no rule allows it" : names(l7.origins);
  return l7.verdict === "allow"
    ? `${decided}, which lets the request pass by ${by}`
    : `${decided}, which refuses it: ${by}`;
}

/** `decided` = the rules that did, in the datapath and in the proxy. */
function lostTo(
  decided: Origins,
  covering: readonly Clause[],
  direction: DirectionPolicy,
  query: LookupQuery,
): Candidate[] {
  const winner = covering.find(({ origins }) => origins.some((origin) => decided.includes(origin))) ?? covering[0];
  const lost = covering
    .filter(({ origins }) => !origins.every((origin) => decided.includes(origin)))
    .map((clause) => ({ rules: clause.origins, verdict: wordOf(clause), why: whyLost(clause, winner!) }));
  const passes = [...direction.everyPeer, ...direction.clausesOf(query.identity)]
    .filter((clause) => clause.verdict === "pass" && coversPort(clause, query))
    .map(({ origins }) => ({
      rules: origins,
      verdict: "pass" as const,
      why: "it leaves the decision to the next tier",
    }));
  return [...lost, ...passes];
}

function whyLost(clause: Clause, winner: Clause): string {
  const by = names(winner.origins);
  if (clause.tier !== winner.tier) return `the tier of ${by} comes first, or passes it on`;
  const [own, best] = [levelOf(clause.precedence), levelOf(winner.precedence)];
  if (own !== best) return `${by} has the earlier priority`;
  if (winner.verdict === "deny")
    return clause.verdict === "deny" ? `${by} denies it already` : `${by} denies it, and deny comes before allow`;
  if (winner.l7 !== undefined && clause.l7 === undefined)
    return `${by} sends it to the proxy, which comes before a plain allow`;
  if (winner.l7 !== undefined) return `the proxy of ${by} comes first; its rules are judged there too`;
  return `${by} allows it already`;
}

function coversPort({ filter }: Clause, { protocol, port }: LookupQuery): boolean {
  return (filter.protocol === 0 || filter.protocol === protocol) && filter.first <= port && port <= filter.last;
}

function missedBy(direction: DirectionPolicy, query: LookupQuery): Candidate[] {
  const own = new Set([...direction.everyPeer, ...direction.clausesOf(query.identity)]);
  const all = [...direction.everyPeer, ...direction.groups.flatMap(({ clauses }) => clauses)];
  const known = new Set(all.map(({ origins }) => origins));
  const nameless = direction.named
    .filter(({ verdict, origins }) => verdict === "allow" && !known.has(origins))
    .map((clause) => ({
      rules: clause.origins,
      verdict: wordOf(clause),
      why: `nobody whom it is about has a port named ${clause.filter.name}`,
    }));
  const others = all.flatMap((clause) => {
    if (clause.verdict !== "allow" || clause.origins.every(({ kind }) => kind === "")) return [];
    const [selects, covers] = [own.has(clause), coversPort(clause, query)];
    if (selects === covers) return [];
    const why = selects ? "it is about other ports" : "it does not select this peer";
    return [{ rules: clause.origins, verdict: wordOf(clause), why }];
  });
  return [...others, ...nameless];
}

/** Both sides of a connection. An absent side is no endpoint of ours, and nothing is enforced there. */
export interface ConnectionExplanation {
  readonly egress?: Explanation;
  readonly ingress?: Explanation;
  readonly verdict: "forwarded" | "dropped" | "unknown";
  /** The side that dropped it, or whose missing fact leaves it open. */
  readonly decidedBy?: "egress" | "ingress";
}

function outcomeOf({ verdict, l7 }: Explanation): ConnectionExplanation["verdict"] {
  if (verdict === "deny") return "dropped";
  if (verdict === "allow") return "forwarded";
  if (l7 === undefined || l7.verdict === "unknown") return "unknown";
  return l7.verdict === "allow" ? "forwarded" : "dropped";
}

/**
 * A connection needs egress at its source and ingress at its destination. Give the side that has no policy as undefined.
 * With a redirect and no facts about the request the outcome is `unknown`.
 */
export function explainConnection(
  source: { readonly policy: ComputedPolicy; readonly query: LookupQuery } | undefined,
  destination: { readonly policy: ComputedPolicy; readonly query: LookupQuery } | undefined,
  facts?: L7Facts,
  secrets?: Secrets,
): ConnectionExplanation {
  const egress = source && explain(source.policy, source.query, facts, secrets);
  const ingress = destination && explain(destination.policy, destination.query, facts, secrets);
  const sides = { ...(egress === undefined ? {} : { egress }), ...(ingress === undefined ? {} : { ingress }) };
  for (const outcome of ["dropped", "unknown"] as const) {
    if (egress !== undefined && outcomeOf(egress) === outcome)
      return { ...sides, verdict: outcome, decidedBy: "egress" };
    if (ingress !== undefined && outcomeOf(ingress) === outcome)
      return { ...sides, verdict: outcome, decidedBy: "ingress" };
  }
  return { ...sides, verdict: "forwarded" };
}
