import { latin1Bytes } from "./latin1.ts";

/** Types of frames (RFC 9113, 6). */
export const FrameType = {
  Data: 0,
  Headers: 1,
  Priority: 2,
  RstStream: 3,
  Settings: 4,
  PushPromise: 5,
  Ping: 6,
  Goaway: 7,
  WindowUpdate: 8,
  Continuation: 9,
} as const;

export const FrameFlag = { EndStream: 1, Ack: 1, EndHeaders: 4, Padded: 8, Priority: 0x20 } as const;

/** RFC 9113, 7. */
export const ErrorCode = {
  None: 0,
  Protocol: 1,
  Internal: 2,
  FlowControl: 3,
  StreamClosed: 5,
  FrameSize: 6,
  RefusedStream: 7,
  Cancel: 8,
  Compression: 9,
  EnhanceYourCalm: 11,
} as const;

/** RFC 9113, 6.5.2. */
export const Setting = {
  HeaderTableSize: 1,
  EnablePush: 2,
  MaxConcurrentStreams: 3,
  InitialWindowSize: 4,
  MaxFrameSize: 5,
  MaxHeaderListSize: 6,
} as const;

/** What a client sends first (RFC 9113, 3.4). */
export const CLIENT_PREFACE = latin1Bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Longest payload of a frame that either side may send before it is told otherwise. */
export const FRAME_SIZE = 16_384;
export const INITIAL_WINDOW = 65_535;
export const MAX_WINDOW = 2 ** 31 - 1;
/** Bytes before a payload. */
export const FRAME_HEAD = 9;

/** A frame while it is looked at, no longer: its payload is `bytes` from `from` to `to`. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  /** 0 = the connection. */
  readonly stream: number;
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}

/** The number of 32 bits at a place. */
export function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
