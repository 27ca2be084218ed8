import type { ServiceFacts } from "./service-peers.ts";
import type { PolicyMode } from "./stance.ts";

/** The language of `policy eval`: JSON lines, one scenario a line; the answers are JSON lines too, one a query. */

export interface ScenarioHttp {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ScenarioQuery {
  readonly id: string;
  readonly direction?: "ingress" | "egress" | "both";
  /** Endpoint (`name` or `namespace/name`), `reserved:<name>`, an address, or a name of the FQDN cache. */
  readonly from: string;
  readonly to: string;
  /** Destination port, ICMP type, or a port name of the destination. */
  readonly port?: number | string;
  readonly proto?: string;
  readonly http?: ScenarioHttp;
  /** The name that is asked for. */
  readonly dns?: string;
  /** The name in the TLS client hello; empty = none. */
  readonly sni?: string;
}

export interface ScenarioEndpoint {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly namespaceLabels?: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
  readonly cluster?: string;
  readonly namedPorts?: readonly { readonly name: string; readonly port: number; readonly protocol?: string }[];
  readonly ips?: readonly string[];
  readonly identity?: number;
  /** `source:key=value`; replace the computed ones. */
  readonly rawLabels?: readonly string[];
}

export interface ScenarioConfig {
  readonly enableIPv4?: boolean;
  readonly enableIPv6?: boolean;
  readonly policyMode?: PolicyMode;
  readonly clusterName?: string;
  /** `auto` means `always`, as it does under Kubernetes. */
  readonly allowLocalhost?: "always" | "policy" | "auto";
  readonly hostFirewall?: boolean;
  /** `nodes` = CIDRs select nodes too. */
  readonly cidrMatchMode?: readonly string[];
  readonly nodeSelectorLabels?: boolean;
  /** Patterns of the security-relevant label filter (Cilium's `labels` option), behind the default ones. */
  readonly labels?: readonly string[];
  /** Whether pods with exactly the labels of kube-dns and the like have the numbers that Cilium keeps for them. */
  readonly wellKnownIdentities?: boolean;
  /** Whether each endpoint's whole policy map is answered too. */
  readonly dumpEntries?: boolean;
  /** Whether each answer says why. */
  readonly explain?: boolean;
}

/** A world, the policies in it, and what is asked. */
export interface Scenario {
  readonly id: string;
  readonly config?: ScenarioConfig;
  /** Objects, or YAML text of one or more documents. CIDR groups stand among the policies. */
  readonly policies: readonly unknown[];
  readonly endpoints: readonly ScenarioEndpoint[];
  /** Labels that a prefix has beside its own. */
  readonly cidrLabels?: Readonly<Record<string, readonly string[]>>;
  /** Addresses that a name was answered with. */
  readonly fqdnCache?: Readonly<Record<string, readonly string[]>>;
  /** Labels of the node beside `reserved:host`. */
  readonly hostLabels?: readonly string[];
  readonly services?: readonly ServiceFacts[];
  /** `namespace/name` -> the value that header matches compare with. */
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly queries: readonly ScenarioQuery[];
}

export interface DirectionAnswer {
  readonly verdict: "allowed" | "denied" | "redirect" | "error";
  readonly enforced: boolean;
  /** A map entry decided, not the default. */
  readonly matched: boolean;
  readonly authType: "disabled" | "spire" | "test-always-fail";
  /** Cilium's policy match type. */
  readonly matchType: number;
  /** Precedence of the entry that decided; absent = none. */
  readonly precedence?: number;
  readonly rules: readonly string[];
  /** With `config.explain`: rules that matched and lost, and those that just missed, each with why. */
  readonly lost?: readonly string[];
  readonly missed?: readonly string[];
  readonly text?: string;
}

/** One entry of a policy map; `peer` is `any` or the identity's labels, joined by commas. */
export interface EntryAnswer {
  readonly direction: "ingress" | "egress";
  readonly peer: string;
  readonly protocol: number;
  readonly port: number;
  readonly prefix: number;
  readonly deny: boolean;
  readonly precedence: number;
  readonly authType: "disabled" | "spire" | "test-always-fail";
  readonly redirect: boolean;
}

export interface Answer {
  readonly scenario: string;
  readonly id: string;
  readonly verdict: "allowed" | "denied" | "redirect" | "unknown" | "error" | "invalid" | "entries";
  /** Absent where it depends on facts that the query does not have; `error` names them. */
  readonly final?: "forwarded" | "dropped";
  readonly policy?: number;
  readonly error?: string;
  readonly warnings?: readonly string[];
  readonly ingress?: DirectionAnswer;
  readonly egress?: DirectionAnswer;
  readonly endpoint?: string;
  readonly entries?: readonly EntryAnswer[];
}
