import { ByteQueue } from "../wire/byte-queue.ts";
import type { HeaderSection } from "../wire/hpack-decoder.ts";
import { type HttpFault, isFault } from "../wire/http-head.ts";
import { trailerFault } from "../wire/http2-fields.ts";
import { ErrorCode } from "../wire/http2-frame.ts";
import { type Http2Request, requestSection } from "../wire/http2-request.ts";
import type { Http2Stream, Http2StreamEvents } from "../wire/http2-stream.ts";
import { latin1Bytes } from "../wire/latin1.ts";
import { type ConnectionLog, NO_REQUEST, type RequestFacts } from "./access.ts";
import { editHeaders } from "./header-edits.ts";
import type { Asked } from "./http2-asked.ts";
import type { Http2Limits } from "./http2-limits.ts";
import { http2Reply } from "./http2-reply.ts";
import { badAnswer, type Http2Upstream, type Loss, resetLoss, type StreamRequest } from "./http2-upstream.ts";
import { ACCESS_DENIED, failureNote, failureReply } from "./local-reply.ts";
import type { RequestJudge } from "./request-judge.ts";
import type { Judgement } from "./request-policy.ts";
import { errorCode } from "./upstream-link.ts";

const UNREAD = { method: "", isGrpc: false };
/**
 * How long an answer of our own waits for the rest of its request, in ms. It is mostly on its way, and clients are bad at answers that
 * come before they have sent everything: curl 7.88 waits for more of them until its own time is up.
 */
const REST_GRACE_MS = 50;

/** What one stream needs of its connection. */
export interface StreamSurroundings {
  readonly log: ConnectionLog;
  readonly limits: Http2Limits;
  /** How long nothing may move, in ms. */
  readonly idleMs: number;
  readonly judging: RequestJudge;
  /** What a request's header section says; `ended`: it has no body. */
  read(head: HeaderSection, ended: boolean): Asked | HttpFault;
  /** The connection to the server, made when there is none. Throws when it cannot begin. */
  upstream(): Http2Upstream;
  /** Neither side of the exchange has anything more to say. */
  over(exchange: Http2Exchange): void;
}

/** One stream of a client and, when its request is allowed, the stream to the server that answers it; the owner of both. */
export class Http2Exchange implements StreamRequest, Http2StreamEvents {
  private readonly client: Http2Stream;
  private readonly surroundings: StreamSurroundings;
  private readonly startedMs: number;
  private facts: RequestFacts = NO_REQUEST;
  private asked: Asked | undefined;
  /** The request's header section as the server gets it. */
  private section: readonly string[] = [];
  private sensitive: readonly string[] = [];
  private upstream: Http2Upstream | undefined;
  private server: Http2Stream | undefined;
  /** The final header section is on its way to the client. */
  private answered = false;
  /** What came of the request's body before there was a stream to the server; the client's window bounds it. */
  private readonly early = new ByteQueue();
  private earlyTrailers: HeaderSection | undefined;
  private interim = 0;
  /** The server may still be asked once more, where it has certainly done nothing yet. */
  private mayAskAgain = true;
  /** The server got the whole request with its header section. */
  private isBodiless = false;
  /** Bytes and header sections that came or left, on either side. */
  private moved = 0;
  private movedBefore = 0;
  private quietMs = 0;
  /** Sends the answer that waits for the rest of the request. */
  private held: (() => void) | undefined;
  private restTimer: NodeJS.Timeout | undefined;

  constructor(client: Http2Stream, surroundings: StreamSurroundings) {
    this.client = client;
    this.surroundings = surroundings;
    this.startedMs = surroundings.log.now();
    client.events = this;
  }

  /** Reads, judges and answers or forwards the request of this header section; `ended`: it has no body. */
  begin(head: HeaderSection, ended: boolean): void {
    const asked = this.surroundings.read(head, ended);
    if (isFault(asked)) {
      this.surroundings.log.request(this.facts, "error", asked.fault, []);
      this.reply(asked.status, "Bad request\r\n", { flag: "DPE", reason: asked.fault });
      return;
    }
    const { request, facts } = asked;
    this.asked = asked;
    this.sensitive = head.sensitive;
    this.client.announced = request.length;
    this.facts = facts;
    if (request.redirect) {
      this.record(request, "error", "escaped slash in a path");
      this.reply(request.isGrpc ? 400 : 307, "", undefined, request.path);
      return;
    }
    const judgement = this.judge(asked);
    if (judgement.allowed) this.forward(asked, judgement);
    else {
      this.record(request, "denied", judgement.reason);
      this.reply(403, ACCESS_DENIED);
    }
  }

