import { parseAddress } from "../../model/cidr.ts";
import { type DatapathEvent, EventDirection, EventType } from "../decode/event.ts";
import { decodePacket } from "../decode/packet.ts";
import { traceTarget } from "./line.ts";

/** Bytes before the packet in Cilium's messages, of the versions that are written here (pkg/monitor of 1.20). */
const DROP_BYTES = 48;
const DROP_VERSION = 3;
const TRACE_BYTES = 48;
const TRACE_VERSION = 1;
const VERDICT_BYTES = 40;

const FLAG_IPV6 = 1;
const VERDICT_IPV6 = 4;
const VERDICT_AUDITED = 0x40;
const MATCH_SHIFT = 3;
/** Where an IPv4 address stands in its 16 bytes. */
const V4_AT = 12;

const V4_BYTES = 4;

function writeDrop(view: DataView, event: DatapathEvent): void {
  view.setUint8(14, DROP_VERSION);
  writeIdentities(view, event);
  view.setUint32(24, event.destinationEndpoint, true);
  view.setUint16(28, event.sourceLine, true);
  view.setUint32(32, event.ifindex, true);
  view.setUint8(36, event.ipv6 ? FLAG_IPV6 : 0);
}

function writeTrace(view: DataView, bytes: Uint8Array, event: DatapathEvent): void {
  view.setUint8(14, TRACE_VERSION);
  writeIdentities(view, event);
  view.setUint16(24, traceTarget(event), true);
  view.setUint8(26, event.ctStatus);
  view.setUint8(27, event.ipv6 ? FLAG_IPV6 : 0);
  view.setUint32(28, event.ifindex, true);
  const address = event.originalAddress === "" ? undefined : parseAddress(event.originalAddress);
  if (address !== undefined) bytes.set(event.ipv6 ? address : address.subarray(V4_AT, V4_AT + V4_BYTES), 32);
}

function writeIdentities(view: DataView, event: DatapathEvent): void {
  view.setUint32(16, event.sourceIdentity, true);
  view.setUint32(20, event.destinationIdentity, true);
}

function writeVerdict(view: DataView, event: DatapathEvent): void {
  const packet = decodePacket(event.packet);
  const isIngress = event.direction === EventDirection.Ingress;
  view.setUint32(16, isIngress ? event.sourceIdentity : event.destinationIdentity, true);
  view.setInt32(20, event.verdict, true);
  view.setUint16(24, (packet.tcp ?? packet.udp ?? packet.sctp)?.destinationPort ?? 0, true);
  view.setUint8(26, packet.ip?.protocol ?? 0);
  const flags = (event.ipv6 ? VERDICT_IPV6 : 0) | (event.audited ? VERDICT_AUDITED : 0);
  view.setUint8(27, event.direction | flags | (event.matchType << MATCH_SHIFT));
  view.setUint32(32, event.cookie, true);
}

const LENGTHS = {
  [EventType.Drop]: DROP_BYTES,
  [EventType.Trace]: TRACE_BYTES,
  [EventType.PolicyVerdict]: VERDICT_BYTES,
} as const;

/** The event as Cilium's datapath would have written it, with its packet, in the byte order of this machine. */
export function ciliumMessage(event: DatapathEvent): Uint8Array {
  const length = LENGTHS[event.type];
  const bytes = new Uint8Array(length + event.packet.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = event.type;
  bytes[1] = event.subtype;
  view.setUint16(2, event.endpoint, true);
  view.setUint32(4, event.hash, true);
  view.setUint32(8, event.originalLength, true);
  view.setUint16(12, event.packet.length, true);
  if (event.type === EventType.Drop) writeDrop(view, event);
  else if (event.type === EventType.Trace) writeTrace(view, bytes, event);
  else writeVerdict(view, event);
  bytes.set(event.packet, length);
  return bytes;
}
