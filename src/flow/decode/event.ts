import { mappedAddressText } from "./address.ts";
import { SOURCE_FILES } from "./source-file.ts";

/** First byte of an event: the numbers of Cilium's monitor messages. */
export const EventType = { Drop: 1, Debug: 2, Capture: 3, Trace: 4, PolicyVerdict: 5, L7: 129, Agent: 130 } as const;

/** Subtype of a trace event. */
export const TracePoint = {
  ToEndpoint: 0,
  ToProxy: 1,
  ToHost: 2,
  ToStack: 3,
  ToOverlay: 4,
  FromEndpoint: 5,
  FromProxy: 6,
  FromHost: 7,
  FromStack: 8,
  FromOverlay: 9,
  FromNetwork: 10,
  ToNetwork: 11,
} as const;

/** What connection tracking said of a traced packet. */
export const CtStatus = { New: 0, Established: 1, Reply: 2, Related: 3, Unknown: 5 } as const;

/** `direction` of a policy verdict. */
export const EventDirection = { Ingress: 1, Egress: 2 } as const;

export const EVENT_HEADER_LENGTH = 72;
const FLAG_REPLY = 1;
const FLAG_REPLY_KNOWN = 2;
const FLAG_IPV6 = 4;
const FLAG_PROXY_LEG = 8;
const FLAG_AUDITED = 16;

/** `struct sg_event` of bpf/abi.h as values, with the packet that follows it. */
export interface DatapathEvent {
  readonly type: 1 | 4 | 5;
  readonly subtype: number;
  readonly isReply: boolean;
  readonly replyKnown: boolean;
  readonly ipv6: boolean;
  readonly proxyLeg: boolean;
  /** Policy says no, and lets it pass: the endpoint is in audit mode. */
  readonly audited: boolean;
  readonly direction: number;
  readonly endpoint: number;
  readonly destinationEndpoint: number;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly ifindex: number;
  readonly hash: number;
  readonly originalLength: number;
  readonly ctStatus: number;
  readonly matchType: number;
  readonly verdict: number;
  readonly cookie: number;
  readonly revision: number;
  /** Where in the datapath's source a packet was dropped: the file's name, empty = not known, and the line, 0 = not known. */
  readonly sourceFile: string;
  readonly sourceLine: number;
  /** The processor that saw the packet. */
  readonly cpu: number;
  /** Nanoseconds of CLOCK_MONOTONIC. */
  readonly monotonicNs: bigint;
  /** Source address before translation, empty = none. */
  readonly originalAddress: string;
  /** The captured bytes from the Ethernet header on; a view into the input. */
  readonly packet: Uint8Array;
}

function isKnownType(type: number): type is DatapathEvent["type"] {
  return type === EventType.Drop || type === EventType.Trace || type === EventType.PolicyVerdict;
}

/**
 * Reads an event. Returns undefined when the bytes are shorter than the header or of a type we never write; a packet
 * shorter than it claims is given as far as it goes.
 */
export function decodeEvent(bytes: Uint8Array): DatapathEvent | undefined {
  if (bytes.byteLength < EVENT_HEADER_LENGTH) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = view.getUint8(0);
  if (!isKnownType(type)) return undefined;
  const flags = view.getUint8(2);
  const captured = Math.min(view.getUint8(28), bytes.byteLength - EVENT_HEADER_LENGTH);
  return {
    type,
    subtype: view.getUint8(1),
    isReply: (flags & FLAG_REPLY) !== 0,
    replyKnown: (flags & FLAG_REPLY_KNOWN) !== 0,
    ipv6: (flags & FLAG_IPV6) !== 0,
    proxyLeg: (flags & FLAG_PROXY_LEG) !== 0,
    audited: (flags & FLAG_AUDITED) !== 0,
    direction: view.getUint8(3),
    endpoint: view.getUint16(4, true),
    destinationEndpoint: view.getUint16(6, true),
    sourceIdentity: view.getUint32(8, true),
    destinationIdentity: view.getUint32(12, true),
    ifindex: view.getUint32(16, true),
    hash: view.getUint32(20, true),
    originalLength: view.getUint32(24, true),
    ctStatus: view.getUint8(30),
    matchType: view.getUint8(31),
    verdict: view.getInt32(32, true),
    cookie: view.getUint32(36, true),
    revision: view.getUint32(40, true),
    sourceFile: SOURCE_FILES[view.getUint8(29) - 1] ?? "",
    sourceLine: view.getUint16(44, true),
    cpu: view.getUint16(46, true),
    monotonicNs: view.getBigUint64(48, true),
    originalAddress: mappedAddressText(view, 56),
    packet: bytes.subarray(EVENT_HEADER_LENGTH, EVENT_HEADER_LENGTH + captured),
  };
}
