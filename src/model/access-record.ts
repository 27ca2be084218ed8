/** What a client said in its TLS client hello. */
export interface TlsHelloFacts {
  /** Absent = it asked for no name, or what it sent was no hello. */
  readonly serverName?: string;
  /** Application protocols (ALPN). */
  readonly protocols: readonly string[];
}

/**
 * One request or response that the proxy judged; becomes an L7 flow and a monitor line. Source is the client of the
 * connection and destination the server, in a response too.
 */
export interface AccessRecord {
  readonly type: "request" | "response";
  readonly verdict: "forwarded" | "denied" | "error";
  /** Milliseconds since the epoch, and nanoseconds within the millisecond are not kept. */
  readonly timeMs: number;
  readonly direction: "ingress" | "egress";
  readonly endpointId: number;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
  /** A TLS connection that was judged by its client hello: method, url and status say nothing. */
  readonly tls?: TlsHelloFacts;
  readonly protocol: "HTTP/1.0" | "HTTP/1.1" | "HTTP/2" | "";
  readonly method: string;
  /** Absolute: `http://<host><target>`. */
  readonly url: string;
  /** 0 on a request. */
  readonly status: number;
  /** Milliseconds from request to response, 0 on a request. */
  readonly latencyMs: number;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** Headers that rules wanted and did not find, of a request that may pass all the same; absent = none. */
  readonly missingHeaders?: AccessRecord["headers"];
  /** Headers that rules took away from a request; absent = none. */
  readonly rejectedHeaders?: AccessRecord["headers"];
  /** Envoy's flags for what went wrong: `UF` no connection to the server, `UC` it ended, `UR` it reset the stream, `UPE` the server's answer is none,
   * `DPE` the client's request is none, `DC` the client is gone, `SI` nothing moved for too long; absent = nothing did. */
  readonly responseFlags?: string;
  /** Why a request was refused, empty when it was not: `no rule matched`, `two lengths`, ... */
  readonly reason: string;
  /** Present = DNS, and the fields of HTTP are empty. */
  readonly dns?: DnsFacts;
}

/** A question, and in a response what the server answered. */
export interface DnsFacts {
  /** In lower case, with the last dot. */
  readonly query: string;
  /** Number of the type asked for. */
  readonly type: number;
  readonly transport: "udp" | "tcp";
  /** Response code. */
  readonly code: number;
  readonly addresses: readonly string[];
  readonly cnames: readonly string[];
  /** Seconds; 4294967295 = no record has one. */
  readonly ttl: number;
  /** Types of the answer's records. */
  readonly types: readonly number[];
}

/** One end of a connection as the agent knows it. */
export interface NotificationPeer {
  /** Endpoint id on this node, 0 = not here. */
  readonly id: number;
  readonly identity: number;
  /** `source:key=value`, sorted. */
  readonly labels: readonly string[];
}

/** What a monitor frame of type L7 carries: the record, with both ends named in the direction of the connection. */
export interface L7Notification {
  readonly record: AccessRecord;
  /** The client of the connection, for a response too. */
  readonly source: NotificationPeer;
  readonly destination: NotificationPeer;
}
