/**
 * What Cilium's health API answers (`GET /v1beta/status` on `health.sock`): for each node and address whether ICMP and HTTP
 * reach it. Names of fields are the API's.
 */
export interface ConnectivityStatus {
  /** Nanoseconds. */
  readonly latency?: number;
  /** Why it cannot be reached; absent = it can. */
  readonly status?: string;
  /** RFC 3339. */
  readonly lastProbed: string;
}

/** An address; a probe that has not ended yet is missing. */
export interface PathStatus {
  readonly ip: string;
  readonly icmp?: ConnectivityStatus;
  readonly http?: ConnectivityStatus;
}

export interface AddressStatus {
  readonly "primary-address": PathStatus;
  readonly "secondary-addresses": readonly PathStatus[];
}

export interface NodeStatus {
  readonly name: string;
  readonly host: AddressStatus;
  /** The primary address of `health-endpoint`, where older clients look. */
  readonly endpoint?: PathStatus;
  /** Absent while the node has told no health endpoint. */
  readonly "health-endpoint"?: AddressStatus;
}

export interface HealthReport {
  readonly local: { readonly name: string };
  readonly nodes: readonly NodeStatus[];
  /** When the present round began, RFC 3339. */
  readonly timestamp: string;
  /** As Go writes durations. */
  readonly probeInterval: string;
}
