import { labelSelector, requirement } from "../model/selector.ts";
import type { DnsRule, HttpRule } from "./l7-rule.ts";
import { mergeOrigins, type Origins } from "./origin.ts";
import { type Levels, levelOf, precedenceOf } from "./precedence.ts";
import type { AuthMode, RuleVerdict, TlsContext } from "./rule.ts";
import type { Selection } from "./selector-cache.ts";
import type { L7Settings, Parser, PortFilter, Statement } from "./statement.ts";

/** What all rules of one tier together say about one port filter and one selection of peers. */
export interface Clause {
  readonly filter: PortFilter;
  /** Undefined = every peer. */
  readonly selection: Selection | undefined;
  readonly tier: number;
  readonly verdict: RuleVerdict;
  /** See precedence.ts. */
  readonly precedence: number;
  readonly l7: L7Settings | undefined;
  readonly auth: AuthMode | undefined;
  readonly log: string;
  readonly origins: Origins;
  /** How many statements came together in it, those that others outrank included. */
  readonly statements: number;
}

/** Rules that cannot be enforced together. What was in force before must stay. */
export class PolicyConflict extends Error {}

function toClause(statement: Statement, base: number): Clause {
  const { filter, selection, tier, verdict, l7, auth, log, origins } = statement;
  const precedence = precedenceOf(base, verdict, l7?.listenerPriority);
  return { filter, selection, tier, verdict, precedence, l7, auth, log, origins, statements: 1 };
}

/**
 * Merges statements about the same filter, selection and tier: the earlier priority wins, then deny, allow, pass; two allows
 * add up (Cilium's merge of per-selector policies). With `openByDefault` L7 rules forbid nothing, as nothing is denied by
 * default. Throws PolicyConflict.
 */
export function mergeStatements(statements: readonly Statement[], levels: Levels, openByDefault: boolean): Clause[] {
  const byPeer = new Map<Selection | undefined, Map<number, Clause>>();
  for (const statement of statements) {
    const clause = toClause(openByDefault ? opened(statement) : statement, levels.baseOf(statement));
    let byFilter = byPeer.get(clause.selection);
    if (byFilter === undefined) {
      byFilter = new Map();
      byPeer.set(clause.selection, byFilter);
    }
    const key = clause.filter.id * 256 + clause.tier;
    const known = byFilter.get(key);
    const statements = (known?.statements ?? 0) + 1;
    byFilter.set(key, known === undefined ? clause : { ...mergeClauses(known, clause), statements });
  }
  const clauses: Clause[] = [];
  for (const byFilter of byPeer.values()) for (const clause of byFilter.values()) clauses.push(clause);
  return clauses;
}

function opened(statement: Statement): Statement {
  const { l7, verdict } = statement;
  if (l7 === undefined || verdict !== "allow") return statement;
  return { ...statement, l7: withWildcard(l7) };
}

/** Adds a rule that allows every request, where there are L7 rules at all. */
function withWildcard(l7: L7Settings): L7Settings {
  if (l7.http !== undefined) return { ...l7, http: unionOf(l7.http, [{}]) };
  if (l7.dns !== undefined) return { ...l7, dns: unionOf(l7.dns, [{ matchPattern: "*" }]) };
  return l7;
}

const STRENGTH: Readonly<Record<RuleVerdict, number>> = { deny: 2, allow: 1, pass: 0 };

/** Selects nobody ever, so what rules say about it cannot be a contradiction. */
const NONE = labelSelector([requirement("reserved:none", "In", [""])]).text;

function mergeClauses(a: Clause, b: Clause): Clause {
  if (a.selection?.selector.text === NONE) return a;
  const [levelA, levelB] = [levelOf(a.precedence), levelOf(b.precedence)];
  if (levelA !== levelB) return levelA > levelB ? a : b;
  if (a.verdict !== b.verdict) return STRENGTH[a.verdict] > STRENGTH[b.verdict] ? a : b;
  const origins = mergeOrigins(a.origins, b.origins);
  const log = a.log || b.log;
  if (a.verdict !== "allow") return { ...a, origins, log };
  const l7 = mergeL7(a, b);
  const auth = mergeAuth(a, b);
  const precedence = precedenceOf(levelA, "allow", l7?.listenerPriority);
  return { ...a, precedence, l7, auth, log, origins };
}

function conflict(a: Clause, b: Clause, what: string): PolicyConflict {
  const name = ({ origins }: Clause) =>
    origins.map(({ namespace, name, path }) => `${namespace}/${name} ${path}`).join(", ");
  return new PolicyConflict(`${what}: ${name(a)} and ${name(b)} speak of the same peers and ports; change one of them`);
}