  headers(stream: Http2Stream, head: HeaderSection, ended: boolean): void {
    if (stream === this.client) this.takeTrailers(head);
    else this.takeAnswer(head, ended);
  }

  data(stream: Http2Stream, bytes: Uint8Array, ended: boolean): void {
    this.moved++;
    if (stream === this.client) this.takeBody(bytes, ended);
    else if (this.answered) this.client.sendData(bytes, ended);
    else this.failed(badAnswer("body before the answer"));
  }

  sent(stream: Http2Stream, bytes: number): void {
    this.moved += bytes;
    if (stream === this.client) this.server?.consume(bytes);
    else this.client.consume(bytes);
  }

  closed(stream: Http2Stream, code: number): void {
    if (stream === this.client) this.clientClosed(code);
    else this.serverClosed(code);
  }

  /** Another policy is in force: a stream that it would not open ends. */
  policyChanged(): void {
    if (this.asked === undefined || this.upstream === undefined || this.held) return;
    const { allowed, reason } = this.judge(this.asked);
    if (allowed) return;
    // an answer may be complete while the server still takes the rest of the body
    if (this.answered) this.reset(ErrorCode.Cancel);
    else this.reply(403, ACCESS_DENIED, { flag: "", reason: `policy changed: ${reason}` });
  }

  /** Told every `sinceMs` milliseconds; ends the exchange when it has not moved for too long. */
  sweep(sinceMs: number): void {
    this.quietMs = this.moved === this.movedBefore ? this.quietMs + sinceMs : 0;
    this.movedBefore = this.moved;
    const { limits, idleMs } = this.surroundings;
    const isStalled = this.client.unsent > 0 || (this.server?.unsent ?? 0) > 0;
    if (this.quietMs < (isStalled ? limits.stallMs : idleMs)) return;
    if (this.answered) this.reset(ErrorCode.Cancel);
    else {
      const status = this.client.remoteEnded ? 504 : 408;
      this.reply(status, "stream timeout", { flag: "SI", reason: "nothing moved for too long" });
    }
  }

  /** The client is gone. */
  abandon(): void {
    clearTimeout(this.restTimer);
    this.recordGone();
    this.dropServer(ErrorCode.Cancel);
  }

  /** The client sends no more: a request that is not whole by now never will be. */
  clientEnded(): void {
    this.letGo();
    if (!this.client.remoteEnded) this.reset(ErrorCode.Cancel);
  }

  granted(): void {
    const { upstream } = this;
    if (upstream === undefined) return;
    const { early, earlyTrailers } = this;
    const isWhole = this.client.remoteEnded && earlyTrailers === undefined;
    this.isBodiless = isWhole && early.length === 0;
    const server = upstream.open(this.section, this.sensitive, this.isBodiless, this);
    this.server = server;
    while (early.length > 0) {
      const bytes = early.take(early.length);
      server.sendData(bytes, isWhole && early.length === 0);
    }
    if (earlyTrailers !== undefined) server.sendTrailers(earlyTrailers.section, earlyTrailers.sensitive);
  }

  failed({ failure, detail }: Loss): void {
    const { status, body } = failureReply(failure);
    this.reply(status, body, failureNote(failure, detail));
  }

  refused(): void {
    const { mayAskAgain } = this;
    this.mayAskAgain = false;
    if (mayAskAgain) this.askServer();
    else this.failed(resetLoss(ErrorCode.RefusedStream));
  }

  private judge({ judged }: Asked): Judgement {
    return this.surroundings.judging.judge(judged);
  }

  private record(request: Http2Request, verdict: "denied" | "error", reason: string): void {
    const { log, judging } = this.surroundings;
    log.request(this.facts, verdict, reason, judging.shown(request.fields));
  }

  private forward({ request, judged, section }: Asked, { actions }: Judgement): void {
    const { log, judging } = this.surroundings;
    const edits = editHeaders(judged, actions);
    log.request(this.facts, "forwarded", "", judging.shown(edits.fields), edits);
    this.section = edits.fields === request.fields ? section : requestSection(request, edits.fields);
    const secrets = actions.filter(({ isSecret }) => isSecret);
    if (secrets.length > 0) this.sensitive = [...this.sensitive, ...secrets.map(({ name }) => name)];
    this.askServer();
  }

  private askServer(): void {
    try {
      this.upstream = this.surroundings.upstream();
    } catch (error) {
      this.failed({ failure: "local connection failure", detail: errorCode(error) });
      return;
    }
    this.upstream.ask(this);
  }

