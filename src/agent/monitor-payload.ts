import { type DatapathEvent, decodeEvent } from "../flow/index.ts";
import { ciliumMessage, VERDICTS } from "../flow/monitor/index.ts";
import { tlsFields } from "../flow/summary.ts";
import type { AccessRecord, L7Notification, NotificationPeer } from "../model/access-record.ts";
import type { AgentNotification } from "../model/agent-notification.ts";
import { parseAddress } from "../model/cidr.ts";
import { escapeJson } from "../model/json-escape.ts";
import { GobEncoder, type GobField, type GobType, type GobValue } from "../wire/gob.ts";

/**
 * What `cilium-dbg monitor` reads from `monitor1_2.sock`: a stream of Go's gob with one struct for each event
 * (pkg/monitor/payload of Cilium 1.20), in which a datapath event has the bytes of Cilium's own datapath, and what the proxy and the agent say
 * is a stream of gob once more, behind a byte that says what it is.
 */

const [INT, UINT, STRING]: readonly GobType[] = [{ kind: "int" }, { kind: "uint" }, { kind: "string" }];
const list = (of: GobType): GobType => ({ kind: "list", of });
const struct = (name: string, fields: readonly GobField[]) => ({ kind: "struct", name, fields }) as const;

const PAYLOAD = new GobEncoder(
  struct("Payload", [
    ["Data", { kind: "bytes" }],
    // upstream's monitor would show the processor of the event before for the first one
    ["CPU", { kind: "int", isKept: true }],
    ["Lost", UINT!],
    ["Type", INT!],
  ]),
);

/** Kinds of payload: the numbers of Linux' perf records. */
const SAMPLE = 9;
const LOST = 2;

const LABEL = struct("Label", [
  ["Key", STRING!],
  ["Value", STRING!],
  ["Source", STRING!],
]);
const ENDPOINT = struct("EndpointInfo", [
  ["ID", UINT!],
  ["IPv4", STRING!],
  ["IPv6", STRING!],
  ["Port", UINT!],
  ["Identity", UINT!],
  ["Labels", list(LABEL)],
]);
const STRINGS = list(STRING!);
const HEADERS: GobType = { kind: "map", of: STRINGS };
const HTTP = struct("LogRecordHTTP", [
  ["Code", INT!],
  ["Method", STRING!],
  ["URL", { kind: "binary" }],
  ["Protocol", STRING!],
  ["Headers", HEADERS],
  ["MissingHeaders", HEADERS],
  ["RejectedHeaders", HEADERS],
]);
const NUMBERS = list(UINT!);
const DNS = struct("LogRecordDNS", [
  ["Query", STRING!],
  ["IPs", list({ kind: "binary" })],
  ["TTL", UINT!],
  ["CNAMEs", STRINGS],
  ["ObservationSource", STRING!],
  ["RCode", INT!],
  ["QTypes", NUMBERS],
  ["AnswerTypes", NUMBERS],
]);
const L7 = struct("LogRecordL7", [
  ["Proto", STRING!],
  ["Fields", { kind: "map", of: STRING! }],
]);
const RECORD = struct("LogRecord", [
  ["Type", STRING!],
  ["Timestamp", STRING!],
  ["ObservationPoint", STRING!],
  ["SourceEndpoint", ENDPOINT],
  ["DestinationEndpoint", ENDPOINT],
  ["IPVersion", UINT!],
  ["Verdict", STRING!],
  ["Info", STRING!],
  ["TransportProtocol", UINT!],
  ["HTTP", HTTP],
  ["DNS", DNS],
  ["L7", L7],
]);
const NOTIFY = new GobEncoder(struct("LogRecordNotify", [["LogRecord", RECORD]]));
const AGENT = new GobEncoder(
  struct("AgentNotify", [
    ["Type", UINT!],
    ["Text", STRING!],
  ]),
);

/** First bytes of what is no datapath event. */
const ACCESS_LOG = 129;
const AGENT_EVENT = 130;

/** Numbers of the agent's notifications. */
const AGENT_TYPES: Readonly<Record<AgentNotification["type"], number>> = {
  "Cilium agent started": 2,
  "Endpoint regenerated": 3,
  "Failed endpoint regeneration": 4,
  "Policy updated": 5,
  "Policy deleted": 6,
  "Endpoint created": 7,
  "Endpoint deleted": 8,
  "IPCache entry upserted": 9,
  "IPCache entry deleted": 10,
};

