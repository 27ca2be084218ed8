import { ByteQueue } from "./byte-queue.ts";
import type { HeaderSection } from "./hpack-decoder.ts";
import { ErrorCode } from "./http2-frame.ts";

/** What a stream's owner is told; it may own more than one. */
export interface Http2StreamEvents {
  /** A header section after the one that opened the stream: an answer's, or trailers. */
  headers(stream: Http2Stream, head: HeaderSection, ended: boolean): void;
  /**
   * Bytes of the body, the owner's during the call only. They count against the stream's window until `consume` is told of
   * them.
   */
  data(stream: Http2Stream, bytes: Uint8Array, ended: boolean): void;
  /** So many bytes of what was given to `sendData` have left. */
  sent(stream: Http2Stream, bytes: number): void;
  /**
   * Nothing more comes or goes: both sides have ended (NO_ERROR), or the stream was reset by the peer or for a fault of its
   * own. Not told to an owner who resets the stream himself.
   */
  closed(stream: Http2Stream, code: number): void;
}

/** What a stream asks of its connection. */
export interface StreamCarrier {
  writeHeaders(stream: Http2Stream, section: readonly string[], sensitive: readonly string[], ended: boolean): void;
  writeReset(stream: Http2Stream, code: number): void;
  writeWindow(stream: Http2Stream, increment: number): void;
  /** Writes as much of a body as may leave at once; how many bytes. Without bytes it writes the end, where it is one. */
  writeData(stream: Http2Stream, bytes: Uint8Array, ended: boolean): number;
  /** The stream has something to send. */
  wake(stream: Http2Stream): void;
  forget(stream: Http2Stream): void;
  /** Calls back when all that the peer has sent by now is read: the end of a request may have come with its beginning. */
  afterChunk(callback: () => void): void;
}

const SILENT: Http2StreamEvents = { headers() {}, data() {}, sent() {}, closed() {} };

/** One stream of an HTTP/2 connection (RFC 9113, 5.1), which keeps its queue and its windows. */
export class Http2Stream {
  readonly id: number;
  events: Http2StreamEvents = SILENT;
  /** Bytes that the peer's window lets go. Below zero after the peer has made its windows smaller. */
  sendWindow: number;
  /** Bytes that the peer may still send. */
  receiveWindow: number;
  /** All of the peer's side has come. */
  remoteEnded = false;
  /** All of this side has left. */
  localEnded = false;
  closed = false;
  /** Its carrier has it among those that wait for their turn to send. */
  waits = false;
  /** Bytes of the body that a length announced, -1 = not announced. */
  announced = -1;
  private readonly carrier: StreamCarrier;
  private readonly window: number;
  private readonly queue = new ByteQueue();
  private endQueued = false;
  private trailers: { section: readonly string[]; sensitive: readonly string[] } | undefined;
  private refusesRest = false;
  private consumed = 0;
  private received = 0;

  constructor(id: number, sendWindow: number, receiveWindow: number, carrier: StreamCarrier) {
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
    this.window = receiveWindow;
    this.carrier = carrier;
  }

  /** Bytes that wait for the peer's windows. */
  get unsent(): number {
    return this.queue.length;
  }

  /** Sends a header section (names and values in turn); with `ended` nothing comes after it. */
  sendHeaders(section: readonly string[], sensitive: readonly string[], ended: boolean): void {
    if (this.closed || this.localEnded) return;
    this.carrier.writeHeaders(this, section, sensitive, ended);
    if (ended) this.endLocal();
  }

  /** Sends bytes as the peer's windows allow, keeping a copy of the rest; with `ended` nothing comes after them. */
  sendData(bytes: Uint8Array, ended: boolean): void {
    if (this.closed || this.endQueued) return;
    this.endQueued = ended;
    const sent = this.unsent > 0 ? 0 : this.carrier.writeData(this, bytes, ended);
    if (sent < bytes.length) {
      this.queue.push(bytes, sent);
      this.carrier.wake(this);
    } else if (ended && this.unsent === 0) this.endLocal();
    if (sent > 0) this.events.sent(this, sent);
  }

  /** Ends this side with trailers. */
  sendTrailers(section: readonly string[], sensitive: readonly string[]): void {
    if (this.closed || this.endQueued) return;
    this.endQueued = true;
    if (this.unsent === 0) this.sendHeaders(section, sensitive, true);
    else this.trailers = { section, sensitive };
  }

  /** Ends the stream at once; what was not sent yet is given up. */
  reset(code: number): void {
    if (this.closed) return;
    this.carrier.writeReset(this, code);
    this.shut();
  }

  /** Nobody reads the rest of what the peer sends: it is told so as soon as this side has ended (RFC 9113, 8.1). */
  refuseRest(): void {
    this.refusesRest = true;
    if (this.localEnded && !this.remoteEnded) this.cutRest();
  }

  /** Bytes of the body are done with: the peer may send as many more. */
  consume(bytes: number): void {
    if (this.closed || this.remoteEnded) return;
    this.consumed += bytes;
    if (this.consumed * 2 < this.window) return;
    this.receiveWindow += this.consumed;
    this.carrier.writeWindow(this, this.consumed);
    this.consumed = 0;
  }

  /** Whether trailers or the end can be sent, or bytes by the stream's own window. */
  get sendable(): boolean {
    return !this.closed && (this.unsent > 0 ? this.sendWindow > 0 : this.endQueued && !this.localEnded);
  }

  /** The next bytes to send, at most `limit` and what the window lets go; `ended`: END_STREAM goes with them. */
  take(limit: number): { bytes: Uint8Array; ended: boolean } {
    const bytes = this.queue.take(Math.min(limit, Math.max(this.sendWindow, 0)));
    this.sendWindow -= bytes.length;
    return { bytes, ended: this.unsent === 0 && this.endQueued && this.trailers === undefined };
  }

  /** Trailers whose turn it is. */
  takeTrailers(): { section: readonly string[]; sensitive: readonly string[] } | undefined {
    return this.unsent === 0 ? this.trailers : undefined;
  }

  /** END_STREAM is on its way. */
  endLocal(): void {
    this.localEnded = true;
    if (this.remoteEnded) this.close(ErrorCode.None);
    else if (this.refusesRest) this.cutRest();
  }

  /** Takes bytes of the peer's body; false when they are not as long as announced. */
  receive(bytes: Uint8Array, ended: boolean): boolean {
    this.received += bytes.length;
    if (this.announced >= 0 && (this.received > this.announced || (ended && this.received < this.announced)))
      return false;
    if (ended) this.remoteEnded = true;
    this.events.data(this, bytes, ended);
    if (ended) this.closeIfEnded();
    return true;
  }

  /** Takes a header section; false when the body before it was not as long as announced. */
  receiveHeaders(head: HeaderSection, ended: boolean): boolean {
    if (ended && this.announced >= 0 && this.received < this.announced) return false;
    if (ended) this.remoteEnded = true;
    this.events.headers(this, head, ended);
    if (ended) this.closeIfEnded();
    return true;
  }

  /** It is over, for a reason that the owner does not know yet. */
  close(code: number): void {
    if (this.closed) return;
    this.shut();
    this.events.closed(this, code);
  }

  private cutRest(): void {
    this.carrier.afterChunk(() => {
      if (this.closed || this.remoteEnded) return;
      this.carrier.writeReset(this, ErrorCode.None);
      this.close(ErrorCode.None);
    });
  }

  private closeIfEnded(): void {
    if (this.localEnded) this.close(ErrorCode.None);
  }

  private shut(): void {
    this.closed = true;
    this.queue.clear();
    this.carrier.forget(this);
  }
}
