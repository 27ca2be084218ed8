import type { HeaderSection } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import {
  CLIENT_PREFACE,
  ErrorCode,
  FRAME_SIZE,
  type Frame,
  FrameFlag,
  FrameReader,
  FrameType,
  frameBytes,
  frameHead,
  goawayFrame,
  INITIAL_WINDOW,
  MAX_WINDOW,
  word,
  words,
} from "./http2-frame.ts";
import { type BlockProgress, HeaderBlockReader, unpadded } from "./http2-header-block.ts";
import type { SessionOptions } from "./http2-session-options.ts";
import { ownSettings, PeerSettings } from "./http2-settings.ts";
import { Http2Stream, type StreamCarrier } from "./http2-stream.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Window of the whole connection: bodies are held back stream by stream. */
const CONNECTION_WINDOW = 1 << 20;

/**
 * One end of an HTTP/2 connection (RFC 9113), without the socket: bytes of the peer go in by `receive`, bytes for it come out
 * by `output`. What concerns one stream only resets that stream, what leaves the connection in doubt ends it.
 */
export class Http2Session implements StreamCarrier {
  readonly streams = new Map<number, Http2Stream>();
  readonly peer = new PeerSettings();
  private readonly options: SessionOptions;
  private readonly reader = new FrameReader();
  private readonly blocks: HeaderBlockReader;
  private readonly encoder = new HpackEncoder();
  private readonly resets: TokenBucket;
  private readonly idleFrames: TokenBucket;
  /** Streams that have something to send, whose turn comes first in front. */
  private readonly waking = new Set<Http2Stream>();
  private sendWindow = INITIAL_WINDOW;
  private receiveWindow = CONNECTION_WINDOW;
  private consumed = 0;
  /** Bytes of the client's preface that have not come yet. */
  private prefaceLeft: number;
  private hasSettings = false;
  private hasFailed = false;
  private isLeaving = false;
  private lastPeerStream = 0;
  private nextStream = 1;
  /** What waits for the end of the chunk that is being read. */
  private deferred: (() => void)[] | undefined;

  /** Writes this end's preface. */
  constructor(options: SessionOptions) {
    this.options = options;
    const { role, limits, now } = options;
    this.blocks = new HeaderBlockReader(limits.headerFields, limits.headerBytes);
    this.resets = new TokenBucket(limits.resetBurst, limits.resetsPerSecond, now);
    this.idleFrames = new TokenBucket(limits.idleFrameBurst, limits.idleFramesPerSecond, now);
    this.prefaceLeft = role === "server" ? CLIENT_PREFACE.length : 0;
    if (role === "client") this.write(CLIENT_PREFACE);
    this.write(ownSettings(role, limits));
    this.writeIncrement(0, CONNECTION_WINDOW - INITIAL_WINDOW);
  }

  /** A stream can be opened now (client's side). */
  get hasRoom(): boolean {
    return this.streams.size < this.peer.concurrentStreams && this.nextStream < MAX_WINDOW;
  }

  /** Takes bytes of the peer, cut anywhere. */
  receive(chunk: Uint8Array): void {
    if (this.hasFailed) return;
    const from = this.takePreface(chunk);
    if (from < 0) this.fail(ErrorCode.Protocol, "no preface");
    if (this.hasFailed) return;
    this.deferred = [];
    const fits = this.reader.push(from === 0 ? chunk : chunk.subarray(from), (frame) => this.take(frame));
    if (!fits) this.fail(ErrorCode.FrameSize, "frame that is too long");
    const deferred = this.deferred;
    this.deferred = undefined;
    for (const callback of deferred) callback();
  }

  /** Opens a stream (client's side); there must be room for it. */
  openStream(section: readonly string[], sensitive: readonly string[], ended: boolean): Http2Stream {
    const stream = this.addStream(this.nextStream);
    this.nextStream += 2;
    stream.sendHeaders(section, sensitive, ended);
    return stream;
  }

  /** Says goodbye: streams that are open may end, new ones are not taken. */
  leave(): void {
    if (this.isLeaving || this.hasFailed) return;
    this.isLeaving = true;
    this.write(goawayFrame(this.lastPeerStream, ErrorCode.None, ""));
  }