const TCP = 6;
const UDP = 17;
const encoder = new TextEncoder();

/** What a stream begins with. */
export const PAYLOAD_DEFINITIONS = PAYLOAD.definitions;

function sample(data: Uint8Array, cpu = 0): Uint8Array {
  return PAYLOAD.message({ Data: data, CPU: cpu, Type: SAMPLE });
}

/** Events that somebody did not get; of several processors they are told as the first one's, for the form must have one. */
export function lostPayload(count: number, cpu = 0): Uint8Array {
  return PAYLOAD.message({ Lost: count, CPU: cpu, Type: LOST });
}

function marked(kind: number, stream: Uint8Array): Uint8Array {
  const data = new Uint8Array(1 + stream.length);
  data[0] = kind;
  data.set(stream, 1);
  return sample(data);
}

export function agentPayload({ type, message }: AgentNotification): Uint8Array {
  const Text = escapeJson(JSON.stringify(message));
  return marked(AGENT_EVENT, AGENT.alone({ Type: AGENT_TYPES[type], Text }));
}

/** Undefined for bytes that are no event. */
export function eventPayload(bytes: Uint8Array): Uint8Array | undefined {
  const event: DatapathEvent | undefined = decodeEvent(bytes);
  return event && sample(ciliumMessage(event), event.cpu);
}

function labelOf(text: string): GobValue {
  const [, Source = "", Key = "", Value = ""] = /^([^:]*):([^=]*)=?(.*)$/s.exec(text) ?? [];
  return { Source, Key, Value };
}

function endpointOf({ id, identity, labels }: NotificationPeer, address: string, Port: number): GobValue {
  const own = address.includes(":") ? { IPv6: address } : { IPv4: address };
  return { ID: id, ...own, Port, Identity: identity, Labels: labels.map(labelOf) };
}

function headersOf(headers: AccessRecord["headers"] = []): GobValue {
  const all = new Map<string, string[]>();
  for (const { name, value } of headers) all.set(name, [...(all.get(name) ?? []), value]);
  return all;
}

/** An address as Go's netip packs it. */
function packedAddress(address: string): GobValue {
  const bytes = parseAddress(address) ?? new Uint8Array();
  return address.includes(":") ? bytes : bytes.subarray(-4);
}

function factsOf(record: AccessRecord): Readonly<Record<string, GobValue>> {
  const { dns, tls } = record;
  const isResponse = record.type === "response";
  if (tls !== undefined)
    return { L7: { Proto: "tls", Fields: new Map(Object.entries(tlsFields(tls, record.reason))) } };
  if (dns !== undefined) {
    const asked = { Query: dns.query, ObservationSource: "proxy", QTypes: [dns.type] };
    const answered = {
      ...{ IPs: dns.addresses.map(packedAddress), TTL: dns.ttl, CNAMEs: dns.cnames },
      ...{ RCode: dns.code, AnswerTypes: dns.types },
    };
    return { DNS: isResponse ? { ...asked, ...answered } : asked };
  }
  const http = {
    ...{ Code: isResponse ? record.status : 0, Method: record.method, Protocol: record.protocol },
    ...{ URL: encoder.encode(record.url), Headers: headersOf(record.headers) },
    ...{ MissingHeaders: headersOf(record.missingHeaders), RejectedHeaders: headersOf(record.rejectedHeaders) },
  };
  return { HTTP: http };
}

export function l7Payload(notification: L7Notification): Uint8Array {
  const { record } = notification;
  const client = endpointOf(notification.source, record.sourceAddress, record.sourcePort);
  const server = endpointOf(notification.destination, record.destinationAddress, record.destinationPort);
  const isResponse = record.type === "response";
  const [SourceEndpoint, DestinationEndpoint] = isResponse ? [server, client] : [client, server];
  const LogRecord = {
    ...{ Type: isResponse ? "Response" : "Request", Timestamp: new Date(record.timeMs).toISOString() },
    ...{ ObservationPoint: record.direction === "ingress" ? "Ingress" : "Egress" },
    ...{ SourceEndpoint, DestinationEndpoint, IPVersion: record.sourceAddress.includes(":") ? 1 : 0 },
    ...{ Verdict: VERDICTS[record.verdict], Info: record.reason },
    TransportProtocol: record.dns?.transport === "udp" ? UDP : TCP,
    ...factsOf(record),
  };
  return marked(ACCESS_LOG, NOTIFY.alone({ LogRecord }));
}
