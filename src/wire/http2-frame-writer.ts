import { FRAME_HEAD, FRAME_SIZE, FrameFlag, FrameType } from "./http2-frame.ts";
import { latin1Bytes } from "./latin1.ts";

/** A buffer at first; what a turn writes seldom takes more. */
const BUFFER_BYTES = 64 * 1024;
/** Buffers that wait for their next use, of whatever connection. */
const MOST_SPARE = 8;
const spare: Uint8Array[] = [];
const NO_BYTES: Uint8Array = new Uint8Array();
/** Shorter ones are copied byte by byte, for a call costs more than they do. */
const SHORT = 64;

/**
 * Frames for one peer, one after the other in one buffer, until they are taken: all that is written meanwhile leaves as one,
 * and no frame is an object.
 */
export class FrameWriter {
  /** Bytes that wait to be taken. */
  length = 0;
  private bytes = NO_BYTES;
  private readonly begun: () => void;

  /** `begun` is called when the first bytes come, and again with the first ones after all were taken. */
  constructor(begun: () => void) {
    this.begun = begun;
  }

  /** Gives all that waits to `write`, whose it is during the call only. */
  take(write: (bytes: Uint8Array) => void): void {
    const { bytes, length } = this;
    this.bytes = NO_BYTES;
    this.length = 0;
    if (length > 0) write(bytes.subarray(0, length));
    if (bytes.length === BUFFER_BYTES && spare.length < MOST_SPARE) spare.push(bytes);
  }

  /** Bytes that are no frame: a client's preface. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.copy(bytes, 0, bytes.length);
  }

  data(stream: number, bytes: Uint8Array, from: number, to: number, ended: boolean): void {
    this.head(FrameType.Data, ended ? FrameFlag.EndStream : 0, stream, to - from);
    this.copy(bytes, from, to);
  }

  /** HEADERS, and CONTINUATIONs where the block is long. */
  headers(stream: number, block: Uint8Array, ended: boolean): void {
    const end = ended ? FrameFlag.EndStream : 0;
    for (let at = 0; at === 0 || at < block.length; at += FRAME_SIZE) {
      const to = Math.min(block.length, at + FRAME_SIZE);
      const last = to === block.length ? FrameFlag.EndHeaders : 0;
      if (at === 0) this.head(FrameType.Headers, last | end, stream, to);
      else this.head(FrameType.Continuation, last, stream, to - at);
      this.copy(block, at, to);
    }
  }

  reset(stream: number, code: number): void {
    this.head(FrameType.RstStream, 0, stream, 4);
    this.word(code);
  }

  window(stream: number, increment: number): void {
    this.head(FrameType.WindowUpdate, 0, stream, 4);
    this.word(increment);
  }

  settings(entries: readonly (readonly [identifier: number, value: number])[]): void {
    this.head(FrameType.Settings, 0, 0, entries.length * 6);
    for (const [identifier, value] of entries) {
      this.bytes[this.length++] = identifier >>> 8;
      this.bytes[this.length++] = identifier;
      this.word(value);
    }
  }

  settingsAck(): void {
    this.head(FrameType.Settings, FrameFlag.Ack, 0, 0);
  }

  /** Answers a PING with its own eight bytes. */
  pingAck(bytes: Uint8Array, from: number): void {
    this.head(FrameType.Ping, FrameFlag.Ack, 0, 8);
    this.copy(bytes, from, from + 8);
  }

  /** `reason` is for those who read traces. */
  goaway(lastStream: number, code: number, reason: string): void {
    this.head(FrameType.Goaway, 0, 0, 8 + reason.length);
    this.word(lastStream);
    this.word(code);
    this.copy(latin1Bytes(reason), 0, reason.length);
  }

  /** Makes room for the whole frame. */
  private head(type: number, flags: number, stream: number, length: number): void {
    this.reserve(FRAME_HEAD + length);
    const { bytes } = this;
    bytes[this.length++] = length >>> 16;
    bytes[this.length++] = length >>> 8;
    bytes[this.length++] = length;
    bytes[this.length++] = type;
    bytes[this.length++] = flags;
    this.word(stream);
  }

  private word(value: number): void {
    const { bytes } = this;
    bytes[this.length++] = value >>> 24;
    bytes[this.length++] = value >>> 16;
    bytes[this.length++] = value >>> 8;
    bytes[this.length++] = value;
  }

  private copy(source: Uint8Array, from: number, to: number): void {
    if (to - from > SHORT) {
      this.bytes.set(source.subarray(from, to), this.length);
      this.length += to - from;
      return;
    }
    const { bytes } = this;
    for (let at = from; at < to; at++) bytes[this.length++] = source[at]!;
  }

  private reserve(size: number): void {
    const needed = this.length + size;
    if (needed > this.bytes.length) {
      const grown =
        this.length === 0 && needed <= BUFFER_BYTES
          ? (spare.pop() ?? new Uint8Array(BUFFER_BYTES))
          : new Uint8Array(Math.max(needed, 2 * this.bytes.length));
      if (this.length > 0) grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
    }
    if (this.length === 0) this.begun();
  }
}
