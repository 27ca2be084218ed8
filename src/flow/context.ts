import type { AccessRecord } from "../model/access-record.ts";
import type { Redaction } from "./redaction.ts";

/** A pod or a host as the flow's reader wants to see it. */
export interface EndpointFacts {
  /** Endpoint id on this node, 0 = the endpoint lives elsewhere. */
  readonly id: number;
  readonly identity: number;
  /** Empty when it is no pod. */
  readonly namespace: string;
  readonly podName: string;
  /** Owners that the pod was made by, e.g. `{name: "deathstar", kind: "Deployment"}`; the list never changes. */
  readonly workloads: readonly { readonly name: string; readonly kind: string }[];
}

/** A service by the name that Kubernetes gave it. */
export interface ServiceName {
  readonly name: string;
  readonly namespace: string;
}

/** A rule behind a verdict; what the policy engine calls the origin of a map entry. */
export interface PolicyOrigin {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: readonly string[];
  /** e.g. `spec.ingress[0]` */
  readonly path: string;
  readonly log?: string;
}

/** The rules behind what the proxy said of a request. */
export interface RequestRules {
  readonly origins: readonly PolicyOrigin[];
  /** Of the policy that has them. */
  readonly revision: number;
  /** Whether they spoke of this request, or were asked, and none allowed it. */
  readonly matched: boolean;
}

/**
 * What the agent knows and a packet does not say. Every method answers at once from memory, is called several times an
 * event, and must not throw. A list or object that was an answer is not changed after it. Addresses are text as `inet_ntop` writes it.
 */
export interface FlowContext {
  /** Another number once an answer other than the clock's and the id's may have changed; until then flows are made after earlier ones. */
  turn(): number;
  /** As `nodeFullName` gives it. */
  readonly nodeName: string;
  /** Of the program that makes the flows. */
  readonly version: string;
  /** Labels of this node's object, `key=value`, sorted. The list never changes. */
  nodeLabels(): readonly string[];
  /** What flows must not tell, as of now. */
  redaction(): Redaction;
  /** The pod or host that has the address, on this node or another one; undefined when it is neither. */
  endpointByAddress(address: string): EndpointFacts | undefined;
  /** Numeric identity from the ipcache, 0 = not in it. Asked when an event names none. */
  identityByAddress(address: string): number;
  /** `source:key=value`, sorted; empty when the identity is not known. Reserved ones have theirs. The list never changes. */
  labelsOfIdentity(identity: number): readonly string[];
  /** The service whose frontend this is; protocol is the IANA number. */
  serviceByFrontend(address: string, port: number, protocol: number): ServiceName | undefined;
  /** DNS names under which the local endpoint has learned the address; empty when none. */
  dnsNames(endpointId: number, address: string): readonly string[];
  /** Empty when the interface is gone. */
  interfaceName(ifindex: number): string;
  /** The rules behind a rule cookie of bpf/abi.h; empty when none or not known any more. The list never changes. */
  ruleOrigins(cookie: number): readonly PolicyOrigin[];
  /** The rules that decided on a request of this record; undefined = no rule did, or they are not known any more. */
  requestRules(record: AccessRecord): RequestRules | undefined;
  /** Nanoseconds to add to CLOCK_MONOTONIC to get the time of day. */
  clockOffsetNs(): bigint;
  /** A fresh random UUID, one a flow. */
  newUuid(): string;
}