  /** Sends bodies as far as the windows and the peer's reading allow, the streams taking turns. */
  pump(): void {
    const held: Http2Stream[] = [];
    for (const stream of this.waking) {
      this.waking.delete(stream);
      if (!stream.sendable) continue;
      if (stream.unsent > 0 && (this.sendWindow <= 0 || this.options.output.isBlocked)) {
        held.push(stream);
        continue;
      }
      this.sendTurn(stream);
      if (stream.sendable) this.waking.add(stream);
    }
    for (const stream of held) this.waking.add(stream);
  }

  wake(stream: Http2Stream): void {
    this.waking.add(stream);
    this.pump();
  }

  afterChunk(callback: () => void): void {
    if (this.deferred === undefined) callback();
    else this.deferred.push(callback);
  }

  forget(stream: Http2Stream): void {
    this.streams.delete(stream.id);
    this.waking.delete(stream);
  }

  writeHeaders(stream: Http2Stream, section: readonly string[], sensitive: readonly string[], ended: boolean): void {
    const block = this.encoder.encode(section, sensitive);
    const end = ended ? FrameFlag.EndStream : 0;
    for (let at = 0; at === 0 || at < block.length; at += FRAME_SIZE) {
      const part = block.subarray(at, at + FRAME_SIZE);
      const last = at + FRAME_SIZE >= block.length ? FrameFlag.EndHeaders : 0;
      const type = at === 0 ? FrameType.Headers : FrameType.Continuation;
      this.write(frameBytes(type, last | (at === 0 ? end : 0), stream.id, part));
    }
  }

  writeReset(stream: Http2Stream, code: number): void {
    this.write(frameBytes(FrameType.RstStream, 0, stream.id, words(code)));
  }

  writeWindow(stream: Http2Stream, increment: number): void {
    this.writeIncrement(stream.id, increment);
  }

  private sendTurn(stream: Http2Stream): void {
    const trailers = stream.takeTrailers();
    if (trailers !== undefined) {
      stream.sendHeaders(trailers.section, trailers.sensitive, true);
      return;
    }
    const { bytes, ended } = stream.take(Math.min(FRAME_SIZE, Math.max(this.sendWindow, 0)));
    this.sendWindow -= bytes.length;
    this.write(frameHead(FrameType.Data, ended ? FrameFlag.EndStream : 0, stream.id, bytes.length));
    if (bytes.length > 0) this.write(bytes);
    if (ended) stream.endLocal();
    if (bytes.length > 0) stream.events.sent(bytes.length);
  }

  private write(bytes: Uint8Array): void {
    this.options.output.write(bytes);
  }

  private writeIncrement(stream: number, increment: number): void {
    this.write(frameBytes(FrameType.WindowUpdate, 0, stream, words(increment)));
  }

  private addStream(id: number): Http2Stream {
    const stream = new Http2Stream(id, this.peer.initialWindow, this.options.limits.streamWindow, this);
    this.streams.set(id, stream);
    return stream;
  }

  /** Where the preface ends in the chunk, -1 when it is none. */
  private takePreface(chunk: Uint8Array): number {
    const length = Math.min(this.prefaceLeft, chunk.length);
    const start = CLIENT_PREFACE.length - this.prefaceLeft;
    for (let at = 0; at < length; at++) if (chunk[at] !== CLIENT_PREFACE[start + at]) return -1;
    this.prefaceLeft -= length;
    return length;
  }

  /** RFC 9113, 5.4.1. */
  private fail(code: number, reason: string): false {
    if (this.hasFailed) return false;
    this.hasFailed = true;
    this.write(goawayFrame(this.lastPeerStream, code, reason));
    this.options.events.failed(code, reason);
    return false;
  }

  /** RFC 9113, 5.4.2. A client may have few streams reset, by whatever means. */
  private streamFault(stream: Http2Stream, code: number): boolean {
    this.writeReset(stream, code);
    stream.close(code);
    return this.countReset();
  }

  private countReset(): boolean {
    return this.options.role === "client" || this.resets.take() || this.fail(ErrorCode.EnhanceYourCalm, "resets");
  }

  private countIdleFrame(): boolean {
    return this.idleFrames.take() || this.fail(ErrorCode.EnhanceYourCalm, "frames that do no work");
  }

