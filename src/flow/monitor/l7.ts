import type { L7Notification, NotificationPeer } from "../../model/access-record.ts";
import { escapeControls } from "../print/color.ts";

const VERDICTS = { forwarded: "Forwarded", denied: "Denied", error: "Error" } as const;

const peerText = ({ id, labels }: NotificationPeer) => `${id} ([${labels.join(" ")}])`;

/** `<- Request http from 3845 ([labels]) to 871 ([labels]), identity 19274->318, verdict Denied PUT http://… => 0` */
export function l7Line({ record, source, destination }: L7Notification): string {
  const arrow = record.direction === "ingress" ? "<-" : "->";
  const response = record.type === "response";
  const ends = response
    ? `Response http to ${peerText(source)} from ${peerText(destination)}, identity ${destination.identity}->${source.identity}`
    : `Request http from ${peerText(source)} to ${peerText(destination)}, identity ${source.identity}->${destination.identity}`;
  const status = response ? record.status : 0;
  return escapeControls(
    `${arrow} ${ends}, verdict ${VERDICTS[record.verdict]} ${record.method} ${record.url} => ${status}`,
  );
}

/** The same as an object for -j. */
export function l7Json({ record, source, destination }: L7Notification): object {
  const response = record.type === "response";
  const [from, to] = response ? [destination, source] : [source, destination];
  return {
    type: "logRecord",
    observationPoint: record.direction === "ingress" ? "Ingress" : "Egress",
    flowType: response ? "Response" : "Request",
    l7Proto: "http",
    srcEpID: from.id,
    srcEpLabels: from.labels,
    srcIdentity: from.identity,
    dstEpID: to.id,
    dstEpLabels: to.labels,
    dstIdentity: to.identity,
    verdict: VERDICTS[record.verdict],
    http: {
      Code: response ? record.status : 0,
      Method: record.method,
      URL: record.url,
      Protocol: record.protocol,
      Headers: byName(record.headers),
      ...(record.missingHeaders && { MissingHeaders: byName(record.missingHeaders) }),
      ...(record.rejectedHeaders && { RejectedHeaders: byName(record.rejectedHeaders) }),
    },
  };
}

function byName(headers: L7Notification["record"]["headers"]): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(headers.map(({ name, value }) => [name, [value]]));
}
