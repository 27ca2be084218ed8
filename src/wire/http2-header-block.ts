import { type HeaderSection, HpackDecoder } from "./hpack-decoder.ts";
import { ErrorCode, type Frame, FrameFlag, FrameType } from "./http2-frame.ts";

/** A header section may come in so many frames (CVE-2024-27316). */
const MAX_FRAGMENTS = 16;

/** What a frame means to the header block that it belongs to. */
export type BlockProgress =
  | { readonly state: "more" }
  | { readonly state: "section"; readonly stream: number; readonly head: HeaderSection; readonly ended: boolean }
  /** The connection cannot go on. */
  | { readonly state: "fault"; readonly code: number; readonly reason: string };

/** Puts the header blocks of a connection together, of HEADERS and its CONTINUATIONs, and reads them (RFC 9113, 4.3). */
export class HeaderBlockReader {
  private readonly decoder: HpackDecoder;
  private readonly maxBytes: number;
  private open: { readonly stream: number; readonly ended: boolean } | undefined;
  private fragments: Uint8Array[] = [];
  private length = 0;

  constructor(maxFields: number, maxBytes: number) {
    this.decoder = new HpackDecoder(maxFields, maxBytes);
    this.maxBytes = maxBytes;
  }

  /** The next frame must go on with the block. */
  get isOpen(): boolean {
    return this.open !== undefined;
  }

  /** Takes HEADERS, or whatever frame comes while a block is open. */
  add(frame: Frame): BlockProgress {
    let fragment = frame.payload;
    if (this.open === undefined) {
      this.open = { stream: frame.stream, ended: (frame.flags & FrameFlag.EndStream) !== 0 };
      const body = unpadded(frame);
      if (body === undefined) return fault(ErrorCode.Protocol, "padding that is too long");
      const hasPriority = (frame.flags & FrameFlag.Priority) !== 0;
      if (hasPriority && body.length < 5) return fault(ErrorCode.FrameSize, "priority that is cut off");
      fragment = hasPriority ? body.subarray(5) : body;
    } else if (frame.type !== FrameType.Continuation || frame.stream !== this.open.stream) {
      return fault(ErrorCode.Protocol, "header section that is interrupted");
    }
    this.length += fragment.length;
    if (this.length > this.maxBytes || this.fragments.length === MAX_FRAGMENTS) {
      return fault(ErrorCode.EnhanceYourCalm, "header section that is too long");
    }
    if ((frame.flags & FrameFlag.EndHeaders) !== 0) return this.complete(this.open, fragment);
    this.fragments.push(fragment.slice());
    return { state: "more" };
  }

  private complete(open: NonNullable<HeaderBlockReader["open"]>, last: Uint8Array): BlockProgress {
    const head = this.decoder.decode(this.fragments.length === 0 ? last : this.join(last));
    this.open = undefined;
    this.fragments = [];
    this.length = 0;
    if (head === undefined) return fault(ErrorCode.Compression, "header section that cannot be read");
    return { state: "section", ...open, head };
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

/** The part of a payload without padding; undefined when there is more padding than payload (RFC 9113, 6.1). */
export function unpadded({ flags, payload }: Frame): Uint8Array | undefined {
  if ((flags & FrameFlag.Padded) === 0) return payload;
  const padding = payload[0];
  return padding === undefined || padding >= payload.length ? undefined : payload.subarray(1, payload.length - padding);
}

function fault(code: number, reason: string): BlockProgress {
  return { state: "fault", code, reason };
}
