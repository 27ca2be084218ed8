import { copyOf } from "./latin1.ts";

/** Pieces are joined up to so many bytes. */
const SMALL = 4096;

/**
 * Bytes that wait for their reader. They are copied, so that they keep no chunk that they came in, and small pieces share their
 * memory: who sends one byte at a time must not cost an object each.
 */
export class ByteQueue {
  private pieces: Uint8Array[] = [];
  /** Bytes of the last piece that are in use. */
  private used = 0;
  private waiting = 0;

  get length(): number {
    return this.waiting;
  }

  /** Takes a copy of the bytes from `from` on. */
  push(bytes: Uint8Array, from: number): void {
    const length = bytes.length - from;
    if (length === 0) return;
    this.waiting += length;
    const last = this.pieces.at(-1);
    if (last === undefined || this.used + length > SMALL) {
      if (last !== undefined) this.pieces[this.pieces.length - 1] = last.subarray(0, this.used);
      this.pieces.push(copyOf(bytes, from, bytes.length));
      this.used = length;
      return;
    }
    let room = last;
    if (this.used + length > last.length) {
      room = new Uint8Array(Math.min(SMALL, 2 * (this.used + length)));
      room.set(last.subarray(0, this.used));
      this.pieces[this.pieces.length - 1] = room;
    }
    room.set(bytes.subarray(from), this.used);
    this.used += length;
  }

  /** The next bytes, at most `limit`, no more than lie together; none only when none wait or the limit is 0. */
  take(limit: number): Uint8Array {
    const first = this.pieces[0];
    if (first === undefined) return new Uint8Array();
    const isLast = this.pieces.length === 1;
    const filled = isLast ? this.used : first.length;
    const length = Math.min(filled, limit);
    if (length === filled) this.pieces.shift();
    else this.pieces[0] = first.subarray(length);
    if (isLast) this.used -= length;
    this.waiting -= length;
    return first.subarray(0, length);
  }

  clear(): void {
    this.pieces = [];
    this.used = 0;
    this.waiting = 0;
  }
}