  /** False when the rest of the chunk is not to be read. */
  private take(frame: Frame): boolean {
    if (this.blocks.isOpen) return this.takeBlock(this.blocks.add(frame));
    if (!this.hasSettings && (frame.type !== FrameType.Settings || (frame.flags & FrameFlag.Ack) !== 0))
      return this.fail(ErrorCode.Protocol, "no SETTINGS first");
    switch (frame.type) {
      case FrameType.Data:
        return this.takeData(frame);
      case FrameType.Headers:
        return this.takeHeaders(frame);
      case FrameType.Priority:
        return this.takePriority(frame);
      case FrameType.RstStream:
        return this.takeReset(frame);
      case FrameType.Settings:
        return this.takeSettings(frame);
      case FrameType.Ping:
        return this.takePing(frame);
      case FrameType.Goaway:
        return this.takeGoaway(frame);
      case FrameType.WindowUpdate:
        return this.takeWindowUpdate(frame);
      case FrameType.PushPromise:
        return this.fail(ErrorCode.Protocol, "push that is not wanted");
      case FrameType.Continuation:
        return this.fail(ErrorCode.Protocol, "CONTINUATION of nothing");
      default:
        return this.countIdleFrame();
    }
  }

  /** No stream of this number has ever been opened. */
  private isIdle(id: number): boolean {
    return id % 2 === 0 || (this.options.role === "server" ? id > this.lastPeerStream : id >= this.nextStream);
  }

  private takeData(frame: Frame): boolean {
    const { stream: id, flags, payload } = frame;
    if (this.isIdle(id)) return this.fail(ErrorCode.Protocol, "DATA of no stream");
    const body = unpadded(frame);
    if (body === undefined) return this.fail(ErrorCode.Protocol, "padding that is too long");
    if (payload.length > this.receiveWindow) return this.fail(ErrorCode.FlowControl, "connection window");
    this.consumeConnection(payload.length);
    const ended = (flags & FrameFlag.EndStream) !== 0;
    if (body.length === 0 && !ended && !this.countIdleFrame()) return false;
    const stream = this.streams.get(id);
    if (stream === undefined) return true; // it was reset: the sender may not know yet
    if (stream.remoteEnded) return this.streamFault(stream, ErrorCode.StreamClosed);
    if (payload.length > stream.receiveWindow) return this.streamFault(stream, ErrorCode.FlowControl);
    stream.receiveWindow -= payload.length;
    if (body.length < payload.length) stream.consume(payload.length - body.length);
    return stream.receive(body, ended) || this.streamFault(stream, ErrorCode.Protocol);
  }

  private consumeConnection(bytes: number): void {
    this.receiveWindow -= bytes;
    this.consumed += bytes;
    if (this.consumed * 2 < CONNECTION_WINDOW) return;
    this.receiveWindow += this.consumed;
    this.writeIncrement(0, this.consumed);
    this.consumed = 0;
  }

  private takeHeaders(frame: Frame): boolean {
    const { role } = this.options;
    if (frame.stream % 2 === 0) return this.fail(ErrorCode.Protocol, "HEADERS of no stream of a client");
    if (role === "client" && this.isIdle(frame.stream)) return this.fail(ErrorCode.Protocol, "answer to nothing");
    return this.takeBlock(this.blocks.add(frame));
  }

  private takeBlock(progress: BlockProgress): boolean {
    if (progress.state === "more") return true;
    if (progress.state === "fault") return this.fail(progress.code, progress.reason);
    return this.takeSection(progress.stream, progress.head, progress.ended);
  }

  private takeSection(id: number, head: HeaderSection, ended: boolean): boolean {
    const present = this.streams.get(id);
    if (present === undefined) {
      if (this.options.role === "client" || id <= this.lastPeerStream) return true; // it was reset, as above
      return this.openPeerStream(id, head, ended);
    }
    if (present.remoteEnded) return this.streamFault(present, ErrorCode.StreamClosed);
    if (this.options.role === "server" && !ended) return this.streamFault(present, ErrorCode.Protocol);
    return present.receiveHeaders(head, ended) || this.streamFault(present, ErrorCode.Protocol);
  }

  private openPeerStream(id: number, head: HeaderSection, ended: boolean): boolean {
    // what comes after GOAWAY was not promised to be looked at
    if (this.isLeaving) return this.countIdleFrame();
    this.lastPeerStream = id;
    if (this.streams.size >= this.options.limits.concurrentStreams) {
      this.write(frameBytes(FrameType.RstStream, 0, id, words(ErrorCode.RefusedStream)));
      return this.countIdleFrame();
    }
    const stream = this.addStream(id);
    stream.remoteEnded = ended;
    this.options.events.opened(stream, head, ended);
    return true;
  }

