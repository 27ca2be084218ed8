/**
 * Models of Cilium's API (api/v1/openapi.yaml of 1.20), as far as there is something to say here: a field that is missing is
 * not known or does not exist. Names and shapes are Cilium's, so that its own client reads them.
 */
import type { ControllerStatus, StatusResponse } from "./status-model.ts";

/** `source:key=value`, sorted. */
export type LabelTexts = readonly string[];
type Options = Readonly<Record<string, string>>;

export interface IdentityModel {
  readonly id: number;
  readonly labels: LabelTexts;
  readonly labelsSHA256: string;
}

export interface IdentityEndpoints {
  readonly identity: IdentityModel;
  /** How many endpoints of this node have it. */
  readonly refCount: number;
}

export interface EndpointConfigurationSpec {
  readonly "label-configuration"?: { readonly user?: LabelTexts };
  /** Each `Enabled` or `Disabled`. */
  readonly options: Options;
}

export interface LabelConfigurationStatus {
  /** Labels that the identity does not count. */
  readonly derived?: LabelTexts;
  readonly realized: { readonly user?: LabelTexts };
  readonly "security-relevant": LabelTexts;
}

export type HealthWord = "OK" | "Bootstrap" | "Pending" | "Warning" | "Failure" | "Disabled";

export interface EndpointHealth {
  readonly bpf: HealthWord;
  readonly policy: HealthWord;
  readonly connected: boolean;
  readonly overallHealth: HealthWord;
}

export interface EndpointStatusChange {
  readonly code: "ok" | "failed";
  readonly message: string;
  readonly state: string;
  /** RFC 3339. */
  readonly timestamp: string;
}

/** What a port of an endpoint lets through or not, and the labels of the rules that say so. */
export interface PolicyRuleModel {
  /** JSON of the port: `{"port":80,"protocol":"TCP"}`, with `endPort` for a range and `l7` for what the proxy judges. */
  readonly rule: string;
  readonly "derived-from-rules": readonly LabelTexts[];
}

export interface EndpointPolicyModel {
  readonly l4: { readonly egress: readonly PolicyRuleModel[]; readonly ingress: readonly PolicyRuleModel[] };
  readonly id: number;
  readonly build: number;
  readonly "policy-revision": number;
  readonly "policy-enabled": string;
  /** Peers by identity alone, on every port; 0 = any. */
  readonly "allowed-ingress-identities": readonly number[] | null;
  readonly "allowed-egress-identities": readonly number[] | null;
  readonly "denied-ingress-identities": readonly number[] | null;
  readonly "denied-egress-identities": readonly number[] | null;
}

export interface EndpointNetworking {
  readonly addressing: readonly { readonly ipv4?: string; readonly ipv6?: string }[];
  readonly "container-interface-name"?: string;
  readonly "host-mac"?: string;
  readonly "interface-index"?: number;
  readonly "interface-name"?: string;
  readonly mac?: string;
}

export interface EndpointModel {
  readonly id: number;
  readonly spec: EndpointConfigurationSpec;
  readonly status: {
    readonly controllers: readonly ControllerStatus[];
    readonly "external-identifiers": Readonly<Record<string, string>>;
    readonly health: EndpointHealth;
    readonly identity: IdentityModel;
    readonly labels: LabelConfigurationStatus;
    /** The newest change of state. */
    readonly log: readonly EndpointStatusChange[];
    readonly namedPorts: readonly { readonly name: string; readonly port: number; readonly protocol: string }[];
    readonly networking: EndpointNetworking;
    readonly policy: {
      readonly realized: EndpointPolicyModel;
      readonly spec: EndpointPolicyModel;
    };
    readonly realized: EndpointConfigurationSpec;
    readonly state: string;
  };
}

export interface LabelConfiguration {
  readonly spec: { readonly user?: LabelTexts };
  readonly status: LabelConfigurationStatus;
}

export interface EndpointConfigurationStatus {
  readonly immutable: Options;
  readonly realized: EndpointConfigurationSpec;
}

export interface IpListEntry {
  readonly cidr: string;
  readonly identity: number;
  readonly hostIP?: string;
  /** Absent = not encrypted. */
  readonly encryptKey?: number;
  readonly metadata?: { readonly source: string; readonly namespace?: string; readonly name?: string };
}

export interface NodeAddressingElement {
  readonly enabled: boolean;
  readonly ip: string;
  readonly "alloc-range"?: string;
  readonly "address-type"?: string;
}

export interface NodeAddressing {
  readonly ipv4?: NodeAddressingElement;
  readonly ipv6?: NodeAddressingElement;
}

export interface NodeElement {
  /** `cluster/node` */
  readonly name: string;
  readonly "primary-address": NodeAddressing;
  readonly "health-endpoint-address"?: NodeAddressing;
  readonly "secondary-addresses": readonly NodeAddressingElement[];
  readonly source: string;
}

export interface ClusterNodeStatus {
  readonly self: string;
  readonly "nodes-added": readonly NodeElement[];
  readonly "nodes-removed": readonly NodeElement[];
}

interface ServicePort {
  readonly ip: string;
  readonly port: number;
  readonly protocol: string;
}

export interface ServiceSpec {
  readonly id: number;
  readonly "frontend-address": ServicePort & { readonly scope: "external" };
  readonly "backend-addresses": readonly (ServicePort & { readonly state: "active" })[];
  readonly flags: { readonly type: string; readonly name: string; readonly namespace: string };
}

export interface ServiceModel {
  readonly spec: ServiceSpec;
  readonly status: { readonly realized: ServiceSpec };
}

export interface PolicyModel {
  /** JSON of the rules in Cilium's API form, as text. */
  readonly policy: string;
  readonly revision: number;
}

export interface FqdnNamesModel {
  readonly DNSPollNames: readonly string[];
  readonly FQDNPolicySelectors: readonly { readonly selectorString: string; readonly regexString: string }[];
}

export interface BpfMap {
  readonly path: string;
  /** What the agent holds to be in the map; null = it does not remember it. */
  readonly cache: readonly { readonly key: string; readonly value: string; readonly "desired-action": "sync" }[] | null;
}

export interface DaemonConfigurationSpec {
  readonly options: Options;
  readonly "policy-enforcement": string;
}

export interface DaemonConfiguration {
  readonly spec: DaemonConfigurationSpec;
  readonly status: {
    readonly addressing: NodeAddressing;
    readonly daemonConfigurationMap: Readonly<Record<string, unknown>>;
    readonly datapathMode: "veth";
    readonly deviceMTU: number;
    readonly immutable: Options;
    readonly "ipam-mode": string;
    readonly kvstoreConfiguration: { readonly type: string };
    readonly masqueradeProtocols: { readonly ipv4: boolean; readonly ipv6: boolean };
    readonly nodeMonitor: StatusResponse["nodeMonitor"];
    readonly realized: DaemonConfigurationSpec;
    readonly routeMTU: number;
  };
}

export interface DebugInfo {
  readonly "cilium-memory-map": string;
  readonly "cilium-status": StatusResponse;
  /** Version, commit, its date and what runs it, in words apart. */
  readonly "cilium-version": string;
  readonly "endpoint-list": readonly EndpointModel[];
  readonly "environment-variables": readonly string[];
  readonly "kernel-version": string;
  readonly policy: PolicyModel;
  readonly "service-list": readonly ServiceModel[];
  readonly subsystem: Readonly<Record<string, string>>;
}
