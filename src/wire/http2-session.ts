import type { HeaderSection } from "./hpack-decoder.ts";
import {
  CLIENT_PREFACE,
  ErrorCode,
  type Frame,
  FrameFlag,
  FrameType,
  INITIAL_WINDOW,
  MAX_WINDOW,
  word,
} from "./http2-frame.ts";
import { FrameReader } from "./http2-frame-reader.ts";
import type { FrameWriter } from "./http2-frame-writer.ts";
import { HeaderBlockReader, paddingOf } from "./http2-header-block.ts";
import { Http2Sender } from "./http2-sender.ts";
import type { SessionOptions } from "./http2-session-options.ts";
import { ownSettings, PeerSettings } from "./http2-settings.ts";
import { Http2Stream, type Http2StreamEvents } from "./http2-stream.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Window of the whole connection: bodies are held back stream by stream. */
const CONNECTION_WINDOW = 1 << 20;

/**
 * One end of an HTTP/2 connection (RFC 9113), without the socket: bytes of the peer go in by `receive`, bytes for it come out
 * by `output`. What concerns one stream only resets that stream, what leaves the connection in doubt ends it.
 */
export class Http2Session {
  readonly peer = new PeerSettings();
  private readonly options: SessionOptions;
  private readonly frames: FrameWriter;
  private readonly reader = new FrameReader();
  private readonly blocks: HeaderBlockReader;
  private readonly sender: Http2Sender;
  private readonly resets: TokenBucket;
  private readonly idleFrames: TokenBucket;
  private receiveWindow = CONNECTION_WINDOW;
  private consumed = 0;
  /** Bytes of the client's preface that have not come yet. */
  private prefaceLeft: number;
  private hasSettings = false;
  private hasFailed = false;
  private isLeaving = false;
  /** The latest that the peer began; the latest that was looked at, which is what GOAWAY promises. */
  private lastPeerStream = 0;
  private lastTaken = 0;
  private nextStream = 1;

  /** Writes this end's preface. */
  constructor(options: SessionOptions) {
    this.options = options;
    const { role, limits, now } = options;
    this.frames = options.output.frames;
    this.sender = new Http2Sender(options.output);
    this.blocks = new HeaderBlockReader(limits.headerFields, limits.headerBytes);
    this.resets = new TokenBucket(limits.resetBurst, limits.resetsPerSecond, now);
    this.idleFrames = new TokenBucket(limits.idleFrameBurst, limits.idleFramesPerSecond, now);
    this.prefaceLeft = role === "server" ? CLIENT_PREFACE.length : 0;
    if (role === "client") this.frames.raw(CLIENT_PREFACE);
    this.frames.settings(ownSettings(role, limits));
    this.frames.window(0, CONNECTION_WINDOW - INITIAL_WINDOW);
  }

  /** Those that are open, by number. */
  get streams(): ReadonlyMap<number, Http2Stream> {
    return this.sender.streams;
  }

  /** A stream can be opened now (client's side). */
  get hasRoom(): boolean {
    return this.streams.size < this.peer.concurrentStreams && this.nextStream < MAX_WINDOW;
  }

  /** Takes bytes of the peer, cut anywhere; they may change afterwards. */
  receive(chunk: Uint8Array): void {
    if (this.hasFailed) return;
    const from = this.takePreface(chunk);
    if (from < 0) this.fail(ErrorCode.Protocol, "no preface");
    if (this.hasFailed) return;
    this.sender.chunkBegins();
    const fits = this.reader.push(chunk, from, this.take);
    if (!fits) this.fail(ErrorCode.FrameSize, "frame that is too long");
    this.sender.chunkEnds();
  }

  /** Opens a stream (client's side); there must be room for it. */
  openStream(
    section: readonly string[],
    sensitive: readonly string[],
    ended: boolean,
    events: Http2StreamEvents,
  ): Http2Stream {
    const stream = this.addStream(this.nextStream);
    stream.events = events;
    this.nextStream += 2;
    stream.sendHeaders(section, sensitive, ended);
    return stream;
  }

  /** Says goodbye: streams that are open may end, new ones are not taken. */
  leave(): void {
    if (this.isLeaving || this.hasFailed) return;
    this.isLeaving = true;
    this.frames.goaway(this.lastTaken, ErrorCode.None, "");
  }

