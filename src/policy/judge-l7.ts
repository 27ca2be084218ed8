import { Protocol } from "../model/protocol.ts";
import type { Clause } from "./clause.ts";
import type { ComputedPolicy } from "./computed-policy.ts";
import type { DirectionPolicy } from "./direction-policy.ts";
import { compileDnsRules } from "./dns-rule.ts";
import {
  afterActions,
  compileHttpRules,
  type HeaderAction,
  type HttpRequestFacts,
  judgeHttpRules,
  type Secrets,
} from "./http-rule.ts";
import { type LookupQuery, type LookupResult, lookup } from "./lookup.ts";
import { mergeOrigins, type Origins } from "./origin.ts";
import { liftClauses } from "./pass-column.ts";
import { compileServerNames } from "./server-name.ts";

/** What is known of one request; what is absent is not known, `sni: ""` is a client that names no server. */
export interface L7Facts {
  readonly http?: HttpRequestFacts;
  /** The name that is asked for. */
  readonly dns?: string;
  readonly sni?: string;
}

/** Verdict on one request. */
export interface L7Verdict {
  /** `unknown`: a rule looks at a fact that is missing. */
  readonly verdict: "allow" | "deny" | "unknown";
  /** Rules that decided; empty = no rule allowed it. */
  readonly origins: Origins;
  /** With `unknown`: `http`, `dns`, `sni`, or `listener` where a listener of the user's own decides. */
  readonly missing?: keyof L7Facts | "listener";
  /** What HTTP rules want done with the headers of an allowed request. */
  readonly actions: readonly HeaderAction[];
}

type HttpJudge = ReturnType<typeof compileHttpRules>;

/** One clause, ready to judge requests. */
interface Link {
  readonly deny: boolean;
  readonly precedence: number;
  readonly origins: Origins;
  readonly http: HttpJudge | undefined;
  readonly dns: ((name: string) => boolean) | undefined;
  readonly serverNames: ((name: string | undefined) => boolean) | undefined;
  /** The user's own listener has the word. */
  readonly isListener: boolean;
}

const NO_ACTIONS: readonly HeaderAction[] = [];
const REFUSED: L7Verdict = { verdict: "deny", origins: [], actions: NO_ACTIONS };

/** A result belongs to one column of peers and one redirect, so the clauses behind it are always the same. */
const chains = new WeakMap<LookupResult, readonly Link[]>();
const compiledHttp = new WeakMap<object, HttpJudge>();

function compiledOf(rules: NonNullable<NonNullable<Clause["l7"]>["http"]>): HttpJudge {
  const known = compiledHttp.get(rules) ?? compileHttpRules(rules);
  compiledHttp.set(rules, known);
  return known;
}

/** Clauses that cover a peer and port, the highest rank first, passes taken into account. */
export function coveringClauses(policy: DirectionPolicy, { identity, protocol, port }: LookupQuery): Clause[] {
  const clauses = [...policy.everyPeer, ...policy.clausesOf(identity)];
  const covering = liftClauses({ protocol, port, prefix: 16 }, clauses, policy.levels);
  return covering.sort((a, b) => b.precedence - a.precedence);
}

function toLink({ verdict, precedence, origins, l7 }: Clause, isDns: boolean): Link {
  return {
    deny: verdict === "deny",
    precedence,
    origins,
    http: isDns || l7?.http === undefined ? undefined : compiledOf(l7.http),
    dns: isDns && l7?.dns !== undefined ? compileDnsRules(l7.dns) : undefined,
    serverNames: isDns || l7?.serverNames === undefined ? undefined : compileServerNames(l7.serverNames),
    isListener: l7?.listener !== undefined,
  };
}

/** What judges the requests of a connection. */
export interface JudgingClauses {
  /** The highest rank first. */
  readonly clauses: readonly Clause[];
  /** Whether the DNS proxy judges; only DNS rules have a word then. */
  readonly isDns: boolean;
}

/** The clauses that judge requests on a port that `lookup` redirects. */
export function judgingClauses(policy: DirectionPolicy, query: LookupQuery): JudgingClauses {
  const clauses = coveringClauses(policy, query);
  const redirecting = clauses.find(({ l7 }) => l7 !== undefined);
  const isDns = redirecting?.l7?.parser === "dns";
  const listener = redirecting?.l7?.listener?.name;
  // The DNS proxy knows only rules that name its port, in a tier that sends it there; a listener only those without a
  // listener or with itself.
  const counts = ({ filter, l7, tier }: Clause) =>
    isDns
      ? filter.protocol !== Protocol.Any &&
        filter.first === query.port &&
        filter.last === query.port &&
        (l7 !== undefined || tier === redirecting?.tier)
      : l7?.listener === undefined || l7.listener.name === listener;
  return { clauses: clauses.filter(counts), isDns };
}

function chainOf(policy: DirectionPolicy, query: LookupQuery, result: LookupResult): readonly Link[] {
  const known = chains.get(result);
  if (known !== undefined) return known;
  const { clauses, isDns } = judgingClauses(policy, query);
  const chain = clauses.map((clause) => toLink(clause, isDns));
  chains.set(result, chain);
  return chain;
}

