/** Fewest bytes of a message: its header. */
const MIN_MESSAGE = 12;

/**
 * DNS messages out of a TCP stream, each with its length of two bytes before it (RFC 7766, 8), from chunks cut anywhere.
 * Holds one message at most. After a length that no message has, the stream has failed and gives nothing more.
 */
export class DnsStreamReader {
  failed = false;
  private high: number | undefined;
  private message: Uint8Array | undefined;
  private filled = 0;

  /** The messages that the chunk completes, in their order. They may be views of it. */
  push(chunk: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    for (let at = 0; at < chunk.length && !this.failed; ) {
      if (this.message === undefined) {
        at = this.readLength(chunk, at);
        continue;
      }
      const missing = this.message.length - this.filled;
      const part = chunk.subarray(at, at + missing);
      at += part.length;
      if (part.length < missing) {
        this.message.set(part, this.filled);
        this.filled += part.length;
        continue;
      }
      if (this.filled === 0) messages.push(part);
      else {
        this.message.set(part, this.filled);
        messages.push(this.message);
      }
      this.message = undefined;
    }
    return messages;
  }

  /** True between messages: a stream that ends here has lost none. */
  get atBoundary(): boolean {
    return this.high === undefined && this.message === undefined;
  }

  private readLength(chunk: Uint8Array, at: number): number {
    if (this.high === undefined) {
      this.high = chunk[at]!;
      return at + 1;
    }
    const length = (this.high << 8) | chunk[at]!;
    this.high = undefined;
    if (length < MIN_MESSAGE) this.failed = true;
    else {
      this.message = new Uint8Array(length);
      this.filled = 0;
    }
    return at + 1;
  }
}

/** The message with its length before it. It must have 65,535 bytes at most, as every message does. */
export function dnsFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(message.length + 2);
  frame[0] = message.length >> 8;
  frame[1] = message.length & 255;
  frame.set(message, 2);
  return frame;
}
