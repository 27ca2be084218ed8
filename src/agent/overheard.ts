import { type CapturedPacket, decodeCapture } from "../flow/decode/capture.ts";
import { decodePacket, type Packet } from "../flow/decode/packet.ts";
import type { AccessRecord } from "../model/access-record.ts";
import { Protocol } from "../model/protocol.ts";
import { isDnsFault, readDnsQuery } from "../wire/dns-query.ts";
import { HeadReader, isFault } from "../wire/http-head.ts";
import { type HttpRequest, readRequest } from "../wire/http-request.ts";

/** What requests at a port are read as. */
export type Parser = "http" | "dns";

export interface OverheardParts {
  /** How requests to a watched port are to be read; empty = it is watched no longer. */
  readonly parsersAt: (
    at: Pick<CapturedPacket, "endpoint" | "direction">,
    protocol: number,
    port: number,
  ) => ReadonlySet<Parser>;
  /** Nanoseconds to add to CLOCK_MONOTONIC to get the time of day. */
  readonly clockOffsetNs: () => bigint;
  readonly heard: (record: AccessRecord) => void;
  /** The first packet of a connection in which no request could be read. */
  readonly notUnderstood: () => void;
}

/** Where in a connection's stream its reader stands. */
interface Listening {
  readonly reader: HeadReader;
  /** Sequence number of the byte that comes next. */
  next: number;
  /** Bytes of a body that are still to come. */
  body: number;
  /** A request was read: what does not look like one is the rest of its body. */
  hasHeard: boolean;
  isTold: boolean;
}

/** Connections that are followed at a time; the oldest are given up, and are taken up again at their next request. */
const MOST_CONNECTIONS = 10_000;
const LONGEST_METHOD = 20;
const SPACE = 32;
/** What a target begins with: a path, `*`, `http://`. */
const TARGET_BEGINNINGS = new Set("/*hH".split("").map((letter) => letter.charCodeAt(0)));
const NO_WORDS: readonly string[] = [];

/**
 * Reads requests off the packets of watched ports, which no proxy holds up: nothing here can change what becomes of them. A request
 * whose head is lost, longer than what is captured, encrypted or of HTTP/2 is not read, and that is told.
 */
export class Overheard {
  private readonly parts: OverheardParts;
  private readonly connections = new Map<string, Listening>();

  constructor(parts: OverheardParts) {
    this.parts = parts;
  }

  /** Takes a capture event. Never throws. */
  take(event: Uint8Array): void {
    const captured = decodeCapture(event);
    const packet = captured && decodePacket(captured.packet);
    const ports = packet?.tcp ?? packet?.udp;
    if (captured === undefined || packet?.ip === undefined || ports === undefined || packet.payload.length === 0)
      return;
    const protocol = packet.tcp === undefined ? Protocol.Udp : Protocol.Tcp;
    const parsers = this.parts.parsersAt(captured, protocol, ports.destinationPort);
    const record = recordOf(captured, packet, this.parts.clockOffsetNs());
    if (parsers.has("dns")) this.takeQuestion(packet, record);
    else if (parsers.has("http") && packet.tcp !== undefined)
      this.takeBytes(this.listening(keyOf(record), packet.tcp.sequence), captured, packet, record);
  }

  /** Forgets all connections: nothing is watched any more. */
  clear(): void {
    this.connections.clear();
  }

  private takeQuestion({ tcp, payload }: Packet, record: AccessRecord): void {
    const query = readDnsQuery(tcp === undefined ? payload : payload.subarray(2));
    if (isDnsFault(query)) {
      this.parts.notUnderstood();
      return;
    }
    const transport = tcp === undefined ? "udp" : "tcp";
    const asked = { query: query.name, type: query.type, transport, code: 0, ttl: 0 } as const;
    this.parts.heard({ ...record, dns: { ...asked, addresses: NO_WORDS, cnames: NO_WORDS, types: [] } });
  }