/**
 * Judges a request on a connection that `lookup` redirects, as Cilium's proxies do: in the order of ranks the first clause
 * that has a word on the request decides; one with L7 rules has a word only where a rule matches; no word is a refusal.
 * For any other connection the verdict is that of `lookup`.
 */
export function judgeL7(policy: ComputedPolicy, query: LookupQuery, facts: L7Facts, secrets?: Secrets): L7Verdict {
  const result = lookup(policy, query);
  if (result.verdict !== "redirect") return { verdict: result.verdict, origins: result.origins, actions: NO_ACTIONS };
  const direction = query.direction === "ingress" ? policy.ingress : policy.egress;
  const chain = chainOf(direction, query, result);
  const work = { facts, actions: [] as HeaderAction[] };
  let open: L7Verdict | undefined;
  for (const [index, link] of chain.entries()) {
    const verdict = judgeLink(link, work, secrets);
    if (verdict === undefined) continue;
    // Where the rest allows the request anyway, a missing fact does not matter; what a listener does is its own affair.
    if (verdict.missing === "listener") return verdict;
    if (verdict.verdict === "deny") return open ?? verdict;
    if (verdict.verdict === "allow") {
      // The others of the same rank act on the headers too.
      for (const other of chain.slice(index + 1)) {
        if (other.precedence === link.precedence && !other.isListener) judgeLink(other, work, secrets);
      }
      return work.actions.length === 0 ? verdict : { ...verdict, actions: work.actions };
    }
    open ??= verdict;
  }
  return open ?? REFUSED;
}

/** By the chain: what it comes from. */
const judges = new WeakMap<readonly Link[], Origins>();

/** All rules that judge requests of a connection that `lookup` redirects, or else those behind its verdict; the list is the same while the policy is. */
export function judgingRules(policy: ComputedPolicy, query: LookupQuery): Origins {
  const result = lookup(policy, query);
  if (result.verdict !== "redirect") return result.origins;
  const chain = chainOf(query.direction === "ingress" ? policy.ingress : policy.egress, query, result);
  const known = judges.get(chain);
  if (known !== undefined) return known;
  const origins = chain.map((link) => link.origins).reduce(mergeOrigins, []);
  judges.set(chain, origins);
  return origins;
}

/** The facts as they are after what the clauses so far did to the headers, and what that was. */
interface Work {
  facts: L7Facts;
  readonly actions: HeaderAction[];
}

/** Undefined = the clause has no word on the request. Adds to the work what the clause does to the headers. */
function judgeLink(link: Link, work: Work, secrets: Secrets | undefined): L7Verdict | undefined {
  const { origins, deny, dns, http, serverNames, isListener } = link;
  const { facts } = work;
  if (deny) return { verdict: "deny", origins, actions: NO_ACTIONS };
  if (isListener) return unknown(origins, "listener");
  if (dns !== undefined) {
    if (facts.dns === undefined) return unknown(origins, "dns");
    return dns(facts.dns) ? { verdict: "allow", origins, actions: NO_ACTIONS } : undefined;
  }
  if (serverNames !== undefined) {
    // A request in the clear comes without a name.
    if (facts.sni === undefined && facts.http === undefined) return unknown(origins, "sni");
    if (!serverNames(facts.sni)) return undefined;
  }
  if (http === undefined) return { verdict: "allow", origins, actions: NO_ACTIONS };
  if (facts.http === undefined) return unknown(origins, "http");
  const { allowed, actions } = judgeHttpRules(http, facts.http, secrets);
  if (actions.length > 0) {
    work.actions.push(...actions);
    work.facts = { ...facts, http: afterActions(facts.http, actions) };
  }
  return allowed ? { verdict: "allow", origins, actions: NO_ACTIONS } : undefined;
}

function unknown(origins: Origins, missing: NonNullable<L7Verdict["missing"]>): L7Verdict {
  return { verdict: "unknown", origins, missing, actions: NO_ACTIONS };
}

/** What the next judge of the connection sees: the facts after what this one did to the headers. */
export function passedOn(facts: L7Facts, { actions }: L7Verdict): L7Facts {
  return facts.http === undefined || actions.length === 0
    ? facts
    : { ...facts, http: afterActions(facts.http, actions) };
}

/** The verdict on an HTTP request. */
export function httpVerdict(
  policy: ComputedPolicy,
  query: LookupQuery,
  http: HttpRequestFacts,
  secrets?: Secrets,
): L7Verdict {
  return judgeL7(policy, query, { http }, secrets);
}

/** The verdict on a DNS question; `name` with or without the last dot, in any case. */
export function dnsVerdict(policy: ComputedPolicy, query: LookupQuery, name: string): L7Verdict {
  return judgeL7(policy, query, { dns: name });
}

/** The verdict on a TLS client hello; undefined = it names no server. */
export function serverNameVerdict(policy: ComputedPolicy, query: LookupQuery, name: string | undefined): L7Verdict {
  return judgeL7(policy, query, { sni: name ?? "" });
}
