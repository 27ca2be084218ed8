import { BodyReader } from "../wire/http-body.ts";
import { HeadReader } from "../wire/http-head.ts";
import { HeadMemo } from "../wire/http-memo.ts";
import { type HttpResponse, readResponse } from "../wire/http-response.ts";

/** Of a request, its method alone says how its answer is read, and only whether it is HEAD. */
const answersToHead = new HeadMemo((head) => readResponse(head, "HEAD"));
const answers = new HeadMemo((head) => readResponse(head, "GET"));

/** What a server's bytes mean to the connection that waits for them. */
export interface ResponseEvents {
  /** Bytes of the answer, to be passed on as they are. */
  bytes(bytes: Uint8Array): void;
  /** The final head (not 1xx) was read; its bytes come next. */
  head(response: HttpResponse): void;
  /** The server took the upgrade: what follows is no longer HTTP. */
  switched(response: HttpResponse): void;
  done(): void;
  /** The answer is not one: nothing of the connection can be used any more. */
  fault(reason: string): void;
}

/** What of a request decides how its answer is read. */
export interface AnsweredRequest {
  readonly method: string;
  readonly version: HttpResponse["version"];
  /** The server may switch protocols. */
  readonly mayUpgrade: boolean;
}

/** Follows one answer through bytes cut anywhere. */
export class ResponseReader {
  private readonly request: AnsweredRequest;
  private readonly events: ResponseEvents;
  private readonly heads = new HeadReader();
  private body: BodyReader | undefined;
  private ended = false;
  private untilClose = false;
  private touched = false;

  constructor(request: AnsweredRequest, events: ResponseEvents) {
    this.request = request;
    this.events = events;
  }

  /** The final head has been passed on. */
  get started(): boolean {
    return this.body !== undefined;
  }

  /** Not a byte of an answer has come. */
  get untouched(): boolean {
    return !this.touched;
  }

  /** The end of the connection is the end of the answer. */
  get endsWithConnection(): boolean {
    return this.untilClose && !this.ended;
  }

  /** Part of a head has come. */
  get inHead(): boolean {
    return this.body === undefined && !this.heads.empty;
  }

  /** Takes a chunk; returns how many of its bytes were part of the answer. */
  push(chunk: Uint8Array): number {
    let at = 0;
    this.touched = true;
    while (at < chunk.length && !this.ended) {
      const taken = this.body === undefined ? this.takeHead(chunk, at) : this.takeBody(this.body, chunk, at);
      at += taken;
    }
    return at;
  }

  private takeHead(chunk: Uint8Array, at: number): number {
    const memo = this.request.method === "HEAD" ? answersToHead : answers;
    const progress = memo.take(this.heads, chunk, at);
    if (progress.state === "more") return chunk.length - at;
    if (progress.state === "fault") return this.fail(progress.fault.fault);
    this.takeResponse(progress.message, progress.bytes);
    return progress.consumed;
  }

  private takeResponse(response: HttpResponse, bytes: Uint8Array): void {
    if (response.status === 101) {
      if (!this.request.mayUpgrade) {
        this.fail("switch of protocols that nobody asked for");
        return;
      }
      this.ended = true;
      this.events.bytes(bytes);
      this.events.switched(response);
      return;
    }
    if (response.status < 200) {
      // an HTTP/1.0 client would take it for the answer (RFC 9110, 15.2)
      if (this.request.version === "HTTP/1.1") this.events.bytes(bytes);
      return;
    }
    this.body = new BodyReader(response.framing);
    this.untilClose = response.framing.kind === "until-close";
    this.events.head(response);
    this.events.bytes(bytes);
    this.finishIfDone(this.body);
  }

  private takeBody(body: BodyReader, chunk: Uint8Array, at: number): number {
    const taken = body.take(chunk, at, chunk.length);
    if (taken > 0) this.events.bytes(chunk.subarray(at, at + taken));
    if (body.fault !== undefined) return this.fail(body.fault);
    this.finishIfDone(body);
    return taken;
  }

  private finishIfDone(body: BodyReader): void {
    if (!body.done) return;
    this.ended = true;
    this.events.done();
  }

  private fail(reason: string): number {
    this.ended = true;
    this.events.fault(reason);
    return 0;
  }
}