  /** Sends bodies as far as the windows and the peer's reading allow, the streams taking turns. */
  pump(): void {
    this.sender.pump();
  }

  private addStream(id: number): Http2Stream {
    const stream = new Http2Stream(id, this.peer.initialWindow, this.options.limits.streamWindow, this.sender);
    this.sender.streams.set(id, stream);
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
    this.frames.goaway(this.lastTaken, code, reason);
    this.options.events.failed(code, reason);
    return false;
  }

  /** RFC 9113, 5.4.2. A client may have few streams reset, by whatever means. */
  private streamFault(stream: Http2Stream, code: number): boolean {
    this.frames.reset(stream.id, code);
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
  private readonly take = (frame: Frame): boolean => {
    if (this.blocks.isOpen) return this.takeBlock(frame);
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
  };

  /** No stream of this number has ever been opened. */
  private isIdle(id: number): boolean {
    return id % 2 === 0 || (this.options.role === "server" ? id > this.lastPeerStream : id >= this.nextStream);
  }

  private takeData(frame: Frame): boolean {
    const { stream: id, flags, bytes, from, to } = frame;
    const length = to - from;
    if (this.isIdle(id)) return this.fail(ErrorCode.Protocol, "DATA of no stream");
    const padding = paddingOf(frame);
    if (padding < 0) return this.fail(ErrorCode.Protocol, "padding that is too long");
    if (length > this.receiveWindow) return this.fail(ErrorCode.FlowControl, "connection window");
    this.consumeConnection(length);
    const ended = (flags & FrameFlag.EndStream) !== 0;
    if (length === padding && !ended && !this.countIdleFrame()) return false;
    const stream = this.streams.get(id);
    if (stream === undefined) return true; // it was reset: the sender may not know yet
    if (stream.remoteEnded) return this.streamFault(stream, ErrorCode.StreamClosed);
    if (length > stream.receiveWindow) return this.streamFault(stream, ErrorCode.FlowControl);
    stream.receiveWindow -= length;
    if (padding > 0) stream.consume(padding);
    const body = padding === 0 ? bytes.subarray(from, to) : bytes.subarray(from + 1, to - padding + 1);
    return stream.receive(body, ended) || this.streamFault(stream, ErrorCode.Protocol);
  }

  private consumeConnection(bytes: number): void {
    this.receiveWindow -= bytes;
    this.consumed += bytes;
    if (this.consumed * 2 < CONNECTION_WINDOW) return;
    this.receiveWindow += this.consumed;
    this.frames.window(0, this.consumed);
    this.consumed = 0;
  }

  private takeHeaders(frame: Frame): boolean {
    const { role } = this.options;
    if (frame.stream % 2 === 0) return this.fail(ErrorCode.Protocol, "HEADERS of no stream of a client");
    if (role === "client" && this.isIdle(frame.stream)) return this.fail(ErrorCode.Protocol, "answer to nothing");
    return this.takeBlock(frame);
  }

  private takeBlock(frame: Frame): boolean {
    const { blocks } = this;
    const head = blocks.add(frame);
    if (head === undefined) return true;
    if ("reason" in head) return this.fail(head.code, head.reason);
    return this.takeSection(blocks.stream, head, blocks.ended);
  }

  private takeSection(id: number, head: HeaderSection, ended: boolean): boolean {
    const present = this.streams.get(id);
    if (present === undefined) {
      if (this.options.role === "client") return true; // it was reset, as above
      if (id <= this.lastPeerStream) return this.countIdleFrame();
      return this.openPeerStream(id, head, ended);
    }
    if (present.remoteEnded) return this.streamFault(present, ErrorCode.StreamClosed);
    if (this.options.role === "server" && !ended) return this.streamFault(present, ErrorCode.Protocol);
    return present.receiveHeaders(head, ended) || this.streamFault(present, ErrorCode.Protocol);
  }

  private openPeerStream(id: number, head: HeaderSection, ended: boolean): boolean {
    this.lastPeerStream = id;
    // what comes after GOAWAY was not promised to be looked at; it may have crossed it on its way, with its body
    if (this.isLeaving) return this.countIdleFrame();
    this.lastTaken = id;
    if (this.streams.size >= this.options.limits.concurrentStreams) {
      this.frames.reset(id, ErrorCode.RefusedStream);
      return this.countIdleFrame();
    }
    const stream = this.addStream(id);
    stream.remoteEnded = ended;
    this.options.events.opened(stream, head, ended);
    return true;
  }

  private takePriority({ stream, from, to }: Frame): boolean {
    if (stream === 0) return this.fail(ErrorCode.Protocol, "PRIORITY of no stream");
    return to - from === 5 ? this.countIdleFrame() : this.fail(ErrorCode.FrameSize, "PRIORITY");
  }

  private takeReset({ stream: id, bytes, from, to }: Frame): boolean {
    if (to - from !== 4) return this.fail(ErrorCode.FrameSize, "RST_STREAM");
    if (this.isIdle(id)) return this.fail(ErrorCode.Protocol, "RST_STREAM of no stream");
    const stream = this.streams.get(id);
    if (stream === undefined) return true;
    stream.close(word(bytes, from));
    return this.countReset();
  }

  private takeSettings(frame: Frame): boolean {
    const { stream, flags, from, to } = frame;
    const length = to - from;
    if (stream !== 0) return this.fail(ErrorCode.Protocol, "SETTINGS of a stream");
    const isAck = (flags & FrameFlag.Ack) !== 0;
    if (isAck ? length > 0 : length % 6 !== 0) return this.fail(ErrorCode.FrameSize, "SETTINGS");
    if (!this.countIdleFrame()) return false;
    if (isAck) return true;
    const windowBefore = this.peer.initialWindow;
    const code = this.peer.apply(frame, this.options.role);
    if (code !== ErrorCode.None) return this.fail(code, "setting that is not allowed");
    this.sender.encoder.resize(this.peer.headerTableSize);
    if (!this.sender.widenStreams(this.peer.initialWindow - windowBefore))
      return this.fail(ErrorCode.FlowControl, "window size");
    this.frames.settingsAck();
    if (!this.hasSettings) {
      this.hasSettings = true;
      this.options.events.ready();
    }
    this.pump();
    return true;
  }

  private takePing({ stream, flags, bytes, from, to }: Frame): boolean {
    if (stream !== 0) return this.fail(ErrorCode.Protocol, "PING of a stream");
    if (to - from !== 8) return this.fail(ErrorCode.FrameSize, "PING");
    if ((flags & FrameFlag.Ack) !== 0) return this.countIdleFrame();
    this.frames.pingAck(bytes, from);
    return true;
  }

  private takeGoaway({ stream, bytes, from, to }: Frame): boolean {
    if (stream !== 0) return this.fail(ErrorCode.Protocol, "GOAWAY of a stream");
    if (to - from < 8) return this.fail(ErrorCode.FrameSize, "GOAWAY");
    if (this.options.role === "client") {
      const last = word(bytes, from) & MAX_WINDOW;
      this.options.events.goaway();
      const unread = [...this.streams.values()].filter(({ id }) => id > last);
      for (const one of unread) one.close(ErrorCode.RefusedStream);
    }
    return this.countIdleFrame();
  }

  private takeWindowUpdate({ stream: id, bytes, from, to }: Frame): boolean {
    if (to - from !== 4) return this.fail(ErrorCode.FrameSize, "WINDOW_UPDATE");
    const increment = word(bytes, from) & MAX_WINDOW;
    if (id === 0) {
      if (increment === 0) return this.fail(ErrorCode.Protocol, "WINDOW_UPDATE of nothing");
      if (!this.sender.widen(increment)) return this.fail(ErrorCode.FlowControl, "connection window");
      return true;
    }
    if (this.isIdle(id)) return this.fail(ErrorCode.Protocol, "WINDOW_UPDATE of no stream");
    const stream = this.streams.get(id);
    if (stream === undefined) return true;
    if (increment === 0) return this.streamFault(stream, ErrorCode.Protocol);
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW) return this.streamFault(stream, ErrorCode.FlowControl);
    if (stream.sendable) this.sender.wake(stream);
    return true;
  }
}
