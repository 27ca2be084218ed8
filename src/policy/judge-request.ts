import { compileHttpRules, type HttpMatcher, type HttpRequestFacts } from "./http-rule.ts";
import type { L7PeerRules, L7Redirect } from "./policy-map.ts";

/** Verdict on one request; `origin` indexes `EndpointPolicy.origins`, -1 = no rule allowed it. */
export interface RequestVerdict {
  readonly allowed: boolean;
  readonly origin: number;
}

interface CompiledPeer {
  readonly identities: ReadonlySet<number> | undefined;
  readonly matches: HttpMatcher | undefined;
  readonly deny: boolean;
  readonly origin: number;
}

function compilePeer({ identities, http, deny, origin }: L7PeerRules): CompiledPeer {
  return {
    identities: identities === undefined ? undefined : new Set(identities),
    matches: http === undefined ? undefined : compileHttpRules(http),
    deny,
    origin,
  };
}

/**
 * Prepares a redirect's rules. The returned function judges one request of a peer: refused if a rule denies the peer,
 * else allowed if any rule of the peer has no L7 rules or one that matches, else refused.
 */
export function compileRedirect({
  rules,
}: L7Redirect): (identity: number, request: HttpRequestFacts) => RequestVerdict {
  const peers = rules.map(compilePeer).sort((a, b) => Number(b.deny) - Number(a.deny));
  return (identity, request) => {
    for (const { identities, matches, deny, origin } of peers) {
      if (identities !== undefined && !identities.has(identity)) continue;
      if (deny) return { allowed: false, origin };
      if (matches === undefined || matches(request)) return { allowed: true, origin };
    }
    return { allowed: false, origin: -1 };
  };
}
