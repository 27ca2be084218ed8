import { FRAME_HEAD, FRAME_SIZE, type Frame, MAX_WINDOW, word } from "./http2-frame.ts";

/** A frame that came in pieces is put together in a buffer that grows with it, from so many bytes. */
const FIRST_HELD = 64;

/** Cuts bytes that come in pieces into frames, and copies those only that did not come whole. */
export class FrameReader {
  private held: Uint8Array | undefined;
  private heldBytes = 0;
  private readonly frame = { type: 0, flags: 0, stream: 0, bytes: new Uint8Array() as Uint8Array, from: 0, to: 0 };

  /**
   * Gives each frame of the chunk from `start` on to `take`, until that says false; false when a frame is longer than
   * allowed. A frame is the same object each time, and valid within `take` only.
   */
  push(chunk: Uint8Array, start: number, take: (frame: Frame) => boolean): boolean {
    let at = start;
    if (this.heldBytes > 0) {
      at = this.hold(chunk, at, FRAME_HEAD);
      if (this.heldBytes < FRAME_HEAD) return true;
      const length = lengthOf(this.held!, 0);
      if (length > FRAME_SIZE) return false;
      at = this.hold(chunk, at, FRAME_HEAD + length);
      if (this.heldBytes < FRAME_HEAD + length) return true;
      const whole = this.held!;
      this.held = undefined;
      this.heldBytes = 0;
      if (!take(this.frameAt(whole, 0, length))) return true;
    }
    while (chunk.length - at >= FRAME_HEAD) {
      const length = lengthOf(chunk, at);
      if (length > FRAME_SIZE) return false;
      const end = at + FRAME_HEAD + length;
      if (end > chunk.length) break;
      if (!take(this.frameAt(chunk, at, length))) return true;
      at = end;
    }
    if (at < chunk.length) this.hold(chunk, at, chunk.length - at);
    return true;
  }

  private frameAt(bytes: Uint8Array, at: number, length: number): Frame {
    const { frame } = this;
    frame.type = bytes[at + 3]!;
    frame.flags = bytes[at + 4]!;
    frame.stream = word(bytes, at + 5) & MAX_WINDOW;
    frame.bytes = bytes;
    frame.from = at + FRAME_HEAD;
    frame.to = frame.from + length;
    return frame;
  }

  /** Adds to what is held, until that is `wanted` bytes; where the chunk goes on. */
  private hold(chunk: Uint8Array, at: number, wanted: number): number {
    const taken = Math.max(0, Math.min(wanted - this.heldBytes, chunk.length - at));
    const needed = this.heldBytes + taken;
    if (this.held === undefined || this.held.length < needed) {
      const grown = new Uint8Array(Math.max(needed, FIRST_HELD, 2 * this.heldBytes));
      if (this.held !== undefined) grown.set(this.held.subarray(0, this.heldBytes));
      this.held = grown;
    }
    this.held.set(chunk.subarray(at, at + taken), this.heldBytes);
    this.heldBytes = needed;
    return at + taken;
  }
}

function lengthOf(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}
