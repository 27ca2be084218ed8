import type { Datapath, NodeConfig } from "../datapath/port.ts";
import type { AccessRecord } from "../model/access-record.ts";
import type { AgentNotification } from "../model/agent-notification.ts";
import type { DnsObservation } from "../model/dns-observation.ts";
import type { Labels } from "../model/label.ts";
import type { FqdnSelector } from "../model/selector.ts";
import type { EndpointPolicy } from "../policy/policy-map.ts";
import type { SelectorReport } from "../policy/selector-report.ts";
import type { ServiceFacts } from "../policy/service-peers.ts";
import type { IpamResponse } from "./api.ts";
import type { NamedPort } from "./cilium-endpoint.ts";
import type { KubeObject } from "./kube.ts";
import type { PolicyDiscovery } from "./redirects.ts";

/** Selectors of peers, or of whom policies are about. */
export type SelectorSide = "peers" | "subjects";

/** Whom a policy is computed for. */
export interface PolicySubject {
  readonly identity: number;
  readonly labels: Labels;
  readonly namedPorts: readonly NamedPort[];
}

/** The policy engine as the agent drives it; synchronous and without side effects of its own. */
export interface PolicyEngine {
  readonly revision: number;
  /** Takes a policy of any kind in; throws with the reason when it is invalid. */
  upsertPolicy(key: string, object: KubeObject): void;
  removePolicy(key: string): void;
  upsertIdentity(id: number, labels: Labels): void;
  removeIdentity(id: number): void;
  /** Named ports of the pods that have this identity, for egress rules. */
  setNamedPorts(identity: number, ports: readonly NamedPort[]): void;
  /** Takes a CiliumCIDRGroup in; throws with the reason when it is invalid. Undefined = it is gone. */
  setCidrGroup(name: string, object: KubeObject | undefined): void;
  /** What `toServices` selects by; undefined = the service is gone. */
  setService(namespace: string, name: string, service: ServiceFacts | undefined): void;
  /**
   * Every prefix that policies tell apart and that needs an identity of its own, with that identity's labels; the addresses
   * of `given` (as prefixes of themselves) have the given labels beside.
   */
  outside(given: Iterable<readonly [address: string, labels: Labels]>): ReadonlyMap<string, Labels>;
  /**
   * What `outside` says of one address with all labels that it is given: its prefix and its identity's labels. Undefined =
   * nothing tells it apart (any longer).
   */
  outsideAddress(address: string, given: Labels): { readonly prefix: string; readonly labels: Labels } | undefined;
  /** The `toFQDNs` selectors of all policies: what `FqdnLabels` gives addresses their labels by. */
  fqdnSelectors(): readonly FqdnSelector[];
  /** Labels that addresses will have once a name is resolved, each under a text of its own: for identities made beforehand. */
  expected(): ReadonlyMap<string, Labels>;
  /**
   * What the endpoint must enforce now: the same object while nothing but identities has changed for it. Throws when the
   * policies contradict each other.
   */
  resolve(endpointId: number, subject: PolicySubject): EndpointPolicy;
  /** The endpoint is gone: its policy is followed no longer. */
  release(endpointId: number): void;
  /** Selectors of the policies in force, with whom they select now. */
  selectors(of: SelectorSide): readonly SelectorReport[];
  /** The rules in Cilium's API form. */
  rules(): readonly unknown[];
}

/** Where datapath events and access records become flows; nothing of it may be kept after the call. */
export interface FlowSink {
  event(bytes: Uint8Array): void;
  access(record: AccessRecord): void;
  lost(count: number, cpu: number, timeNs: bigint): void;
  agent(notification: AgentNotification, timeNs: bigint): void;
}

/** The proxy's side, once its configuration channel is served. */
export interface ProxyChannel extends PolicyDiscovery {
  readonly connected: boolean;
  onAccess(listener: (record: AccessRecord) => void): void;
  /** What clients are about to learn from DNS servers: they get their answers when the listener has returned. */
  onObservations(listener: (observations: readonly DnsObservation[]) => void): void;
  /** A proxy that came back listens on other ports. */
  onPortsChanged(listener: (endpointId: number, ports: ReadonlyMap<string, number>) => void): void;
  /** Names were given up before their time: the proxy tells of them again. */
  namesForgotten(): void;
  /** Every endpoint has been published: what the proxy has of others may go. */
  removeUnpublished(): void;
  close(): Promise<void>;
}

export interface AgentNode extends NodeConfig {
  readonly clusterName: string;
}

export type { Datapath };

/** The health endpoint's end on this node, and its namespace as long as it is not closed. */
export interface HealthLink {
  readonly interfaceName: string;
  readonly ifindex: number;
  readonly mac: string;
  readonly hostMac: string;
  close(): void;
}

/** Makes a network namespace with these addresses where `/hello` is answered; takes the place of an earlier one. */
export type OpenHealthLink = (addressing: IpamResponse) => Promise<HealthLink>;
