import { HTTP2_LIMITS } from "../proxy/http2-limits.ts";
import { isFault } from "../wire/http-head.ts";
import { CLIENT_PREFACE, FRAME_HEAD, FRAME_SIZE, FrameType, MAX_WINDOW, word } from "../wire/http2-frame.ts";
import { HeaderBlockReader } from "../wire/http2-header-block.ts";
import { readHttp2Request } from "../wire/http2-request.ts";
import type { HeardRequest, StreamReader, Unread } from "./overheard-stream.ts";

/**
 * Reads the requests that a client of HTTP/2 sends, from its preface on: header blocks build on all that came before (RFC 7541), so
 * that a connection can be read from its first byte or not at all. Bodies may be missing; a piece of anything else ends the reading.
 */
export class Http2Overheard implements StreamReader {
  isOver = false;
  readonly isHolding = true;
  private readonly blocks = new HeaderBlockReader(HTTP2_LIMITS.headerFields, HTTP2_LIMITS.headerBytes);
  private readonly head = new Uint8Array(FRAME_HEAD);
  private headBytes = 0;
  /** Of a frame that is read; undefined = of none. */
  private payload: Uint8Array | undefined;
  private payloadBytes = 0;
  /** Bytes that do not matter and are still to come. */
  private skipped = CLIENT_PREFACE.length;
  /** The latest that the client began. */
  private lastStream = 0;

  push(bytes: Uint8Array, missing: number, heard: (request: HeardRequest) => void): Unread | undefined {
    let unread: Unread | undefined;
    for (let at = 0; at < bytes.length && !this.isOver; ) {
      if (this.skipped > 0) {
        const length = Math.min(this.skipped, bytes.length - at);
        this.skipped -= length;
        at += length;
      } else if (this.payload !== undefined) {
        const part = bytes.subarray(at, at + this.payload.length - this.payloadBytes);
        this.payload.set(part, this.payloadBytes);
        this.payloadBytes += part.length;
        at += part.length;
      } else {
        this.head[this.headBytes++] = bytes[at++]!;
        if (this.headBytes === FRAME_HEAD && !this.begin()) return this.end("strange");
      }
      if (this.payload?.length === this.payloadBytes) unread = this.complete(this.payload, heard) ?? unread;
    }
    return this.isOver || missing === 0 ? unread : (this.miss(missing) ?? unread);
  }

  private miss(bytes: number): Unread | undefined {
    if (bytes > this.skipped) return this.end("cut");
    this.skipped -= bytes;
    return undefined;
  }

  /** A frame's head is there. False when it is longer than allowed. */
  private begin(): boolean {
    const length = word(this.head, 0) >>> 8;
    const type = this.head[3]!;
    const isRead = type === FrameType.Headers || type === FrameType.Continuation || this.blocks.isOpen;
    this.headBytes = 0;
    if (!isRead) this.skipped = length;
    else if (length > FRAME_SIZE) return false;
    else this.payload = new Uint8Array(length);
    this.payloadBytes = 0;
    return true;
  }

  private complete(bytes: Uint8Array, heard: (request: HeardRequest) => void): Unread | undefined {
    const [type, flags] = [this.head[3]!, this.head[4]!];
    const stream = word(this.head, 5) & MAX_WINDOW;
    this.payload = undefined;
    if (!this.blocks.isOpen && (type === FrameType.Continuation || stream % 2 === 0)) return this.end("strange");
    const section = this.blocks.add({ type, flags, stream, bytes, from: 0, to: bytes.length });
    if (section === undefined) return undefined;
    if ("reason" in section) return this.end("strange");
    // what a body ends with
    if (this.blocks.stream <= this.lastStream) return undefined;
    this.lastStream = this.blocks.stream;
    const request = section.tooLarge ? undefined : readHttp2Request(section.section, this.blocks.ended);
    if (request === undefined || isFault(request)) return "strange";
    const { method, host, path, fields } = request;
    heard({ protocol: "HTTP/2", method, url: `http://${host}${path}`, headers: fields });
    return undefined;
  }

  private end(reason: Unread): Unread {
    this.isOver = true;
    return reason;
  }
}
