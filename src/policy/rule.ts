import type { LabelSelector, Selector } from "../model/selector.ts";
import type { Direction } from "../model/verdict.ts";
import type { HttpRule } from "./policy-map.ts";

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

/** One `toPorts` or `icmps` element. No ports = it matches nothing. */
export interface PortRule {
  readonly ports: readonly PortSpec[];
  /** Absent = no L7 rules. Never empty. */
  readonly http?: readonly HttpRule[];
}

/** One element of `ingress`, `ingressDeny`, `egress` or `egressDeny`. */
export interface PeerRule {
  readonly direction: Direction;
  readonly deny: boolean;
  /** OR; none = nobody is selected, though the element still turns default deny on. */
  readonly peers: readonly Selector[];
  /** Absent = every port of every protocol. */
  readonly ports?: readonly PortRule[];
  /** e.g. `spec.ingress[0]` */
  readonly path: string;
}

/** One `spec` or element of `specs`, in the scope of its policy. */
export interface Rule {
  readonly subject: LabelSelector;
  readonly elements: readonly PeerRule[];
  /** Whether the elements of a direction, if there are any, turn default deny on. */
  readonly defaultDeny: Readonly<Record<Direction, boolean>>;
  /** Metadata labels, sorted `source:key=value`, those that name the policy included. */
  readonly labels: readonly string[];
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

/** What is wrong with a policy, where, and how to mend it. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
  readonly mend?: string;
  readonly badValue?: unknown;
}
