import { HpackEncoder } from "./hpack-encoder.ts";
import { FRAME_SIZE, INITIAL_WINDOW, MAX_WINDOW } from "./http2-frame.ts";
import type { SessionOutput } from "./http2-session-options.ts";
import type { Http2Stream, StreamCarrier } from "./http2-stream.ts";

/** The sending half of a session: what its streams send, in turns, as far as the connection's window allows. */
export class Http2Sender implements StreamCarrier {
  readonly streams = new Map<number, Http2Stream>();
  readonly encoder = new HpackEncoder();
  private readonly output: SessionOutput;
  /** Streams that have something to send, whose turn comes first in front. */
  private readonly waking = new Set<Http2Stream>();
  private window = INITIAL_WINDOW;
  /** What waits for the end of the chunk that is being read. */
  private deferred: (() => void)[] | undefined;

  constructor(output: SessionOutput) {
    this.output = output;
  }

  /** Sends bodies as far as the windows and the peer's reading allow, the streams taking turns. */
  pump(): void {
    if (this.waking.size === 0) return;
    const held: Http2Stream[] = [];
    for (const stream of this.waking) {
      this.unwait(stream);
      if (!stream.sendable) continue;
      if (stream.unsent > 0 && (this.window <= 0 || this.output.isBlocked)) {
        held.push(stream);
        continue;
      }
      this.sendTurn(stream);
      if (stream.sendable) this.wait(stream);
    }
    for (const stream of held) this.wait(stream);
  }

  wake(stream: Http2Stream): void {
    this.wait(stream);
    this.pump();
  }

  /** The peer lets more bytes go; false when they are more than it may. */
  widen(increment: number): boolean {
    this.window += increment;
    if (this.window > MAX_WINDOW) return false;
    this.pump();
    return true;
  }

  /** Changes the windows of all open streams (RFC 9113, 6.9.2); false when one is too large then. */
  widenStreams(difference: number): boolean {
    for (const stream of this.streams.values()) {
      stream.sendWindow += difference;
      if (stream.sendWindow > MAX_WINDOW) return false;
      if (stream.sendable) this.wait(stream);
    }
    return true;
  }

  writeHeaders(stream: Http2Stream, section: readonly string[], sensitive: readonly string[], ended: boolean): void {
    this.output.frames.headers(stream.id, this.encoder.encode(section, sensitive), ended);
  }

  writeReset(stream: Http2Stream, code: number): void {
    this.output.frames.reset(stream.id, code);
  }

  writeWindow(stream: Http2Stream, increment: number): void {
    this.output.frames.window(stream.id, increment);
  }

  writeData(stream: Http2Stream, bytes: Uint8Array, ended: boolean): number {
    const { length } = bytes;
    const { frames } = this.output;
    if (length === 0 && ended) frames.data(stream.id, bytes, 0, 0, true);
    // whoever waits for the connection comes first
    if (length === 0 || this.waking.size > 0 || this.output.isBlocked) return 0;
    let at = 0;
    while (at < length) {
      const size = Math.min(length - at, FRAME_SIZE, this.window, stream.sendWindow);
      if (size <= 0) break;
      this.window -= size;
      stream.sendWindow -= size;
      frames.data(stream.id, bytes, at, at + size, ended && at + size === length);
      at += size;
    }
    return at;
  }

  forget(stream: Http2Stream): void {
    this.streams.delete(stream.id);
    if (stream.waits) this.unwait(stream);
  }

  afterChunk(callback: () => void): void {
    if (this.deferred === undefined) callback();
    else this.deferred.push(callback);
  }

  chunkBegins(): void {
    this.deferred = [];
  }

  chunkEnds(): void {
    const { deferred = [] } = this;
    this.deferred = undefined;
    for (const callback of deferred) callback();
  }

  private wait(stream: Http2Stream): void {
    stream.waits = true;
    this.waking.add(stream);
  }

  private unwait(stream: Http2Stream): void {
    stream.waits = false;
    this.waking.delete(stream);
  }

  private sendTurn(stream: Http2Stream): void {
    const trailers = stream.takeTrailers();
    if (trailers !== undefined) {
      stream.sendHeaders(trailers.section, trailers.sensitive, true);
      return;
    }
    const { bytes, ended } = stream.take(Math.min(FRAME_SIZE, Math.max(this.window, 0)));
    this.window -= bytes.length;
    this.output.frames.data(stream.id, bytes, 0, bytes.length, ended);
    if (ended) stream.endLocal();
    if (bytes.length > 0) stream.events.sent(stream, bytes.length);
  }
}
