/** How a node's proxy answers questions of DNS, whatever policy says: Cilium's settings of its DNS proxy. */
export interface DnsSettings {
  /** `tofqdns-dns-reject-response-code`: what a name that policy forbids is answered, an RCODE (RFC 1035, 4.1.1); 5 (REFUSED) or 3 (NXDOMAIN). */
  readonly rejectCode: number;
  /** `tofqdns-proxy-response-max-delay`: how long an answer waits at most for its addresses to be in force, in ms. */
  readonly maxDelayMs: number;
}

/** Cilium's defaults. */
export const DEFAULT_DNS_SETTINGS: DnsSettings = { rejectCode: 5, maxDelayMs: 100 };
