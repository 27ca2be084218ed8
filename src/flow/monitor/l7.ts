import type { AccessRecord, DnsFacts, L7Notification, NotificationPeer } from "../../model/access-record.ts";
import { dnsTypeName } from "../dns.ts";
import { escapeControls } from "../print/color.ts";
import { tlsFields } from "../summary.ts";
import { goUrl } from "./go-url.ts";

export const VERDICTS = { forwarded: "Forwarded", denied: "Denied", error: "Error" } as const;

/** ` PUT http://… => 0`, ` sni:www.example.com`, or what `dnsText` says. */
function factsText(record: AccessRecord): string {
  const { dns, tls, type, method, url, status, reason } = record;
  if (dns !== undefined) return ` ${dnsText(type, dns)}`;
  if (tls === undefined) return ` ${method} ${url} => ${type === "response" ? status : 0}`;
  return Object.entries(tlsFields(tls, reason))
    .map(([name, value]) => ` ${name}:${value}`)
    .join("");
}

function protocolOf({ dns, tls }: AccessRecord): string {
  if (dns !== undefined) return "dns";
  return tls === undefined ? "http" : "tls";
}

const peerText = ({ id, labels }: NotificationPeer) => `${id} ([${labels.join(" ")}])`;

/** ` DNS proxy: example.com. A`, and of an answer ` TTL: 30 Answer: '192.0.2.1' CNAMEs: …` behind it */
function dnsText(type: AccessRecord["type"], dns: DnsFacts): string {
  const asked = `${dns.query} ${dnsTypeName(dns.type)}`;
  if (type === "request") return `DNS proxy: ${asked}`;
  const cnames = dns.cnames.length === 0 ? "" : ` CNAMEs: ${dns.cnames.join(",")}`;
  return `DNS proxy: ${asked} TTL: ${dns.ttl} Answer: '${dns.addresses.join(",")}'${cnames}`;
}

/** `<- Request http from 3845 ([labels]) to 871 ([labels]), identity 19274->318, verdict Denied PUT http://… => 0` */
export function l7Line({ record, source, destination }: L7Notification): string {
  const arrow = record.direction === "ingress" ? "<-" : "->";
  const response = record.type === "response";
  const protocol = protocolOf(record);
  const ends = response
    ? `Response ${protocol} to ${peerText(source)} from ${peerText(destination)}, identity ${destination.identity}->${source.identity}`
    : `Request ${protocol} from ${peerText(source)} to ${peerText(destination)}, identity ${source.identity}->${destination.identity}`;
  return escapeControls(`${arrow} ${ends}, verdict ${VERDICTS[record.verdict]}${factsText(record)}`);
}

/** The same as an object for -j. */
export function l7Json({ record, source, destination }: L7Notification): object {
  const response = record.type === "response";
  const [from, to] = response ? [destination, source] : [source, destination];
  return {
    type: "logRecord",
    observationPoint: record.direction === "ingress" ? "Ingress" : "Egress",
    flowType: response ? "Response" : "Request",
    l7Proto: protocolOf(record),
    srcEpID: from.id,
    srcEpLabels: from.labels,
    srcIdentity: from.identity,
    dstEpID: to.id,
    dstEpLabels: to.labels,
    dstIdentity: to.identity,
    verdict: VERDICTS[record.verdict],
    ...factsJson(record),
  };
}

function factsJson(record: AccessRecord): object {
  if (record.dns !== undefined) return { dns: dnsJson(record.type, record.dns) };
  if (record.tls !== undefined) return { l7: { Proto: "tls", Fields: tlsFields(record.tls, record.reason) } };
  return { http: httpJson(record) };
}

function httpJson(record: AccessRecord): object {
  return {
    ...{ Code: record.type === "response" ? record.status : 0, Method: record.method, URL: goUrl(record.url) },
    ...{ Protocol: record.protocol, Headers: byName(record.headers) },
    ...{ MissingHeaders: byName(record.missingHeaders), RejectedHeaders: byName(record.rejectedHeaders) },
    ...(record.responseFlags && { ResponseFlags: record.responseFlags }),
  };
}

/** In the order of Cilium's record, which leaves out what is empty. */
function dnsJson(type: AccessRecord["type"], dns: DnsFacts): object {
  const isAnswer = type === "response";
  const { addresses, ttl, cnames, code, types } = dns;
  return {
    Query: dns.query,
    ...(isAnswer && addresses.length > 0 && { IPs: addresses }),
    ...(isAnswer && ttl !== 0 && { TTL: ttl }),
    ...(isAnswer && cnames.length > 0 && { CNAMEs: cnames }),
    ObservationSource: "proxy",
    ...(isAnswer && code !== 0 && { RCode: code }),
    QTypes: [dns.type],
    ...(isAnswer && types.length > 0 && { AnswerTypes: types }),
  };
}

function byName(headers: AccessRecord["headers"] = []): Readonly<Record<string, readonly string[]>> | null {
  if (headers.length === 0) return null;
  const all = new Map<string, string[]>();
  for (const { name, value } of headers) all.set(name, [...(all.get(name) ?? []), value]);
  return Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
}
