import type { HeaderSection } from "../wire/hpack-decoder.ts";
import { fault, type HttpFault } from "../wire/http-head.ts";
import { ErrorCode } from "../wire/http2-frame.ts";
import { type Http2Response, readHttp2Response } from "../wire/http2-response.ts";
import { Http2Session } from "../wire/http2-session.ts";
import type { Http2Stream, Http2StreamEvents } from "../wire/http2-stream.ts";
import { SectionMemo } from "../wire/section-memo.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { Http2Limits } from "./http2-limits.ts";
import { Http2Output } from "./http2-output.ts";
import { errorCode, type UpstreamFailure } from "./upstream-link.ts";

/** Why no answer came from the server. */
export interface Loss {
  readonly failure: UpstreamFailure;
  /** May be empty. */
  readonly detail: string;
}

/** The server's bytes are no answer. */
export function badAnswer(detail: string): Loss {
  return { failure: "protocol error", detail };
}

const TOO_LARGE = fault("header section that is too large");
const CLOSED: Loss = { failure: "connection termination", detail: "" };

/** A stream ended with this code before its answer. */
export function resetLoss(code: number): Loss {
  if (code === ErrorCode.None) return CLOSED;
  if (code === ErrorCode.Protocol) return badAnswer("answer that is none");
  const failure = code === ErrorCode.RefusedStream ? "remote refused stream reset" : "remote reset";
  return { failure, detail: `code ${code}` };
}

/** Waits for a stream to the server. */
export interface StreamRequest {
  /** The stream may be opened now, by `open`. */
  granted(): void;
  /** It never will be: the server takes no more, and has seen nothing of this one. */
  refused(): void;
  /** It never will be. */
  failed(loss: Loss): void;
}

/**
 * One connection to the server. No request is sent before the server's SETTINGS: a server that takes the bytes for
 * HTTP/1 must never find a request of the client's making in a body.
 */
export class Http2Upstream {
  /** Why the connection is of no use any more. */
  loss: Loss | undefined;
  private readonly socket: ByteStream;
  private readonly session: Http2Session;
  private readonly closed: () => void;
  private readonly timer: NodeJS.Timeout;
  private isReady = false;
  private isLeaving = false;
  private waiting: StreamRequest[] = [];
  private readonly answers = new SectionMemo<string, Http2Response | HttpFault>(readAnswer);

  /** `socket` may still be connecting. `closed` is called once, when the connection is of no use any more. */
  constructor(
    socket: ByteStream,
    connectTimeoutMs: number,
    limits: Http2Limits,
    now: () => number,
    closed: () => void,
  ) {
    this.socket = socket;
    this.closed = closed;
    this.timer = setTimeout(() => this.fail({ failure: "connection timeout", detail: "" }), connectTimeoutMs);
    const output = new Http2Output(socket, () => this.session.pump());
    this.session = new Http2Session({
      role: "client",
      limits,
      now,
      output,
      events: {
        opened: () => undefined,
        ready: () => this.ready(),
        goaway: () => this.leave(),
        failed: (_, reason) => {
          output.end();
          this.fail(badAnswer(reason));
        },
      },
    });
    socket.on("data", (chunk: Uint8Array) => this.session.receive(chunk));
    socket.on("error", (error) => this.fail(this.socketLoss(error)));
    socket.on("end", () => this.fail(CLOSED));
    socket.on("close", () => this.fail(CLOSED));
  }

  /** New streams may be asked for. */
  get usable(): boolean {
    return this.loss === undefined && !this.isLeaving;
  }

  /** Asks for a stream; the server may not be there yet, or have no room. */
  ask(request: StreamRequest): void {
    if (this.loss !== undefined) request.failed(this.loss);
    else if (this.isReady && this.session.hasRoom) request.granted();
    else this.waiting.push(request);
  }

  /** It needs no stream any more. */
  withdraw(request: StreamRequest): void {
    this.waiting = this.waiting.filter((one) => one !== request);
  }

  /** Opens a granted stream with a header section (names and values in turn). When the connection breaks under it, it closes. */
  open(
    section: readonly string[],
    sensitive: readonly string[],
    ended: boolean,
    events: Http2StreamEvents,
  ): Http2Stream {
    return this.session.openStream(section, sensitive, ended, events);
  }

  /** What the header section of an answer to a request of `method` says. */
  read(head: HeaderSection, method: string): Http2Response | HttpFault {
    return this.answers.meaningOf(head, method);
  }

  /** A stream that was opened is over: another one may have its place. */
  released(): void {
    while (this.isReady && this.waiting.length > 0 && this.session.hasRoom) this.waiting.shift()!.granted();
    if (this.isLeaving && this.session.streams.size === 0) this.destroy();
  }

  destroy(): void {
    this.fail(CLOSED);
  }

  private ready(): void {
    clearTimeout(this.timer);
    this.isReady = true;
    while (this.waiting.length > 0 && this.session.hasRoom) this.waiting.shift()!.granted();
  }

  /** The server answers what it has begun and nothing more. */
  private leave(): void {
    this.isLeaving = true;
    const waiting = this.waiting;
    this.waiting = [];
    for (const request of waiting) request.refused();
    if (this.session.streams.size === 0) this.destroy();
  }

  private socketLoss(error: Error): Loss {
    return { failure: this.isReady ? "connection termination" : "remote connection failure", detail: errorCode(error) };
  }

  private fail(loss: Loss): void {
    if (this.loss !== undefined) return;
    this.loss = loss;
    clearTimeout(this.timer);
    this.socket.destroy();
    this.closed();
    const waiting = this.waiting;
    this.waiting = [];
    for (const request of waiting) request.failed(loss);
    for (const stream of [...this.session.streams.values()]) stream.close(ErrorCode.Internal);
  }
}

function readAnswer(head: HeaderSection, method: string): Http2Response | HttpFault {
  return head.tooLarge ? TOO_LARGE : readHttp2Response(head.section, method);
}
