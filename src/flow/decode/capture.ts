import type { Direction } from "../../model/verdict.ts";
import { EVENT_HEADER_LENGTH, EventDirection, EventType } from "./event.ts";

/** A packet of a watched port (`SG_EVENT_CAPTURE` of bpf/abi.h), which policy let through without a proxy. */
export interface CapturedPacket {
  readonly direction: Direction;
  /** Whose port it is: the receiver's at ingress, the sender's at egress. */
  readonly endpoint: number;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  /** Nanoseconds of CLOCK_MONOTONIC. */
  readonly monotonicNs: bigint;
  /** Of the packet, in bytes: more than what is here where it is cut off. */
  readonly originalLength: number;
  /** From the Ethernet header on; a view into the input. */
  readonly packet: Uint8Array;
}

export function isCapture(bytes: Uint8Array): boolean {
  return bytes[0] === EventType.Capture;
}

/** Reads the event; undefined when it is shorter than its header. */
export function decodeCapture(bytes: Uint8Array): CapturedPacket | undefined {
  if (bytes.byteLength < EVENT_HEADER_LENGTH) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Math.min(view.getUint16(44, true), bytes.byteLength - EVENT_HEADER_LENGTH);
  return {
    direction: view.getUint8(3) === EventDirection.Ingress ? "ingress" : "egress",
    endpoint: view.getUint16(4, true),
    sourceIdentity: view.getUint32(8, true),
    destinationIdentity: view.getUint32(12, true),
    monotonicNs: view.getBigUint64(48, true),
    originalLength: view.getUint32(24, true),
    packet: bytes.subarray(EVENT_HEADER_LENGTH, EVENT_HEADER_LENGTH + length),
  };
}
