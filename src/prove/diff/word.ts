import type { Clause } from "../../policy/clause.ts";
import { AuthType } from "../../policy/column.ts";
import type { ComputedPolicy } from "../../policy/computed-policy.ts";
import { isEveryName } from "../../policy/dns-pattern.ts";
import type { Secrets } from "../../policy/http-rule.ts";
import { judgeL7, judgingClauses, type L7Facts, type L7Verdict } from "../../policy/judge-l7.ts";
import type { DnsRule, HttpRule } from "../../policy/l7-rule.ts";
import { type LookupQuery, lookup } from "../../policy/lookup.ts";
import { serverNameExpression } from "../../policy/server-name.ts";
import { type WantedHeader, wantedHeaders } from "./header-states.ts";
import { DNS_QUESTION, type RequestRule, UNTOLD } from "./request-language.ts";

/** What one side says of one port to one peer. */
export interface Word {
  /** Equal text, equal meaning. */
  readonly text: string;
  readonly isDenied: boolean;
  /** 0 = none; see `AuthType`. */
  readonly authType: number;
  /**
   * Requests that pass a proxy, by one of these rules, each by all that matters, and as people read it. Absent = there is no
   * proxy. The key `ANY_REQUEST` stands for everything.
   */
  readonly requests?: ReadonlyMap<string, RequestWord>;
  /** Where rules about HTTP judge, and only then. */
  readonly chain?: RequestChain;
}

/** Rules about HTTP as the engine tries them: what one does to headers, those behind it see. */
export interface RequestChain {
  readonly rules: readonly ChainRule[];
  readonly looksAtHeaders: boolean;
  readonly isEditing: boolean;
  judge(facts: L7Facts): L7Verdict;
}

/** One rule for one server name. */
export interface ChainRule extends RequestWord {
  /** Without its `demands`. */
  readonly rule: RequestRule;
  readonly headers: readonly WantedHeader[];
}

/** One rule of a proxy. */
export interface RequestWord {
  /** As people read it. */
  readonly text: string;
  /** The HTTP requests or TLS connections that it lets pass, where it does nothing else to them. */
  readonly rule?: RequestRule;
  /** Secrets that it compares with and whose values nobody gave, as `namespace/name`: what it lets pass is not known. */
  readonly missing?: readonly string[];
}

/** The key of a rule that lets everything pass. */
export const ANY_REQUEST = "any";
/** The keys of rules about HTTP begin with the first; the second is that of one that lets every HTTP request pass. */
export const HTTP_RULE = "http ";
const ANY_HTTP = `${HTTP_RULE}{}`;
/** Begins the keys of those that edit headers: they count beside others that let the same requests pass. */
const EDITING_RULE = `${HTTP_RULE}edit `;

/** True where one of the rules says so itself, or lets every such request pass. */
export function isCovered(key: string, requests: ReadonlyMap<string, RequestWord>): boolean {
  return requests.has(key) || requests.has(ANY_REQUEST) || (key.startsWith(HTTP_RULE) && requests.has(ANY_HTTP));
}

const DENIED: Word = { text: "deny", isDenied: true, authType: AuthType.Disabled };
/** Where nobody judges. */
export const OPEN: Word = { text: "allow", isDenied: false, authType: AuthType.Disabled };

/** What the policy says of a port to an identity, in a form that can be compared with that of another world. */
export function wordOf(policy: ComputedPolicy, query: LookupQuery, secrets: Secrets): Word {
  const { verdict, authType } = lookup(policy, query);
  if (verdict === "deny") return DENIED;
  if (verdict === "allow")
    return authType === AuthType.Disabled ? OPEN : { text: `allow auth ${authType}`, isDenied: false, authType };
  const { clauses, isDns } = judgingClauses(policy[query.direction], query);
  const requests = requestsOf(clauses, isDns, secrets);
  if (requests.size === 0) return DENIED;
  const keys = [...requests.keys()].sort().join("\n");
  const word: Word = { text: `proxy auth ${authType}\n${keys}`, isDenied: false, authType, requests };
  const links = isDns ? [] : judged(clauses);
  if (links.every(({ l7 }) => l7?.http === undefined) || links.some(({ l7 }) => l7?.listener !== undefined))
    return word;
  const rules = links.flatMap((clause) => chainRules(clause, secrets));
  const isEditing = rules.some(({ headers }) => headers.some(({ isDeciding }) => !isDeciding));
  const looksAtHeaders = rules.some(({ headers }) => headers.length > 0);
  const chain = { rules, looksAtHeaders, isEditing, judge: (facts: L7Facts) => judgeL7(policy, query, facts, secrets) };
  if (!isEditing) return { ...word, chain };
  // Who comes first, and who has a word after another let a request pass.
  const order = links.map(({ precedence, l7 }) => [precedence, ...(l7 === undefined ? [] : [settingsKey(l7)])]);
  // Of two rules for the same request it hangs on their order what is done to it.
  const inOrder = rules.map(({ text, headers }) => [text, headers]);
  return { ...word, text: `${word.text}\n${JSON.stringify([order, inOrder])}`, chain };
}