function mergeAuth(a: Clause, b: Clause): AuthMode | undefined {
  if (a.auth !== undefined && b.auth !== undefined && a.auth !== b.auth)
    throw conflict(a, b, `different authentication modes (${a.auth}, ${b.auth})`);
  return a.auth ?? b.auth;
}

function mergeL7(a: Clause, b: Clause): L7Settings | undefined {
  if (a.l7 === undefined || b.l7 === undefined) return onlyOne(a.l7 ?? b.l7);
  const [x, y] = [a.l7, b.l7];
  const parser = mergeParsers(a, b, x.parser, y.parser);
  const merged: L7Settings = {
    ...mergeListeners(a, b, x, y, parser),
    ...sameOrOne(a, b, x, y, "terminatingTLS"),
    ...sameOrOne(a, b, x, y, "originatingTLS"),
    ...mergeServerNames(x, y),
    ...mergeRules(x, y),
  };
  return checkServerNames(a, b, merged);
}

/** The other side allows every request of these peers, though only through the proxy. */
function onlyOne(l7: L7Settings | undefined): L7Settings | undefined {
  return l7 === undefined ? undefined : withWildcard(l7);
}

/** TLS may become HTTP; no other two parsers go together. */
function mergeParsers(a: Clause, b: Clause, x: Parser, y: Parser): Parser {
  if (x === y) return x;
  if (x === "tls" && y === "http") return y;
  if (y === "tls" && x === "http") return x;
  throw conflict(a, b, `different L7 parsers (${x}, ${y})`);
}

function mergeListeners(
  a: Clause,
  b: Clause,
  x: L7Settings,
  y: L7Settings,
  parser: Parser,
): Pick<L7Settings, "parser" | "listener" | "listenerPriority"> {
  if (x.listener === undefined || y.listener === undefined || x.listener.name === y.listener.name) {
    const { listener } = x.listener === undefined ? y : x;
    const priority = parser === x.parser ? x.listenerPriority : y.listenerPriority;
    const listenerPriority = x.parser === y.parser ? Math.min(x.listenerPriority, y.listenerPriority) : priority;
    return { parser, listenerPriority, ...(listener === undefined ? {} : { listener }) };
  }
  if (x.listenerPriority === y.listenerPriority)
    throw conflict(a, b, `different listeners of one priority (${x.listener.name}, ${y.listener.name})`);
  const first = x.listenerPriority < y.listenerPriority ? x : y;
  return { parser, listener: first.listener!, listenerPriority: first.listenerPriority };
}

function sameOrOne<K extends "terminatingTLS" | "originatingTLS">(
  a: Clause,
  b: Clause,
  x: L7Settings,
  y: L7Settings,
  field: K,
): Partial<L7Settings> {
  const [first, second] = [x[field], y[field]];
  const nameOf = (tls: TlsContext) => `${tls.secret.namespace}/${tls.secret.name}`;
  if (first !== undefined && second !== undefined && nameOf(first) !== nameOf(second))
    throw conflict(a, b, `different ${field}`);
  const found = first ?? second;
  return found === undefined ? {} : { [field]: found };
}

/** Once a rule wants names, every connection must have one: rules without names do not lift that (Cilium's merge). */
function mergeServerNames(x: L7Settings, y: L7Settings): Partial<L7Settings> {
  const names = [...new Set([...(x.serverNames ?? []), ...(y.serverNames ?? [])])];
  return names.length === 0 ? {} : { serverNames: names };
}

function mergeRules(x: L7Settings, y: L7Settings): Partial<L7Settings> {
  const http = unionWithWildcard<HttpRule>(x.http, y.http, {});
  const dns = unionWithWildcard<DnsRule>(x.dns, y.dns, { matchPattern: "*" });
  return { ...(http === undefined ? {} : { http }), ...(dns === undefined ? {} : { dns }) };
}

function unionWithWildcard<T>(
  a: readonly T[] | undefined,
  b: readonly T[] | undefined,
  all: T,
): readonly T[] | undefined {
  if (a === undefined && b === undefined) return undefined;
  return unionOf(a ?? [all], b ?? [all]);
}

function unionOf<T>(a: readonly T[], b: readonly T[]): readonly T[] {
  const known = new Set(a.map((rule) => JSON.stringify(rule)));
  return [...a, ...b.filter((rule) => !known.has(JSON.stringify(rule)))];
}

function checkServerNames(a: Clause, b: Clause, l7: L7Settings): L7Settings {
  const hasRules = l7.http !== undefined || l7.dns !== undefined;
  if (l7.serverNames !== undefined && hasRules && l7.terminatingTLS === undefined)
    throw conflict(a, b, "L7 rules beside serverNames without terminatingTLS");
  return l7;
}
