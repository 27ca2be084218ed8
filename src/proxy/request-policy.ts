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
  /** Index of the rule set with which a pass goes on. */
  readonly passTo: number | undefined;
}

/** The HTTP rules of one redirect, ready to judge requests. Immutable: a new policy makes a new one. */
export class RequestPolicy {
  readonly redirect: L7Redirect;
  private readonly rules: readonly CompiledPeerRules[];
  private readonly byPeer = new Map<number, readonly CompiledPeerRules[]>();

  /** Throws when a rule's expression does not compile or the redirect is not about HTTP. */
  constructor(redirect: L7Redirect) {
    if (redirect.parser !== "http")
      throw new Error(`redirect ${redirect.key}: parser "${redirect.parser}" is not http`);
    this.redirect = redirect;
    this.rules = redirect.rules.map((rule, index) => compilePeerRules(rule, index));
  }

  /** In the order of the rule sets, passes taken: the first that covers the peer and has a word on the request decides. */
  judge(peerIdentity: number, request: HttpRequestFacts): Judgement {
    for (const { matches, deny } of this.rulesOf(peerIdentity)) {
      if (matches(request)) return deny ? DENY_RULE : ALLOWED;
    }
    return NO_RULE;
  }

  /** A pass speaks of all requests of its peers, so that the way of a peer is always the same. */
  private rulesOf(peerIdentity: number): readonly CompiledPeerRules[] {
    const known = this.byPeer.get(peerIdentity);
    if (known !== undefined) return known;
    const way: CompiledPeerRules[] = [];
    for (let index = 0; index < this.rules.length; index++) {
      const rule = this.rules[index]!;
      if (rule.identities?.has(peerIdentity) === false) continue;
      if (rule.passTo !== undefined) index = rule.passTo - 1;
      else way.push(rule);
    }
    this.byPeer.set(peerIdentity, way);
    return way;
  }
}

/** Throws on a pass that leads nowhere further: nobody could say what it means. */
function compilePeerRules(rule: L7PeerRules, index: number): CompiledPeerRules {
  if (rule.passTo !== undefined && rule.passTo <= index)
    throw new Error(`rule ${index}: a pass must lead further down, not to ${rule.passTo}`);
  return {
    identities: rule.identities === undefined ? undefined : new Set(rule.identities),
    matches: rule.http === undefined ? always : compileHttpRules(rule.http),
    deny: rule.deny,
    passTo: rule.passTo,
  };
}