  private listening(key: string, sequence: number): Listening {
    const known = this.connections.get(key);
    this.connections.delete(key);
    const now = known ?? { reader: new HeadReader(), next: sequence, body: 0, hasHeard: false, isTold: false };
    this.connections.set(key, now);
    if (this.connections.size > MOST_CONNECTIONS) this.connections.delete(this.connections.keys().next().value!);
    return now;
  }

  private takeBytes(at: Listening, captured: CapturedPacket, { tcp, payload }: Packet, record: AccessRecord): void {
    const ahead = (tcp!.sequence - at.next) | 0;
    // it was here before
    if (ahead < 0) return;
    // what is missing may have been anything
    if (ahead > 0) this.startAnew(at);
    const length = captured.originalLength - (captured.packet.length - payload.length);
    at.next = (tcp!.sequence + length) >>> 0;
    if (at.body >= length) at.body -= length;
    else if (!this.readRequests(at, payload, length, record)) this.tell(at);
  }

  /** False when there is something that cannot be read. `length` is the payload's own, of which the end may be missing. */
  private readRequests(at: Listening, payload: Uint8Array, length: number, record: AccessRecord): boolean {
    let from = at.body;
    at.body = 0;
    while (from < payload.length) {
      if (at.reader.empty && !mayBeRequest(payload, from)) return at.hasHeard;
      const read = at.reader.push(payload, from, payload.length);
      if (read.state === "fault") return false;
      if (read.state === "more") break;
      const request = readRequest(read.head);
      if (isFault(request)) return false;
      at.hasHeard = true;
      this.parts.heard(withRequest(record, request));
      from += read.consumed;
      const body = request.framing.kind === "length" ? request.framing.length : 0;
      at.body = Math.max(0, body - (length - from));
      from += body;
    }
    if (at.reader.empty || payload.length === length) return true;
    this.startAnew(at);
    return false;
  }

  private startAnew(at: Listening): void {
    Object.assign(at, { reader: new HeadReader(), body: 0 });
  }

  private tell(at: Listening): void {
    if (!at.isTold) this.parts.notUnderstood();
    at.isTold = true;
  }
}

function keyOf({
  endpointId,
  direction,
  sourceAddress,
  sourcePort,
  destinationAddress,
  destinationPort,
}: AccessRecord) {
  return `${endpointId} ${direction} ${sourceAddress} ${sourcePort} ${destinationAddress} ${destinationPort}`;
}

/** A record without its request. */
function recordOf(captured: CapturedPacket, packet: Packet, offsetNs: bigint): AccessRecord {
  const ports = packet.tcp ?? packet.udp!;
  return {
    type: "request",
    verdict: "forwarded",
    timeMs: Number((captured.monotonicNs + offsetNs) / 1000n) / 1000,
    direction: captured.direction,
    endpointId: captured.endpoint,
    sourceIdentity: captured.sourceIdentity,
    destinationIdentity: captured.destinationIdentity,
    sourceAddress: packet.ip!.source,
    sourcePort: ports.sourcePort,
    destinationAddress: packet.ip!.destination,
    destinationPort: ports.destinationPort,
    protocol: "",
    method: "",
    url: "",
    status: 0,
    latencyMs: 0,
    headers: [],
    reason: "",
  };
}

function withRequest(record: AccessRecord, { version, method, host, path, fields }: HttpRequest): AccessRecord {
  return { ...record, protocol: version, method, url: `http://${host}${path}`, headers: fields };
}

/** Whether the bytes begin as a request line does: a word in capitals, and a target if they go so far. */
function mayBeRequest(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < bytes.length && at - from <= LONGEST_METHOD; at++) {
    const byte = bytes[at]!;
    if (byte === SPACE) return at > from && (at + 1 === bytes.length || TARGET_BEGINNINGS.has(bytes[at + 1]!));
    if (byte < 65 || byte > 90) return false;
  }
  return bytes.length - from <= LONGEST_METHOD;
}
