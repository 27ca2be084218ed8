/** What a client of a node learned about a name from a DNS server, before it knows it. */
export interface DnsObservation {
  readonly endpointId: number;
  /** In lower case, with the last dot. */
  readonly name: string;
  /** Text of IPv4 and IPv6 addresses, each once. */
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
}
