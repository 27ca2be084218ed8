import { headerMatchFault } from "../policy/header-match-fault.ts";
import {
  afterActions,
  type CompiledHttpRules,
  compileHttpRules,
  type HeaderAction,
  type HttpRequestFacts,
  headerNames,
  judgeHttpRules,
  type Secrets,
} from "../policy/http-rule.ts";
import type { HttpRule } from "../policy/l7-rule.ts";
import type { L7PeerRules, L7Redirect } from "../policy/policy-map.ts";
import { compileServerNames } from "../policy/server-name.ts";
import { utf8Latin1 } from "../wire/latin1.ts";
import { PeerRules, Refusal } from "./peer-rules.ts";

export interface Judgement {
  readonly allowed: boolean;
  /** Why not; empty when allowed. */
  readonly reason: string;
  /** What is to be done to the headers of an allowed request, in order. */
  readonly actions: readonly HeaderAction[];
}

const NO_ACTIONS: readonly HeaderAction[] = [];
const NO_SECRETS: Secrets = new Map();
const ALLOWED = { allowed: true, reason: "", actions: NO_ACTIONS };

export function refused(reason: string): Judgement {
  return { allowed: false, reason, actions: NO_ACTIONS };
}

const NO_RULE = refused(Refusal.noRule);
const DENY_RULE = refused(Refusal.denied);

interface CompiledRules {
  /** Undefined: every request. */
  readonly http: CompiledHttpRules | undefined;
  /** Undefined: the client need not ask for a name. */
  readonly serverNames: ((name: string | undefined) => boolean) | undefined;
  /** A rule may want something done to the headers. */
  readonly acts: boolean;
  readonly deny: boolean;
  readonly precedence: number;
}

/** The rule sets that one peer is judged by, in order. */
interface Way {
  /** For requests in the clear, which come without a server's name. */
  readonly rules: readonly CompiledRules[];
  /** One of them may want something done to the headers. */
  readonly act: boolean;
  /** For TLS clients, whose requests nobody can read. */
  readonly tls: readonly CompiledRules[];
}

/** The rules of one redirect, ready to judge requests and TLS clients. Immutable: a new policy makes a new one. */
export class RequestPolicy {
  readonly redirect: L7Redirect;
  /** Names, in lower case, of the fields that are compared with secrets: no record may show their values. */
  readonly secretNames: ReadonlySet<string>;
  /** Names, in lower case, of all fields that a rule looks at or changes. */
  readonly judgedNames: ReadonlySet<string>;
  private readonly rules: PeerRules<CompiledRules, Way>;
  private readonly secrets: Secrets;

  /**
   * Throws when a rule's expression does not compile or a header match cannot be carried out. `secrets`: values of those
   * that there are, one character a byte.
   */
  constructor(redirect: L7Redirect, secrets = NO_SECRETS) {
    this.redirect = redirect;
    this.secrets = secrets;
    this.rules = new PeerRules(redirect.rules, compileRules, wayOf);
    const http = redirect.rules.flatMap((rule) => rule.http ?? []);
    this.judgedNames = new Set(http.flatMap(headerNames));
    const matches = http.flatMap(({ headerMatches = [] }) => headerMatches);
    this.secretNames = new Set(matches.flatMap(({ name, secret }) => (secret === undefined ? [] : name.toLowerCase())));
  }

  /**
   * In the order of the rule sets, passes taken: the first that covers the peer and has a word on the request decides. The
   * header values are bytes, one character each.
   */
  judge(peerIdentity: number, request: HttpRequestFacts): Judgement {
    const { rules, act } = this.rules.wayOf(peerIdentity);
    if (act) return this.judgeAndAct(rules, request);
    for (const { http, deny } of rules) {
      if (http === undefined || http(request, this.secrets)) return deny ? DENY_RULE : ALLOWED;
    }
    return NO_RULE;
  }

  /** The same for a TLS client that asks for this name; undefined = for none, or nobody can say for which. */
  judgeServerName(peerIdentity: number, serverName: string | undefined): Judgement {
    for (const { serverNames, deny } of this.rules.wayOf(peerIdentity).tls) {
      if (serverNames === undefined || serverNames(serverName)) return deny ? DENY_RULE : ALLOWED;
    }
    return NO_RULE;
  }

  /** As Cilium does where rules act on headers: all sets of the deciding rank are tried, each on what the ones before left. */
  private judgeAndAct(rules: readonly CompiledRules[], request: HttpRequestFacts): Judgement {
    const actions: HeaderAction[] = [];
    let facts = request;
    let decided: number | undefined;
    for (const { http, deny, precedence } of rules) {
      if (decided !== undefined && precedence !== decided) break;
      const judged = http === undefined ? ALLOWED : judgeHttpRules(http, facts, this.secrets);
      actions.push(...judged.actions);
      facts = afterActions(facts, judged.actions);
      if (!judged.allowed) continue;
      if (deny) return DENY_RULE;
      decided = precedence;
    }
    return decided === undefined ? NO_RULE : { ...ALLOWED, actions };
  }
}

function wayOf(all: readonly CompiledRules[]): Way {
  const rules = all.filter(({ serverNames }) => serverNames === undefined);
  return { rules, act: rules.some(({ acts }) => acts), tls: all.filter(({ http }) => http === undefined) };
}

/** Throws on a deny with names: nobody could say what it means. */
function compileRules(rule: L7PeerRules, index: number): CompiledRules {
  if (rule.deny && rule.serverNames !== undefined) throw new Error(`rule ${index}: a deny cannot have server names`);
  return {
    http: rule.http === undefined ? undefined : compileHttpRules(rule.http.map(asBytes)),
    serverNames: rule.serverNames === undefined ? undefined : compileServerNames(rule.serverNames),
    acts: rule.http?.some(hasAction) ?? false,
    deny: rule.deny,
    precedence: rule.precedence,
  };
}

function hasAction({ headerMatches = [] }: HttpRule): boolean {
  return headerMatches.some(({ mismatch }) => mismatch !== undefined);
}

/** A rule whose header values are bytes like those of requests. Throws on a header match that cannot be carried out. */
function asBytes(rule: HttpRule): HttpRule {
  const { headers, headerMatches } = rule;
  if (headers === undefined && headerMatches === undefined) return rule;
  for (const match of headerMatches ?? []) {
    const fault = headerMatchFault(match);
    if (fault !== undefined) throw new Error(`header match: ${fault.message}`);
  }
  return {
    ...rule,
    ...(headers === undefined ? {} : { headers: headers.map(utf8Latin1) }),
    ...(headerMatches === undefined
      ? {}
      : { headerMatches: headerMatches.map((match) => ({ ...match, value: utf8Latin1(match.value ?? "") })) }),
  };
}