  private takePriority({ stream, payload }: Frame): boolean {
    if (stream === 0) return this.fail(ErrorCode.Protocol, "PRIORITY of no stream");
    return payload.length === 5 ? this.countIdleFrame() : this.fail(ErrorCode.FrameSize, "PRIORITY");
  }

  private takeReset({ stream: id, payload }: Frame): boolean {
    if (payload.length !== 4) return this.fail(ErrorCode.FrameSize, "RST_STREAM");
    if (this.isIdle(id)) return this.fail(ErrorCode.Protocol, "RST_STREAM of no stream");
    const stream = this.streams.get(id);
    if (stream === undefined) return true;
    stream.close(word(payload, 0));
    return this.countReset();
  }

  private takeSettings({ stream, flags, payload }: Frame): boolean {
    if (stream !== 0) return this.fail(ErrorCode.Protocol, "SETTINGS of a stream");
    const isAck = (flags & FrameFlag.Ack) !== 0;
    if (isAck ? payload.length > 0 : payload.length % 6 !== 0) return this.fail(ErrorCode.FrameSize, "SETTINGS");
    if (!this.countIdleFrame()) return false;
    if (isAck) return true;
    const windowBefore = this.peer.initialWindow;
    const code = this.peer.apply(payload, this.options.role);
    if (code !== ErrorCode.None) return this.fail(code, "setting that is not allowed");
    this.encoder.resize(this.peer.headerTableSize);
    if (!this.widen(this.peer.initialWindow - windowBefore)) return this.fail(ErrorCode.FlowControl, "window size");
    this.write(frameBytes(FrameType.Settings, FrameFlag.Ack, 0, new Uint8Array()));
    if (!this.hasSettings) {
      this.hasSettings = true;
      this.options.events.ready();
    }
    this.pump();
    return true;
  }

  /** Changes the windows of all open streams (RFC 9113, 6.9.2). */
  private widen(difference: number): boolean {
    for (const stream of this.streams.values()) {
      stream.sendWindow += difference;
      if (stream.sendWindow > MAX_WINDOW) return false;
      if (stream.sendable) this.waking.add(stream);
    }
    return true;
  }

  private takePing({ stream, flags, payload }: Frame): boolean {
    if (stream !== 0) return this.fail(ErrorCode.Protocol, "PING of a stream");
    if (payload.length !== 8) return this.fail(ErrorCode.FrameSize, "PING");
    if ((flags & FrameFlag.Ack) !== 0) return this.countIdleFrame();
    this.write(frameBytes(FrameType.Ping, FrameFlag.Ack, 0, payload));
    return true;
  }

  private takeGoaway({ stream, payload }: Frame): boolean {
    if (stream !== 0) return this.fail(ErrorCode.Protocol, "GOAWAY of a stream");
    if (payload.length < 8) return this.fail(ErrorCode.FrameSize, "GOAWAY");
    if (this.options.role === "client") {
      this.options.events.goaway();
      const unread = [...this.streams.values()].filter(({ id }) => id > (word(payload, 0) & MAX_WINDOW));
      for (const one of unread) one.close(ErrorCode.RefusedStream);
    }
    return this.countIdleFrame();
  }

  private takeWindowUpdate({ stream: id, payload }: Frame): boolean {
    if (payload.length !== 4) return this.fail(ErrorCode.FrameSize, "WINDOW_UPDATE");
    const increment = word(payload, 0) & MAX_WINDOW;
    if (id === 0) {
      this.sendWindow += increment;
      if (increment === 0) return this.fail(ErrorCode.Protocol, "WINDOW_UPDATE of nothing");
      if (this.sendWindow > MAX_WINDOW) return this.fail(ErrorCode.FlowControl, "connection window");
      this.pump();
      return true;
    }
    if (this.isIdle(id)) return this.fail(ErrorCode.Protocol, "WINDOW_UPDATE of no stream");
    const stream = this.streams.get(id);
    if (stream === undefined) return true;
    if (increment === 0) return this.streamFault(stream, ErrorCode.Protocol);
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW) return this.streamFault(stream, ErrorCode.FlowControl);
    if (stream.sendable) this.wake(stream);
    return true;
  }
}
