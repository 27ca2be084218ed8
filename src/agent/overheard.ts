import { type CapturedPacket, decodeCapture } from "../flow/decode/capture.ts";
import { decodePacket, type Packet } from "../flow/decode/packet.ts";
import type { AccessRecord } from "../model/access-record.ts";
import { Protocol } from "../model/protocol.ts";
import { isDnsFault, readDnsQuery } from "../wire/dns-query.ts";
import { OverheardStream, type Parser, type Unread } from "./overheard-stream.ts";

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
  /** Once for a connection of which something could not be read, and for each question that is none. */
  readonly unread: (why: Unread, record: AccessRecord) => void;
}

/** Connections that are followed at a time; the oldest are given up, and are taken up again at their next request. */
const MOST_CONNECTIONS = 10_000;
/** Of those, that may hold bytes or what they said: at most some 100 KiB each, of HTTP/2. */
const MOST_HOLDING = 500;
const NO_WORDS: readonly string[] = [];

/**
 * Reads requests off the packets of watched ports, which no proxy holds up: nothing here can change what becomes of them. What cannot
 * be read is told.
 */
export class Overheard {
  private readonly parts: OverheardParts;
  private readonly connections = new Map<string, OverheardStream>();
  /** Of those, the ones that hold something, with the latest record. */
  private readonly holding = new Map<string, AccessRecord>();

  constructor(parts: OverheardParts) {
    this.parts = parts;
  }

  /** Takes a capture event. Never throws. */
  take(event: Uint8Array): void {
    const captured = decodeCapture(event);
    const packet = captured && decodePacket(captured.packet);
    const ports = packet?.tcp ?? packet?.udp;
    if (captured === undefined || packet?.ip === undefined || ports === undefined) return;
    const { tcp, payload } = packet;
    if (payload.length === 0 && tcp?.flags.includes("SYN") !== true) return;
    const protocol = tcp === undefined ? Protocol.Udp : Protocol.Tcp;
    const parsers = this.parts.parsersAt(captured, protocol, ports.destinationPort);
    if (parsers.size === 0) return;
    const record = recordOf(captured, packet, this.parts.clockOffsetNs());
    if (!parsers.has("dns")) this.takeSegment(captured, packet, parsers, record);
    else if (payload.length > 0) this.takeQuestion(packet, record);
  }

  /** Forgets all connections: nothing is watched any more. */
  clear(): void {
    this.connections.clear();
    this.holding.clear();
  }

  private takeQuestion({ tcp, payload }: Packet, record: AccessRecord): void {
    const query = readDnsQuery(tcp === undefined ? payload : payload.subarray(2));
    const transport = tcp === undefined ? "udp" : "tcp";
    const { name, type } = isDnsFault(query) ? { name: "", type: 0 } : query;
    const asked = { query: name, type, transport, code: 0, ttl: 0 } as const;
    const question = { ...record, dns: { ...asked, addresses: NO_WORDS, cnames: NO_WORDS, types: [] } };
    if (isDnsFault(query)) this.parts.unread("strange", question);
    else this.parts.heard(question);
  }

  private takeSegment(
    captured: CapturedPacket,
    { tcp, payload }: Packet,
    parsers: ReadonlySet<Parser>,
    record: AccessRecord,
  ): void {
    if (tcp === undefined) return;
    const key = keyOf(record);
    const stream = this.connections.get(key) ?? new OverheardStream(tcp.sequence);
    this.connections.delete(key);
    this.connections.set(key, stream);
    const isFirst = tcp.flags.includes("SYN");
    if (isFirst) stream.begin(tcp.sequence);
    const sequence = isFirst ? (tcp.sequence + 1) >>> 0 : tcp.sequence;
    const length = captured.originalLength - (captured.packet.length - payload.length);
    const unread = stream.take({ sequence, payload, length }, parsers, (request) =>
      this.parts.heard({ ...record, ...request }),
    );
    if (unread !== undefined) this.tell(stream, unread, record);
    this.limit(key, stream, record);
  }

  /** Memory is what nobody who sends may choose. */
  private limit(key: string, stream: OverheardStream, record: AccessRecord): void {
    this.holding.delete(key);
    if (stream.isHolding) this.holding.set(key, record);
    if (this.holding.size > MOST_HOLDING) this.giveUp(this.holding.keys().next().value!);
    if (this.connections.size <= MOST_CONNECTIONS) return;
    const oldest = this.connections.keys().next().value!;
    this.giveUp(oldest);
    this.connections.delete(oldest);
  }

  private giveUp(key: string): void {
    const stream = this.connections.get(key);
    const record = this.holding.get(key);
    if (stream === undefined || record === undefined) return;
    this.holding.delete(key);
    stream.giveUp();
    this.tell(stream, "many", record);
  }

  private tell(stream: OverheardStream, why: Unread, record: AccessRecord): void {
    if (!stream.isTold) this.parts.unread(why, record);
    stream.isTold = true;
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
