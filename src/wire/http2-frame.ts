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
const FRAME_HEAD = 9;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  /** 0 = the connection. */
  readonly stream: number;
  readonly payload: Uint8Array;
}

/** The nine bytes before a payload. */
export function frameHead(type: number, flags: number, stream: number, length: number): Uint8Array {
  const head = new Uint8Array(FRAME_HEAD);
  const view = new DataView(head.buffer);
  view.setUint32(0, length * 256 + type);
  head[4] = flags;
  view.setUint32(5, stream);
  return head;
}

export function frameBytes(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEAD + payload.length);
  bytes.set(frameHead(type, flags, stream, payload.length));
  bytes.set(payload, FRAME_HEAD);
  return bytes;
}

/** Numbers of 32 bits as a payload. */
export function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of values.entries()) view.setUint32(at * 4, value);
  return bytes;
}

/** The number of 32 bits at a place of a payload. */
export function word(payload: Uint8Array, at: number): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(at);
}

/** SETTINGS of identifiers and values. */
export function settingsFrame(settings: readonly (readonly [identifier: number, value: number])[]): Uint8Array {
  const payload = new Uint8Array(settings.length * 6);
  const view = new DataView(payload.buffer);
  for (const [at, [identifier, value]] of settings.entries()) {
    view.setUint16(at * 6, identifier);
    view.setUint32(at * 6 + 2, value);
  }
  return frameBytes(FrameType.Settings, 0, 0, payload);
}

/** GOAWAY; `reason` is for those who read traces. */
export function goawayFrame(lastStream: number, code: number, reason: string): Uint8Array {
  const payload = new Uint8Array(8 + reason.length);
  payload.set(words(lastStream, code));
  payload.set(latin1Bytes(reason), 8);
  return frameBytes(FrameType.Goaway, 0, 0, payload);
}

/** Cuts bytes that come in pieces into frames. A payload is part of the piece where it came whole in one. */
export class FrameReader {
  private held: Uint8Array | undefined;

  /** Gives each frame to `take`, until that says false; undefined when a frame is longer than allowed. */
  push(chunk: Uint8Array, take: (frame: Frame) => boolean): boolean {
    const bytes = this.held === undefined ? chunk : join(this.held, chunk);
    this.held = undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (bytes.length - at >= FRAME_HEAD) {
      const length = view.getUint32(at) >>> 8;
      if (length > FRAME_SIZE) return false;
      const end = at + FRAME_HEAD + length;
      if (end > bytes.length) break;
      const stream = view.getUint32(at + 5) & MAX_WINDOW;
      const payload = bytes.subarray(at + FRAME_HEAD, end);
      if (!take({ type: bytes[at + 3]!, flags: bytes[at + 4]!, stream, payload })) return true;
      at = end;
    }
    // a copy, because the chunk may be large and what is held of it little
    if (at < bytes.length) this.held = bytes.slice(at);
    return true;
  }
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
