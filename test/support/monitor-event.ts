import type { CraftedEvent } from "./craft-event.ts";
import { tcpPacket } from "./craft-event.ts";

/** Bytes before the packet in Cilium's drop, trace and verdict messages, of the version written here. */
const HEADER_BYTES: Readonly<Record<number, number>> = { 1: 48, 4: 48, 5: 40 };
const DROP_VERSION = 3;
const TRACE_VERSION = 1;
const IPV6_FLAG = 1;
const VERDICT_IPV6 = 4;
const VERDICT_AUDITED = 0x40;
const OUR_AUDITED = 16;

/** The message that Cilium's datapath would write where ours writes this event. */
export function ciliumEvent(event: CraftedEvent): Uint8Array {
  const packet = event.packet ?? tcpPacket();
  const length = HEADER_BYTES[event.type]!;
  const bytes = new Uint8Array(length + packet.length);
  const view = new DataView(bytes.buffer);
  const isIpv6 = packet[12] === 0x86;
  bytes.set([event.type, event.subtype ?? 0]);
  view.setUint16(2, event.endpoint ?? 0, true);
  view.setUint32(8, packet.length, true);
  view.setUint16(12, packet.length, true);
  if (event.type === 5) writeVerdict(view, event, isIpv6);
  else {
    view.setUint32(16, event.sourceIdentity ?? 0, true);
    view.setUint32(20, event.destinationIdentity ?? 0, true);
    if (event.type === 1) {
      bytes[14] = DROP_VERSION;
      view.setUint32(32, event.ifindex ?? 0, true);
    } else writeTrace(view, event, isIpv6);
  }
  bytes.set(packet, length);
  return bytes;
}

function writeTrace(view: DataView, event: CraftedEvent, isIpv6: boolean): void {
  view.setUint8(14, TRACE_VERSION);
  view.setUint16(24, Math.max(0, event.verdict ?? 0), true);
  view.setUint8(26, event.ctStatus ?? 0);
  view.setUint8(27, isIpv6 ? IPV6_FLAG : 0);
  view.setUint32(28, event.ifindex ?? 0, true);
  for (const [index, part] of (event.originalAddress ?? "0.0.0.0").split(".").entries())
    view.setUint8(32 + index, Number(part));
}

function writeVerdict(view: DataView, event: CraftedEvent, isIpv6: boolean): void {
  const isIngress = event.direction === 1;
  view.setUint32(16, (isIngress ? event.sourceIdentity : event.destinationIdentity) ?? 0, true);
  view.setInt32(20, event.verdict ?? 0, true);
  const audited = ((event.flags ?? 0) & OUR_AUDITED) !== 0 ? VERDICT_AUDITED : 0;
  view.setUint8(27, (event.direction ?? 0) | (isIpv6 ? VERDICT_IPV6 : 0) | ((event.matchType ?? 0) << 3) | audited);
}
