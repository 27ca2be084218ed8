import type { Socket } from "node:net";
import { FrameFlag, FrameType, word } from "../../src/wire/http2-frame.ts";

export { CLIENT_PREFACE as PREFACE, FrameType } from "../../src/wire/http2-frame.ts";

export const END_STREAM = FrameFlag.EndStream;
const END_HEADERS = FrameFlag.EndHeaders;

/** A frame that came. */
interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.set([type, flags], 3);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A number of 32 bits as a payload. */
export function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** SETTINGS with these entries: identifier and value in turn. */
export function settings(...entries: readonly number[]): Uint8Array {
  const payload = Buffer.alloc(entries.length * 3);
  for (let at = 0; at < entries.length; at += 2) {
    payload.writeUInt16BE(entries[at]!, at * 3);
    payload.writeUInt32BE(entries[at + 1]!, at * 3 + 2);
  }
  return frame(FrameType.Settings, 0, 0, payload);
}

/** A header block of literal fields that leave no trace in the table (RFC 7541, 6.2.2). */
export function block(...section: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < section.length; at += 2) {
    parts.push(Buffer.from([0]), text(section[at]!), text(section[at + 1]!));
  }
  return Buffer.concat(parts);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** A request's pseudo-header fields. */
export function asking(method: string, path: string, host = "deathstar"): string[] {
  return [":method", method, ":scheme", "http", ":authority", host, ":path", path];
}

/** HEADERS of a whole section. */
export function headers(stream: number, section: readonly string[], flags: number = END_STREAM): Uint8Array {
  return frame(FrameType.Headers, flags | END_HEADERS, stream, block(...section));
}

/** A connection on which frames are sent and received as they are. */
export class FrameConnection {
  readonly received: Frame[] = [];
  readonly socket: Socket;
  ended = false;
  private held = Buffer.alloc(0);
  private skipped: number;

  /** `skipped`: bytes that come before the first frame, a client's preface. */
  constructor(socket: Socket, skipped = 0) {
    this.socket = socket;
    this.skipped = skipped;
    socket.on("data", (chunk: Buffer) => this.take(chunk));
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.ended = true;
      });
    }
  }

  send(...parts: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** Frames of a type, of one stream where that is given. */
  of(type: number, stream?: number): Frame[] {
    return this.received.filter((one) => one.type === type && (stream === undefined || one.stream === stream));
  }

  /** The code of the GOAWAY that came, undefined when none did. */
  get goaway(): number | undefined {
    const payload = this.of(FrameType.Goaway)[0]?.payload;
    return payload === undefined ? undefined : word(payload, 4);
  }

  /** The code of the RST_STREAM that came for a stream. */
  reset(stream: number): number | undefined {
    const payload = this.of(FrameType.RstStream, stream)[0]?.payload;
    return payload === undefined ? undefined : word(payload, 0);
  }

  private take(chunk: Buffer): void {
    const skip = Math.min(this.skipped, chunk.length);
    this.skipped -= skip;
    this.held = Buffer.concat([this.held, chunk.subarray(skip)]);
    while (this.held.length >= 9) {
      const length = this.held.readUIntBE(0, 3);
      if (this.held.length < 9 + length) return;
      const [type, flags] = [this.held[3]!, this.held[4]!];
      const stream = this.held.readUInt32BE(5) & 0x7fffffff;
      this.received.push({ type, flags, stream, payload: Buffer.from(this.held.subarray(9, 9 + length)) });
      this.held = this.held.subarray(9 + length);
    }
  }
}
