import type { LabelSelector, Selector } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import type { DnsRule, HttpRule } from "./l7-rule.ts";

/** Destination ports (or one ICMP type) of one protocol. */
export interface PortSpec {
  /** IANA number; never 0. */
  readonly protocol: number;
  /** Lower case; resolved per endpoint. `port` is 0 then. */
  readonly name?: string;
  /** 0 = every port of the protocol. */
  readonly port: number;
  /** Not below `port`; equal to it for one port. With a name: 0, or the last port of a range that begins at it. */
  readonly endPort: number;
}

/** Where the proxy finds a certificate or a trusted authority. Empty text = the secret's default key. */
export interface TlsContext {
  readonly secret: { readonly namespace: string; readonly name: string };
  readonly trustedCA: string;
  readonly certificate: string;
  readonly privateKey: string;
}

/** A listener of a CiliumEnvoyConfig or CiliumClusterwideEnvoyConfig that takes the traffic instead of our own. */
export interface ListenerRef {
  /** `namespace/config/listener`; the namespace is empty for a clusterwide config. */
  readonly name: string;
  /** 1..100, lower wins; 0 = the default, the last of all. */
  readonly priority: number;
}

/** One `toPorts` or `icmps` element. No ports = it matches nothing. L7 lists are absent or not empty. */
export interface PortRule {
  readonly ports: readonly PortSpec[];
  readonly http?: readonly HttpRule[];
  readonly dns?: readonly DnsRule[];
  /** Names that the TLS client must ask for, lower case; `*` and `**` are wildcards. */
  readonly serverNames?: readonly string[];
  readonly terminatingTLS?: TlsContext;
  readonly originatingTLS?: TlsContext;
  readonly listener?: ListenerRef;
}

/** The peers behind services, as `toServices` names them; which they are depends on the services that exist. */
export interface ServicePeer {
  readonly kind: "service";
  /** Absent with `selector`. */
  readonly name?: string;
  /** Selects services by their labels (source k8s). */
  readonly selector?: LabelSelector;
  /** Empty = any namespace. */
  readonly namespace: string;
  /** Pods behind the service are sought in this cluster; empty = in every cluster. */
  readonly cluster: string;
}

export type Peer = Selector | ServicePeer;

/** What an element says about the traffic that it matches; `pass` leaves it to the next tier. */
export type RuleVerdict = "allow" | "deny" | "pass";

/** `disabled` is a word of its own: it lifts a requirement that a wider rule makes. */
export type AuthMode = "disabled" | "required" | "test-always-fail";

/** Tiers, judged in this order. CiliumNetworkPolicy and NetworkPolicy are `Normal`. */
export const Tier = { Admin: 100, Normal: 200, Baseline: 250, Default: 255 } as const;

/** One element of `ingress`, `ingressDeny`, `egress` or `egressDeny`. */
export interface PeerRule {
  readonly direction: Direction;
  readonly verdict: RuleVerdict;
  /** See `Tier`. */
  readonly tier: number;
  /** Within the tier, lower first; 0 except in a ClusterNetworkPolicy. */
  readonly priority: number;
  /** OR; none = nobody is selected, though the element still turns default deny on. */
  readonly peers: readonly Peer[];
  /** Absent = every port of every protocol. */
  readonly ports?: readonly PortRule[];
  /** Absent = nothing is said about mutual authentication. */
  readonly auth?: AuthMode;
  /** e.g. `spec.ingress[0]`, `specs[1].egressDeny[0]` */
  readonly path: string;
}

/** One `spec` or element of `specs`, in the scope of its policy. */
export interface Rule {
  /** Endpoints, or with `isNode` the labels of the node itself. */
  readonly subject: LabelSelector;
  /** True for `nodeSelector`: the rule is about the host, never about pods. */
  readonly isNode: boolean;
  readonly elements: readonly PeerRule[];
  /** Whether the elements of a direction, if there are any, turn default deny on. */
  readonly defaultDeny: Readonly<Record<Direction, boolean>>;
  /** Metadata labels, sorted `source:key=value`, those that name the policy included. */
  readonly labels: readonly string[];
  /** `log.value`; absent = none. */
  readonly log?: string;
  /** The rule as Cilium's API prints it. */
  readonly api: unknown;
}

/** Names a policy object. `namespace` is empty for a clusterwide policy. */
export interface PolicyKey {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** A named set of prefixes (CiliumCIDRGroup); policies select it by name or by labels. */
export interface CidrGroup {
  readonly name: string;
  /** Labels of the object, those that begin with `io.cilium` left out. */
  readonly labels: Readonly<Record<string, string>>;
  /** `address/length`, masked. */
  readonly cidrs: readonly string[];
}

/** What is wrong with a policy, where, and how to mend it. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
  readonly mend?: string;
  readonly badValue?: unknown;
}

/**
 * What a warning is about, where somebody may want to tell it from others: default deny that is turned on and nothing else, what
 * can match nothing, a list that is there and empty, a label that no identity has, rules that restrict nothing, names that
 * nobody learns.
 */
export type WarningTopic = "default-deny" | "matches-nothing" | "empty-list" | "unseen-label" | "open" | "names";

/** What is accepted and yet means nothing, or not what its writer is likely to want. */
export interface FieldWarning {
  readonly field: string;
  readonly message: string;
  readonly topic?: WarningTopic;
}