/** Down to the first that denies. */
function judged(clauses: readonly Clause[]): readonly Clause[] {
  const end = clauses.findIndex(({ verdict }) => verdict === "deny");
  return end < 0 ? clauses : clauses.slice(0, end);
}

function chainRules({ l7 }: Clause, secrets: Secrets): ChainRule[] {
  return (l7?.http ?? []).flatMap((http) => {
    const { method, path, host } = http;
    const { text } = httpRule(http, secrets);
    const missing = missingSecrets(http, secrets);
    return aboutOf(l7!).map(({ about }) => {
      const fields = Object.entries({ method, path, host }).filter(([, expression]) => expression);
      const rule = { ...Object.fromEntries(fields), ...about, demands: [] };
      return { text, rule, headers: wantedHeaders(http, secrets), ...(missing.length === 0 ? {} : { missing }) };
    });
  });
}

/**
 * The requests that the clauses let pass. Without a listener of the user's own it is what any clause allows, down to the first
 * that denies: no word of a clause is a refusal of its own. With one, the whole chain is one rule: it means what it says.
 */
function requestsOf(clauses: readonly Clause[], isDns: boolean, secrets: Secrets): Map<string, RequestWord> {
  const requests = new Map<string, RequestWord>();
  const listener = clauses.find(({ l7 }) => l7?.listener !== undefined)?.l7?.listener;
  if (listener !== undefined) {
    const chain = clauses.map(({ verdict, l7 }) => [verdict, l7 === undefined ? null : settingsKey(l7)]);
    return requests.set(JSON.stringify(chain), { text: `whatever listener ${listener.name} lets pass` });
  }
  for (const { l7 } of judged(clauses)) {
    for (const [key, text, rule, missing = []] of rulesOf(l7, isDns, secrets))
      requests.set(key, {
        text,
        ...(rule === undefined ? {} : { rule }),
        ...(missing.length === 0 ? {} : { missing }),
      });
  }
  // What another one covers adds nothing.
  return new Map(
    [...requests].filter(([key]) => key.startsWith(EDITING_RULE) || !isCovered(key, without(requests, key))),
  );
}

function without(requests: ReadonlyMap<string, RequestWord>, key: string): Map<string, RequestWord> {
  return new Map([...requests].filter(([other]) => other !== key));
}

function settingsKey(l7: NonNullable<Clause["l7"]>): unknown {
  const { http = [], dns = [], serverNames = [], ...rest } = l7;
  return [rest, ...[http, dns, serverNames].map((rules) => rules.map((rule) => JSON.stringify(rule)).sort())];
}

function* rulesOf(
  l7: Clause["l7"],
  isDns: boolean,
  secrets: Secrets,
): Iterable<[key: string, text: string, rule?: RequestRule | undefined, missing?: string[]]> {
  if (l7 === undefined) return yield [ANY_REQUEST, "every request"];
  if (isDns) {
    if (l7.dns === undefined) yield [ANY_REQUEST, "every request"];
    for (const rule of l7.dns ?? []) yield dnsRule(rule);
    return;
  }
  for (const { server, about } of aboutOf(l7)) {
    if (l7.http === undefined) {
      if (server.key === "") yield [ANY_REQUEST, "every request"];
      else yield [`tls${server.key}`, server.text.trim(), { ...about, isConnection: true, demands: [] }];
      continue;
    }
    for (const rule of l7.http) {
      const own = httpRule(rule, secrets);
      const set = own.set === undefined ? undefined : { ...own.set, ...about };
      yield [
        `${own.set === undefined ? EDITING_RULE : HTTP_RULE}${own.key}${server.key}`,
        `${own.text} ${server.text}`.trim(),
        set,
        missingSecrets(rule, secrets),
      ];
    }
  }
}

