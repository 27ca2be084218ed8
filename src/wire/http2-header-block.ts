import { type HeaderSection, HpackDecoder } from "./hpack-decoder.ts";
import { ErrorCode, type Frame, FrameFlag, FrameType } from "./http2-frame.ts";
import { copyOf } from "./latin1.ts";

/** A header section may come in so many frames (CVE-2024-27316). */
const MAX_FRAGMENTS = 16;

/** Why the connection cannot go on. */
export interface BlockFault {
  readonly code: number;
  readonly reason: string;
}

/** Puts the header blocks of a connection together, of HEADERS and its CONTINUATIONs, and reads them (RFC 9113, 4.3). */
export class HeaderBlockReader {
  /** Of the block that is open, or was complete last. */
  stream = 0;
  ended = false;
  /** The next frame must go on with the block. */
  isOpen = false;
  private readonly decoder: HpackDecoder;
  private readonly maxBytes: number;
  private fragments: Uint8Array[] = [];
  private length = 0;

  constructor(maxFields: number, maxBytes: number) {
    this.decoder = new HpackDecoder(maxFields, maxBytes);
    this.maxBytes = maxBytes;
  }

  /** Takes HEADERS, or whatever frame comes while a block is open. Undefined: more of the block has to come. */
  add(frame: Frame): HeaderSection | BlockFault | undefined {
    const { bytes } = frame;
    let { from, to } = frame;
    if (!this.isOpen) {
      this.isOpen = true;
      this.stream = frame.stream;
      this.ended = (frame.flags & FrameFlag.EndStream) !== 0;
      const padding = paddingOf(frame);
      if (padding < 0) return fault(ErrorCode.Protocol, "padding that is too long");
      if (padding > 0) {
        from++;
        to -= padding - 1;
      }
      if ((frame.flags & FrameFlag.Priority) !== 0) {
        if (to - from < 5) return fault(ErrorCode.FrameSize, "priority that is cut off");
        from += 5;
      }
    } else if (frame.type !== FrameType.Continuation || frame.stream !== this.stream) {
      return fault(ErrorCode.Protocol, "header section that is interrupted");
    }
    this.length += to - from;
    if (this.length > this.maxBytes || this.fragments.length === MAX_FRAGMENTS) {
      return fault(ErrorCode.EnhanceYourCalm, "header section that is too long");
    }
    if ((frame.flags & FrameFlag.EndHeaders) !== 0) return this.complete(bytes, from, to);
    this.fragments.push(copyOf(bytes, from, to));
    return undefined;
  }

  private complete(bytes: Uint8Array, from: number, to: number): HeaderSection | BlockFault {
    const head =
      this.fragments.length === 0
        ? this.decoder.decode(bytes, from, to)
        : this.decoder.decode(this.join(bytes.subarray(from, to)), 0, this.length);
    this.isOpen = false;
    this.fragments = [];
    this.length = 0;
    return head ?? fault(ErrorCode.Compression, "header section that cannot be read");
  }

  private join(last: Uint8Array): Uint8Array {
    const block = new Uint8Array(this.length);
    let at = 0;
    for (const part of [...this.fragments, last]) {
      block.set(part, at);
      at += part.length;
    }
    return block;
  }
}

/** Bytes of a payload that are padding or say how long it is, 0 where there is none; -1 when they are more than the payload (RFC 9113, 6.1). */
export function paddingOf({ flags, bytes, from, to }: Frame): number {
  if ((flags & FrameFlag.Padded) === 0) return 0;
  if (from === to) return -1;
  const padding = bytes[from]!;
  return padding >= to - from ? -1 : padding + 1;
}

function fault(code: number, reason: string): BlockFault {
  return { code, reason };
}
