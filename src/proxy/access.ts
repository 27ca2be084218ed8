import type { AccessRecord, DnsFacts, TlsHelloFacts } from "../model/access-record.ts";
import type { ProxyOrigin } from "../model/proxy-origin.ts";
import { DnsCode } from "../wire/dns.ts";
import { NO_TTL } from "../wire/dns-answer.ts";
import type { ByteStream } from "./byte-stream.ts";

/** One redirected connection: who, to where, and what the kernel judged about it. */
export interface ConnectionFacts {
  readonly clientAddress: string;
  readonly clientPort: number;
  readonly serverAddress: string;
  readonly serverPort: number;
  /** As the kernel judged the latest packet: an identity may change while the connection is held. */
  origin: ProxyOrigin;
}

/** Client and server of an accepted connection; undefined when it has ended already. */
export function endsOf(client: ByteStream): Omit<ConnectionFacts, "origin"> | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = client;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  if (localAddress === undefined || localPort === undefined) return undefined;
  return {
    clientAddress: remoteAddress,
    clientPort: remotePort,
    serverAddress: localAddress,
    serverPort: localPort,
  };
}

/** The part of a record that a request settles; its response repeats it. */
export interface RequestFacts {
  readonly protocol: AccessRecord["protocol"];
  readonly method: string;
  readonly url: string;
  readonly tls?: TlsHelloFacts;
}

const NO_FIELDS: AccessRecord["headers"] = [];
const NO_WORDS: readonly string[] = [];
const NO_NUMBERS: readonly number[] = [];
type AskedName = Pick<DnsFacts, "query" | "type" | "transport">;

export const NO_REQUEST: RequestFacts = { protocol: "", method: "", url: "" };

type Outcome = Pick<AccessRecord, "type" | "verdict" | "timeMs" | "status" | "latencyMs" | "headers" | "reason">;

/** Headers that rules found wanting. */
interface HeaderNotes {
  readonly missing: AccessRecord["headers"];
  readonly rejected: AccessRecord["headers"];
}

/** In one literal, for two of them are made for each request. */
function accessRecord(connection: ConnectionFacts, request: RequestFacts, outcome: Outcome): AccessRecord {
  const { origin } = connection;
  const record = {
    type: outcome.type,
    verdict: outcome.verdict,
    timeMs: outcome.timeMs,
    direction: origin.direction,
    endpointId: origin.endpoint,
    sourceIdentity: origin.sourceIdentity,
    destinationIdentity: origin.destinationIdentity,
    sourceAddress: connection.clientAddress,
    sourcePort: connection.clientPort,
    destinationAddress: connection.serverAddress,
    destinationPort: connection.serverPort,
    protocol: request.protocol,
    method: request.method,
    url: request.url,
    status: outcome.status,
    latencyMs: outcome.latencyMs,
    headers: outcome.headers,
    reason: outcome.reason,
  };
  return request.tls === undefined ? record : { ...record, tls: request.tls };
}

function notesOf({ missing, rejected }: HeaderNotes): Pick<AccessRecord, "missingHeaders" | "rejectedHeaders"> {
  return {
    ...(missing.length === 0 ? {} : { missingHeaders: missing }),
    ...(rejected.length === 0 ? {} : { rejectedHeaders: rejected }),
  };
}

/** The identity that the endpoint's rules speak of: who asks (ingress), who is asked (egress). */
export function peerIdentity(origin: ProxyOrigin): number {
  return origin.direction === "ingress" ? origin.sourceIdentity : origin.destinationIdentity;
}

/** Writes the records of one connection. */
export class ConnectionLog {
  readonly connection: ConnectionFacts;
  private readonly write: (record: AccessRecord) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;

  constructor(connection: ConnectionFacts, write: (record: AccessRecord) => void, now: () => number) {
    this.connection = connection;
    this.write = write;
    this.now = now;
  }

  request(
    request: RequestFacts,
    verdict: AccessRecord["verdict"],
    reason: string,
    headers: AccessRecord["headers"],
    notes?: HeaderNotes,
  ): void {
    const timeMs = this.now();
    const outcome = { type: "request", verdict, timeMs, status: 0, latencyMs: 0, headers, reason } as const;
    const record = accessRecord(this.connection, request, outcome);
    const isNoted = notes !== undefined && notes.missing.length + notes.rejected.length > 0;
    this.write(isNoted ? { ...record, ...notesOf(notes) } : record);
  }

  /** A question, before its answer is known. */
  dnsRequest(asked: AskedName, verdict: AccessRecord["verdict"], reason: string): void {
    const { query, type, transport } = asked;
    const dns = { query, type, transport, code: 0, addresses: NO_WORDS, cnames: NO_WORDS, ttl: 0, types: NO_NUMBERS };
    this.dns("request", verdict, this.now(), 0, dns, reason);
  }

  /** The server's answer, as it was read. */
  dnsAnswer(asked: AskedName, answer: Omit<DnsFacts, keyof AskedName>, startedMs: number): void {
    const { query, type, transport } = asked;
    const { code, addresses, cnames, ttl, types } = answer;
    const timeMs = this.now();
    const dns = { query, type, transport, code, addresses, cnames, ttl, types };
    this.dns("response", "forwarded", timeMs, timeMs - startedMs, dns, "");
  }

  /** `reason` says why the server's answer did not come or was not taken. */
  dnsFailure(asked: AskedName, startedMs: number, reason: string, code: number = DnsCode.ServFail): void {
    const { query, type, transport } = asked;
    const timeMs = this.now();
    const nothing = { addresses: NO_WORDS, cnames: NO_WORDS, ttl: NO_TTL, types: NO_NUMBERS };
    const dns = { query, type, transport, code, ...nothing };
    this.dns("response", "error", timeMs, timeMs - startedMs, dns, reason);
  }

  /** In one literal, for two of them are made for each question. */
  private dns(
    type: AccessRecord["type"],
    verdict: AccessRecord["verdict"],
    timeMs: number,
    latencyMs: number,
    dns: DnsFacts,
    reason: string,
  ): void {
    const { connection } = this;
    const { origin } = connection;
    this.write({
      type,
      verdict,
      timeMs,
      direction: origin.direction,
      endpointId: origin.endpoint,
      sourceIdentity: origin.sourceIdentity,
      destinationIdentity: origin.destinationIdentity,
      sourceAddress: connection.clientAddress,
      sourcePort: connection.clientPort,
      destinationAddress: connection.serverAddress,
      destinationPort: connection.serverPort,
      protocol: "",
      method: "",
      url: "",
      status: 0,
      latencyMs,
      headers: NO_FIELDS,
      reason,
      dns,
    });
  }

  /** `failure`: Envoy's flag, and why the server's answer did not come; absent when it did or none was asked for. */
  response(
    request: RequestFacts,
    status: number,
    startedMs: number,
    headers: AccessRecord["headers"],
    failure?: { readonly flag: string; readonly reason: string },
  ): void {
    const timeMs = this.now();
    const verdict = failure === undefined ? "forwarded" : "error";
    const reason = failure?.reason ?? "";
    const outcome = {
      type: "response",
      verdict,
      timeMs,
      status,
      latencyMs: timeMs - startedMs,
      headers,
      reason,
    } as const;
    const record = accessRecord(this.connection, request, outcome);
    this.write(failure === undefined ? record : { ...record, responseFlags: failure.flag });
  }
}
