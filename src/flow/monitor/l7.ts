import type { L7Notification, NotificationPeer } from "../../model/access-record.ts";
import { escapeControls } from "../print/color.ts";
import { tlsFields } from "../summary.ts";

const VERDICTS = { forwarded: "Forwarded", denied: "Denied", error: "Error" } as const;

/** ` PUT http://… => 0`, or ` sni:www.example.com`. */
function factsText({ tls, type, method, url, status, reason }: L7Notification["record"]): string {
  if (tls === undefined) return ` ${method} ${url} => ${type === "response" ? status : 0}`;
  return Object.entries(tlsFields(tls, reason))
    .map(([name, value]) => ` ${name}:${value}`)
    .join("");
}

const peerText = ({ id, labels }: NotificationPeer) => `${id} ([${labels.join(" ")}])`;

/** `<- Request http from 3845 ([labels]) to 871 ([labels]), identity 19274->318, verdict Denied PUT http://… => 0` */
export function l7Line({ record, source, destination }: L7Notification): string {
  const arrow = record.direction === "ingress" ? "<-" : "->";
  const response = record.type === "response";
  const protocol = record.tls === undefined ? "http" : "tls";
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
    l7Proto: record.tls === undefined ? "http" : "tls",
    srcEpID: from.id,
    srcEpLabels: from.labels,
    srcIdentity: from.identity,
    dstEpID: to.id,
    dstEpLabels: to.labels,
    dstIdentity: to.identity,
    verdict: VERDICTS[record.verdict],
    ...(record.tls === undefined
      ? { http: httpJson(record) }
      : { l7: { Proto: "tls", Fields: tlsFields(record.tls, record.reason) } }),
  };
}

function httpJson(record: L7Notification["record"]): object {
  return {
    Code: record.type === "response" ? record.status : 0,
    Method: record.method,
    URL: record.url,
    Protocol: record.protocol,
    Headers: byName(record.headers),
    ...(record.missingHeaders && { MissingHeaders: byName(record.missingHeaders) }),
    ...(record.rejectedHeaders && { RejectedHeaders: byName(record.rejectedHeaders) }),
  };
}

function byName(headers: L7Notification["record"]["headers"]): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(headers.map(({ name, value }) => [name, [value]]));
}