/** For each server name that the clause is about, or for any, what it is about besides requests. */
function aboutOf(
  l7: NonNullable<Clause["l7"]>,
): { server: { key: string; text: string }; about: Partial<RequestRule> }[] {
  const tls = tlsOf(l7);
  const names = l7.serverNames === undefined ? [undefined] : [...l7.serverNames].sort();
  return names.map((name) => ({
    server: name === undefined ? tls : { key: `${tls.key} server ${name}`, text: `server ${name}${tls.text}` },
    about: {
      ...(name === undefined ? {} : { server: serverNameExpression(name) }),
      ...(tls.key === "" ? {} : { tls: tls.key }),
    },
  }));
}

function tlsOf({ terminatingTLS, originatingTLS }: NonNullable<Clause["l7"]>): { key: string; text: string } {
  const parts = [
    ...(terminatingTLS === undefined ? [] : [`TLS ended with ${terminatingTLS.secret.name}`]),
    ...(originatingTLS === undefined ? [] : [`TLS begun with ${originatingTLS.secret.name}`]),
  ];
  if (parts.length === 0) return { key: "", text: "" };
  return { key: JSON.stringify([terminatingTLS, originatingTLS]), text: ` (${parts.join(", ")})` };
}

/** Names are compared whatever their case and final dot; a rule of both kinds takes what either takes. */
function dnsRule({ matchName, matchPattern }: DnsRule): [key: string, text: string, rule?: RequestRule] {
  if (matchPattern !== undefined && isEveryName(matchPattern)) return [ANY_REQUEST, "every request"];
  const patterns = [matchName ?? "", matchPattern ?? ""].map((pattern) => pattern.toLowerCase().replace(/\.$/, ""));
  const said = patterns.filter((pattern) => pattern !== "");
  const server = said.map((pattern) => `(?:${serverNameExpression(pattern)})`).join("|");
  const key = `dns ${patterns.join(" ")}`;
  return [key, `name ${said.join(" or ")}`, { server, tls: DNS_QUESTION, isConnection: true, demands: [] }];
}

/** A secret counts with its value: the same name may stand for another one on the other side. */
function httpRule(rule: HttpRule, secrets: Secrets): { key: string; text: string; set: RequestRule | undefined } {
  const { method, path, host, headers = [], headerMatches = [] } = rule;
  const matches = headerMatches.map(({ name, value, secret, mismatch }) => {
    const known = secret === undefined ? {} : { secret, is: secrets.get(secret) ?? null };
    return JSON.stringify({ name: name.toLowerCase(), value, ...known, mismatch });
  });
  const key = JSON.stringify({
    method,
    path,
    host,
    ...(headers.length === 0 ? {} : { headers: [...headers].sort() }),
    ...(matches.length === 0 ? {} : { matches }),
  });
  const more = [
    ...(host === undefined ? [] : [`host ${host}`]),
    ...headers.map((header) => `header ${header}`),
    ...headerMatches.map(headerText),
  ];
  const what = [
    method ?? (path === undefined ? "every HTTP request" : "every method"),
    ...(path === undefined ? [] : [path]),
  ];
  const text = [...what, ...(more.length === 0 ? [] : [`(${more.join(", ")})`])].join(" ");
  // What edits headers is more than a set of requests.
  const isSet = headerMatches.every(({ mismatch }) => mismatch === undefined);
  const wanted = headerMatches.map((match) => {
    const is = match.secret === undefined ? undefined : secrets.get(match.secret) || match.value;
    return headerText(match) + (is === undefined ? "" : `${UNTOLD}${is}`);
  });
  const demands = [...headers.map((header) => `header ${header}`), ...wanted];
  const fields = Object.entries({ method, path, host }).filter(
    ([, expression]) => expression !== undefined && expression !== "",
  );
  return { key, text, set: isSet ? { ...Object.fromEntries(fields), demands } : undefined };
}

/** The engine, as Cilium, lets nothing pass for a secret that is not there; files may leave it out where the cluster has it. */
function missingSecrets({ headerMatches = [] }: HttpRule, secrets: Secrets): string[] {
  const wanted = headerMatches.flatMap(({ secret }) => secret ?? []);
  return [...new Set(wanted)].filter((secret) => !secrets.has(secret)).sort();
}

function headerText({ name, value, secret, mismatch }: NonNullable<HttpRule["headerMatches"]>[number]): string {
  const wanted = secret === undefined ? (value ?? "") : `secret ${secret}`;
  const action = mismatch === undefined ? "" : `, else ${mismatch}`;
  return `header ${name}${wanted === "" ? "" : `: ${wanted}`}${action}`;
}
