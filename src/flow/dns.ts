import type { AccessRecord, DnsFacts } from "../model/access-record.ts";

/** What Hubble and the monitor write for a type of record; other types are "Unknown" to them. */
const TYPES = new Map([
  [1, "A"],
  [2, "NS"],
  [3, "MD"],
  [4, "MF"],
  [5, "CNAME"],
  [6, "SOA"],
  [7, "MB"],
  [8, "MG"],
  [9, "MR"],
  [10, "NULL"],
  [11, "WKS"],
  [12, "PTR"],
  [13, "HINFO"],
  [14, "MINFO"],
  [15, "MX"],
  [16, "TXT"],
  [28, "AAAA"],
  [33, "SRV"],
  [35, "NAPTR"],
  [41, "OPT"],
  [46, "RRSIG"],
  [48, "DNSKEY"],
  [64, "SVCB"],
  [65, "HTTPS"],
  [256, "URI"],
]);

/** Names of response codes in Hubble's words. */
const CODES = new Map([
  [0, "No Error"],
  [1, "Format Error"],
  [2, "Server Failure"],
  [3, "Non-Existent Domain"],
  [4, "Not Implemented"],
  [5, "Query Refused"],
  [6, "Name Exists when it should not"],
  [7, "RR Set Exists when it should not"],
  [8, "RR Set that should exist does not"],
  [9, "Server Not Authoritative for zone"],
  [10, "Name not contained in zone"],
  [16, "Bad OPT Version"],
  [17, "Key not recognized"],
  [18, "Signature out of time window"],
  [19, "Bad TKEY Mode"],
  [20, "Duplicate key name"],
  [21, "Algorithm not supported"],
  [22, "Bad Truncation"],
  [23, "Bad Cookie"],
]);

export function dnsTypeName(type: number): string {
  return TYPES.get(type) ?? "Unknown";
}

/** `DNS Query example.com. A`, or `DNS Answer "192.0.2.1" TTL: 30 (Proxy example.com. A)` for a response. */
export function dnsSummary(type: AccessRecord["type"], dns: DnsFacts): string {
  const asked = `${dns.query} ${dnsTypeName(dns.type)}`;
  if (type === "request") return `DNS Query ${asked}`;
  return `DNS Answer ${answerText(dns)} TTL: ${dns.ttl} (Proxy ${asked})`;
}

function answerText({ code, addresses, cnames }: DnsFacts): string {
  if (code !== 0) return `RCode: ${CODES.get(code) ?? "Unknown"}`;
  return [
    ...(addresses.length > 0 ? [`"${addresses.join(",")}"`] : []),
    ...(cnames.length > 0 ? [`CNAMEs: "${cnames.join(",")}"`] : []),
  ].join(" ");
}

/** The fields of a flow's DNS part; a request's says nothing of the answer. */
export function dnsOfFlow(type: AccessRecord["type"], dns: DnsFacts) {
  const asked = { query: dns.query, observationSource: "proxy", qtypes: [dnsTypeName(dns.type)] };
  if (type === "request") return asked;
  return {
    ...asked,
    ips: [...dns.addresses],
    ttl: dns.ttl,
    cnames: [...dns.cnames],
    rcode: dns.code,
    rrtypes: dns.types.map(dnsTypeName),
  };
}
