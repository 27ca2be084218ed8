/**
 * SPDY/3.1 frames, as far as streams over an upgraded connection need them. Header blocks stay compressed here: their
 * compression has a memory that lasts as long as the connection. Source: SPDY protocol draft 3.1, section 2.
 */
import { concatBytes } from "./spdy-bytes.ts";

export type SpdyFrame =
  | { readonly type: "data"; readonly streamId: number; readonly fin: boolean; readonly bytes: Uint8Array }
  | { readonly type: "syn-stream"; readonly streamId: number; readonly fin: boolean; readonly headerBlock: Uint8Array }
  | {
      readonly type: "syn-reply" | "headers";
      readonly streamId: number;
      readonly fin: boolean;
      readonly headerBlock: Uint8Array;
    }
  | { readonly type: "reset"; readonly streamId: number; readonly status: number }
  | { readonly type: "ping"; readonly id: number }
  | { readonly type: "go-away" }
  /** SETTINGS, WINDOW_UPDATE and what is unknown: nothing follows from them here. */
  | { readonly type: "other"; readonly code: number };

export class SpdyError extends Error {}

const VERSION = 3;
const HEAD_BYTES = 8;
const FIN = 1;
const CODE = { synStream: 1, synReply: 2, reset: 3, ping: 6, goAway: 7, headers: 8 } as const;
const ID_MASK = 0x7fffffff;
/** Larger than any client's frame (kubectl's are 32 KiB); a frame beyond is an attack or not SPDY. */
const FRAME_LIMIT = 4 * 1024 * 1024;

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function need(body: Uint8Array, length: number): void {
  if (body.length < length) throw new SpdyError(`frame of ${body.length} bytes is shorter than ${length}`);
}

function controlFrame(code: number, flags: number, body: Uint8Array): SpdyFrame {
  const fields = view(body);
  const fin = (flags & FIN) !== 0;
  if (code === CODE.synStream) {
    need(body, 10);
    return { type: "syn-stream", streamId: fields.getUint32(0) & ID_MASK, fin, headerBlock: body.subarray(10) };
  }
  if (code === CODE.synReply || code === CODE.headers) {
    need(body, 4);
    const type = code === CODE.synReply ? "syn-reply" : "headers";
    return { type, streamId: fields.getUint32(0) & ID_MASK, fin, headerBlock: body.subarray(4) };
  }
  if (code === CODE.reset) {
    need(body, 8);
    return { type: "reset", streamId: fields.getUint32(0) & ID_MASK, status: fields.getUint32(4) };
  }
  if (code === CODE.ping) {
    need(body, 4);
    return { type: "ping", id: fields.getUint32(0) };
  }
  return code === CODE.goAway ? { type: "go-away" } : { type: "other", code };
}

/** Cuts a byte stream into frames. Bytes may come in any portions. */
export class SpdyFrameReader {
  #rest: Uint8Array = new Uint8Array(0);

  /** The frames that `bytes` complete. Throws SpdyError for what is not SPDY/3. */
  push(bytes: Uint8Array): SpdyFrame[] {
    const all = this.#rest.length === 0 ? bytes : concatBytes(this.#rest, bytes);
    const fields = view(all);
    const frames: SpdyFrame[] = [];
    let at = 0;
    while (all.length - at >= HEAD_BYTES) {
      const first = fields.getUint32(at);
      const second = fields.getUint32(at + 4);
      const length = second & 0xffffff;
      if (length > FRAME_LIMIT) throw new SpdyError(`frame of ${length} bytes is longer than ${FRAME_LIMIT}`);
      if (all.length - at - HEAD_BYTES < length) break;
      const body = all.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
      frames.push(frameOf(first, second >>> 24, body));
      at += HEAD_BYTES + length;
    }
    this.#rest = all.slice(at);
    return frames;
  }
}

function frameOf(first: number, flags: number, body: Uint8Array): SpdyFrame {
  const control = first >>> 31 === 1;
  if (!control) return { type: "data", streamId: first & ID_MASK, fin: (flags & FIN) !== 0, bytes: body };
  const version = (first >>> 16) & 0x7fff;
  if (version !== VERSION) throw new SpdyError(`control frame of SPDY version ${version}, not ${VERSION}`);
  return controlFrame(first & 0xffff, flags, body);
}

function encode(first: number, flags: number, body: Uint8Array): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  view(head).setUint32(0, first >>> 0);
  view(head).setUint32(4, ((flags << 24) | body.length) >>> 0);
  return concatBytes(head, body);
}

function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  for (const [index, value] of values.entries()) view(bytes).setUint32(index * 4, value >>> 0);
  return bytes;
}

const controlHead = (code: number): number => ((0x8000 | VERSION) << 16) | code;

/** A data frame; `fin` ends our side of the stream. `bytes` at most 16 MiB - 1. */
export function encodeData(streamId: number, fin: boolean, bytes: Uint8Array): Uint8Array {
  return encode(streamId, fin ? FIN : 0, bytes);
}

export function encodeSynStream(streamId: number, fin: boolean, headerBlock: Uint8Array): Uint8Array {
  return encode(
    controlHead(CODE.synStream),
    fin ? FIN : 0,
    concatBytes(words(streamId, 0), new Uint8Array(2), headerBlock),
  );
}

export function encodeSynReply(streamId: number, fin: boolean, headerBlock: Uint8Array): Uint8Array {
  return encode(controlHead(CODE.synReply), fin ? FIN : 0, concatBytes(words(streamId), headerBlock));
}

export function encodePing(id: number): Uint8Array {
  return encode(controlHead(CODE.ping), 0, words(id));
}

export function encodeReset(streamId: number, status: number): Uint8Array {
  return encode(controlHead(CODE.reset), 0, words(streamId, status));
}

export function encodeGoAway(lastStreamId: number): Uint8Array {
  return encode(controlHead(CODE.goAway), 0, words(lastStreamId, 0));
}
