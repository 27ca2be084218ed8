import { compileHttpRules, type HttpMatcher, type HttpRequestFacts } from "../policy/http-rule.ts";
import type { L7PeerRules, L7Redirect } from "../policy/policy-map.ts";

export interface Judgement {
  readonly allowed: boolean;
  /** Why not; empty when allowed. */
  readonly reason: string;
}

const ALLOWED: Judgement = { allowed: true, reason: "" };
const NO_RULE: Judgement = { allowed: false, reason: "no rule matched" };
const DENY_RULE: Judgement = { allowed: false, reason: "denied by a rule" };
const always: HttpMatcher = () => true;

interface CompiledPeerRules {
  readonly identities: ReadonlySet<number> | undefined;
  readonly matches: HttpMatcher;
  readonly deny: boolean;
}

/** The rules that apply to one peer, deny apart from allow. */
interface PeerTests {
  readonly denies: readonly HttpMatcher[];
  readonly allows: readonly HttpMatcher[];
}

/** The HTTP rules of one redirect, ready to judge requests. Immutable: a new policy makes a new one. */
export class RequestPolicy {
  readonly redirect: L7Redirect;
  private readonly rules: readonly CompiledPeerRules[];
  private readonly byPeer = new Map<number, PeerTests>();

  /** Throws when a rule's expression does not compile or the redirect is not about HTTP. */
  constructor(redirect: L7Redirect) {
    if (redirect.parser !== "http")
      throw new Error(`redirect ${redirect.key}: parser "${redirect.parser}" is not http`);
    this.redirect = redirect;
    this.rules = redirect.rules.map((rule) => compilePeerRules(rule));
  }

  /** Deny rules first; then the request passes when any rule set that covers the peer lets it. */
  judge(peerIdentity: number, request: HttpRequestFacts): Judgement {
    const tests = this.testsOf(peerIdentity);
    if (tests.denies.some((matches) => matches(request))) return DENY_RULE;
    return tests.allows.some((matches) => matches(request)) ? ALLOWED : NO_RULE;
  }

  private testsOf(peerIdentity: number): PeerTests {
    const known = this.byPeer.get(peerIdentity);
    if (known !== undefined) return known;
    const covering = this.rules.filter((rule) => rule.identities?.has(peerIdentity) ?? true);
    const tests = {
      denies: covering.filter((rule) => rule.deny).map((rule) => rule.matches),
      allows: covering.filter((rule) => !rule.deny).map((rule) => rule.matches),
    };
    this.byPeer.set(peerIdentity, tests);
    return tests;
  }
}

function compilePeerRules(rule: L7PeerRules): CompiledPeerRules {
  return {
    identities: rule.identities === undefined ? undefined : new Set(rule.identities),
    matches: rule.http === undefined ? always : compileHttpRules(rule.http),
    deny: rule.deny,
  };
}
