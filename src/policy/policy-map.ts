import type { Direction } from "../model/verdict.ts";
import type { DnsRule, HttpRule } from "./l7-rule.ts";

/**
 * One entry of an endpoint's policy map, as the engine computes it and the datapath stores it.
 * The datapath looks up the peer's identity and identity 0, each by longest prefix on protocol and port;
 * the higher precedence wins, then the longer prefix, then the peer's own entry.
 */
export interface PolicyMapEntry {
  readonly direction: Direction;
  /** Numeric identity of the peer, 0 = any. */
  readonly identity: number;
  /** IANA protocol number, 0 = any (then port and portPrefix are 0). */
  readonly protocol: number;
  /** Destination port or ICMP type, host order. */
  readonly port: number;
  /** Leading bits of `port` that count: 16 = one port, 0 = every port of the protocol. */
  readonly portPrefix: number;
  readonly deny: boolean;
  readonly precedence: number;
  readonly authType: number;
  /** Whether a rule asked for this authentication; else the other match of the same precedence counts as well. */
  readonly hasOwnAuth: boolean;
  /** Key of the redirect (see `L7Redirect.key`), or absent: no redirect. The agent turns it into a proxy port. */
  readonly redirect?: string;
  /** Index into `EndpointPolicy.origins`: which rules made this entry. */
  readonly origin: number;
}

/** Names the rules behind a verdict. */
export interface RuleOrigin {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Metadata labels of the rule, `source:key=value`, derived-from ones included. */
  readonly labels: readonly string[];
  /** e.g. `spec.ingress[0]`. */
  readonly path: string;
  /** What the rule wants to see beside its verdicts. */
  readonly log?: string;
}

/**
 * Rules of one peer set on a redirected port. They are in order: the first that has a word on the request decides. A set
 * with L7 rules has a word only where one of them matches; deny always; a pass skips the rest of its tier.
 */
export interface L7PeerRules {
  /** Numeric identities the set covers; absent = every peer. */
  readonly identities?: readonly number[];
  /** Absent = every request of these peers passes. */
  readonly http?: readonly HttpRule[];
  /** Absent = every name may be asked for. */
  readonly dns?: readonly DnsRule[];
  /** Absent = the client need not name a server. */
  readonly serverNames?: readonly string[];
  /** The user's own listener, for whose traffic alone the set counts. */
  readonly listener?: string;
  readonly deny: boolean;
  /** Rank: sets stand from the highest down, and those of one rank act on headers together. */
  readonly precedence: number;
  /** Present = a pass: these peers' requests go on with the set at this index, the first of the next tier. */
  readonly passTo?: number;
  readonly origin: number;
}

/** What the proxy must judge on one redirected port, or range of ports, of an endpoint. */
export interface L7Redirect {
  /** Stable within an endpoint: `ingress:TCP:80`, `ingress:TCP:80-90`, `egress:UDP:53:dns`. */
  readonly key: string;
  readonly direction: Direction;
  readonly protocol: number;
  readonly port: number;
  /** Last port of a range; absent = one port. The rules are the same for every port in it. */
  readonly endPort?: number;
  readonly parser: "http" | "dns" | "tls" | "crd";
  /** With the parser `crd`: `namespace/config/listener`. */
  readonly listener?: string;
  readonly rules: readonly L7PeerRules[];
}

/** The policy of one endpoint at one revision. Enforcement off in a direction shows as an allow-all entry there. */
export interface EndpointPolicy {
  readonly revision: number;
  /** Rises when identities come or go: the policy says the same while it is the same object with the same version. */
  readonly version: number;
  readonly ingressEnforced: boolean;
  readonly egressEnforced: boolean;
  readonly entries: readonly PolicyMapEntry[];
  readonly redirects: readonly L7Redirect[];
  /** Each element: the rules (one or more) that an entry came from. */
  readonly origins: readonly (readonly RuleOrigin[])[];
  /** Index into `origins` of the rules that turned default deny on, per direction; -1 = not enforced. */
  readonly ingressDefaultOrigin: number;
  readonly egressDefaultOrigin: number;
}