  /** Answers in place of the server, `failure` saying why it does not. What still comes of the request is given up. */
  private reply(status: number, text: string, failure?: { flag: string; reason: string }, location?: string): void {
    const { client } = this;
    if (this.answered || client.closed) return;
    this.answered = true;
    this.dropServer(ErrorCode.Cancel);
    const answer = http2Reply(this.asked?.request ?? UNREAD, status, text, location);
    this.surroundings.log.response(this.facts, answer.status, this.startedMs, fieldsOf(answer.section), failure);
    this.held = () => {
      client.sendHeaders(answer.section, [], answer.body === "");
      if (answer.body !== "") client.sendData(latin1Bytes(answer.body), true);
      client.refuseRest();
    };
    if (client.remoteEnded) this.letGo();
    else this.restTimer = setTimeout(() => this.letGo(), REST_GRACE_MS);
  }

  /** The answer waits no longer. */
  private letGo(): void {
    const { held } = this;
    this.held = undefined;
    clearTimeout(this.restTimer);
    held?.();
  }

  private reset(code: number): void {
    this.dropServer(code);
    this.client.reset(code);
    this.surroundings.over(this);
  }

  private dropServer(code: number): void {
    const { server, upstream } = this;
    this.server = undefined;
    this.early.clear();
    if (server === undefined) upstream?.withdraw(this);
    else {
      server.reset(code);
      upstream?.released();
    }
  }

  private takeBody(bytes: Uint8Array, ended: boolean): void {
    if (this.server !== undefined) this.server.sendData(bytes, ended);
    else if (!this.answered) this.early.push(bytes, 0);
    else if (ended) this.letGo();
  }

  private takeTrailers(head: HeaderSection): void {
    const { log, judging } = this.surroundings;
    const fault = head.tooLarge ? "trailers that are too large" : trailerFault(head.section, judging.isJudged);
    if (fault !== undefined) {
      log.request(this.facts, "error", fault, []);
      this.reset(ErrorCode.Protocol);
    } else if (this.server !== undefined) this.server.sendTrailers(head.section, head.sensitive);
    else {
      this.earlyTrailers = head;
      this.letGo();
    }
  }

  private takeAnswer(head: HeaderSection, ended: boolean): void {
    this.moved++;
    if (this.answered) {
      this.takeAnswerTrailers(head, ended);
      return;
    }
    const answer = this.upstream!.read(head, this.facts.method);
    if (isFault(answer)) {
      this.failed(badAnswer(answer.fault));
      return;
    }
    if (answer.status < 200) {
      if (ended || ++this.interim > this.surroundings.limits.interimAnswers)
        this.failed(badAnswer("too many interim answers"));
      else this.client.sendHeaders(head.section, head.sensitive, false);
      return;
    }
    if (ended && answer.length > 0) {
      this.failed(badAnswer("content-length without a body"));
      return;
    }
    this.answered = true;
    if (this.server !== undefined) this.server.announced = answer.length;
    this.surroundings.log.response(this.facts, answer.status, this.startedMs, answer.fields);
    this.client.sendHeaders(head.section, head.sensitive, ended);
  }

  private takeAnswerTrailers(head: HeaderSection, ended: boolean): void {
    if (!ended || head.tooLarge || trailerFault(head.section) !== undefined) this.reset(ErrorCode.Protocol);
    else this.client.sendTrailers(head.section, head.sensitive);
  }

  private clientClosed(code: number): void {
    clearTimeout(this.restTimer);
    // the answer is complete, but the server may still want the rest of the request
    if (code === ErrorCode.None && this.server !== undefined && !this.server.closed) return;
    this.recordGone();
    this.dropServer(code === ErrorCode.None ? ErrorCode.Cancel : code);
    this.surroundings.over(this);
  }

  /** Somebody asked, and will not hear the answer. */
  private recordGone(): void {
    if (this.answered) return;
    this.answered = true;
    this.surroundings.log.response(this.facts, 0, this.startedMs, [], { flag: "DC", reason: "client gone" });
  }

  private serverClosed(code: number): void {
    const { client, server, upstream } = this;
    if (server === undefined) return;
    this.server = undefined;
    // a refused stream was not looked at (RFC 9113, 8.7); a body that has gone to it cannot be sent again
    if (!this.answered && code === ErrorCode.RefusedStream && this.isBodiless) this.refused();
    else if (!this.answered) this.failed(upstream?.loss ?? resetLoss(code));
    else if (!server.remoteEnded) client.reset(code || ErrorCode.Internal);
    else client.refuseRest();
    upstream?.released();
    if (client.closed) this.surroundings.over(this);
  }
}

function fieldsOf(section: readonly string[]): { name: string; value: string }[] {
  const fields: { name: string; value: string }[] = [];
  for (let at = 0; at < section.length; at += 2) {
    const name = section[at]!;
    if (!name.startsWith(":")) fields.push({ name, value: section[at + 1]! });
  }
  return fields;
}
