import { HeadReader, type HttpFault } from "../wire/http-head.ts";
import { HeadMemo } from "../wire/http-memo.ts";
import type { HttpResponse } from "../wire/http-response.ts";
import { ConnectionLog } from "./access.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { ClientConnection, ClientConnectionOptions } from "./client-connection.ts";
import { type AskedHead, Exchange, forwardedHead, isRepeatable, isWebSocket, readAskedHead } from "./exchange.ts";
import { editHeaders } from "./header-edits.ts";
import { ACCESS_DENIED, type FailureReply, failureNote, failureReply } from "./local-reply.ts";
import { OwnAnswers } from "./own-answers.ts";
import { RequestJudge } from "./request-judge.ts";
import { type Judgement, refused } from "./request-policy.ts";
import { type ResponseEvents, ResponseReader } from "./response-reader.ts";
import { errorCode, type UpstreamFailure, UpstreamLink } from "./upstream-link.ts";

const requests = new HeadMemo(readAskedHead);

/** A body that nobody will read is taken in up to this many bytes; beyond, the connection ends. */
const MAX_DISCARDED_BYTES = 1024 * 1024;
const LATE: HttpFault = { fault: "head that took too long", status: 408 };

/** `head`: the next bytes are a request's. `closing`: what still comes is thrown away. */
type Phase = "head" | "body" | "tunnel" | "closing";

/**
 * One client connection. Requests are taken one after the other: the next is looked at only when the answer to the one
 * before is complete, so answers keep their order and every request, pipelined or not, is judged by the policy of its
 * moment. No byte reaches the server that is not part of an allowed request.
 */
export class HttpConnection implements ClientConnection {
  private readonly options: ClientConnectionOptions<ByteStream>;
  private readonly client: ByteStream;
  private readonly judging: RequestJudge;
  private readonly log: ConnectionLog;
  private readonly own: OwnAnswers;
  private readonly heads = new HeadReader();
  private readonly answers: ResponseEvents = {
    bytes: (part) => this.sendToClient(part),
    head: (response) => this.responseHead(this.exchange!, response),
    switched: (response) => this.switchProtocols(this.exchange!, response),
    done: () => {
      this.exchange!.answered = true;
    },
    fault: (reason) => this.unavailable(this.exchange!, "protocol error", reason),
  };
  private phase: Phase = "head";
  private exchange: Exchange | undefined;
  private upstream: UpstreamLink | undefined;
  /** Bytes that came while an answer was outstanding. */
  private waiting: Uint8Array | undefined;
  private clientEnded = false;
  private draining = false;
  /** Runs while a head is there in part. */
  private headTimer: NodeJS.Timeout | undefined;

  /** What the client sends is given to `receive`. */
  constructor(options: ClientConnectionOptions<ByteStream>) {
    this.options = options;
    this.client = options.client;
    this.judging = new RequestJudge(options);
    this.log = new ConnectionLog(options.facts, options.record, options.now);
    this.own = new OwnAnswers(options.client, this.log);
    this.client.setNoDelay(true);
    this.client.setTimeout(options.limits.idleMs, () => this.idle());
    this.client.on("end", () => this.clientEnd());
    this.client.on("drain", () => {
      this.upstream?.resume();
      this.resumeClient();
    });
    this.client.on("error", () => this.clientGone());
    this.client.on("close", () => this.clientGone());
  }

  /** Ends the connection once the exchange under way, if any, is complete. */
  drain(): void {
    this.draining = true;
    if (this.phase === "tunnel") this.destroy();
    else if (this.exchange === undefined) this.close();
  }

  /** What is under way and would no longer be begun ends; a tunnel has no next request at which a new policy could bite. */
  policyChanged(): void {
    const exchange = this.exchange;
    if (exchange?.response === undefined || this.phase === "closing") return;
    const { allowed, reason } = this.judge(exchange.asked);
    if (allowed) return;
    if (this.phase === "tunnel") this.destroy();
    else this.fail(exchange, { status: 403, body: ACCESS_DENIED, flag: "" }, `policy changed: ${reason}`);
  }

  destroy(): void {
    this.phase = "closing";
    clearTimeout(this.headTimer);
    this.dropUpstream();
    this.client.destroy();
  }

  /** Nothing moved for too long. */
  private idle(): void {
    const exchange = this.exchange;
    if (exchange === undefined || this.phase === "closing") this.close();
    else {
      const status = exchange.body.done ? 504 : 408;
      this.fail(exchange, { status, body: "stream timeout", flag: "SI" }, "nothing moved for too long");
    }
  }

  private clientGone(): void {
    this.logGone();
    this.destroy();
  }

  /** Somebody asked, and will not hear the answer. */
  private logGone(): void {
    const exchange = this.exchange;
    if (exchange?.response?.started !== false || this.phase === "closing" || this.phase === "tunnel") return;
    this.log.response(exchange.facts, 0, exchange.startedMs, [], { flag: "DC", reason: "client gone" });
  }

  /** Takes bytes of the client, which are its own for the moment only. */
  receive(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && this.phase !== "closing") {
      if (this.phase === "tunnel") {
        this.send(chunk.subarray(at));
        return;
      }
      if (this.phase === "head" && this.exchange !== undefined) {
        this.waiting = new Uint8Array(chunk.subarray(at)); // the chunk is ours for the moment only
        this.client.pause();
        return;
      }
      at += this.phase === "head" ? this.takeHead(chunk, at) : this.takeBody(this.exchange!, chunk, at);
    }
    if (this.clientEnded && this.exchange === undefined) this.close();
  }

  private takeHead(chunk: Uint8Array, at: number): number {
    const progress = requests.take(this.heads, chunk, at);
    if (progress.state === "more") {
      // One that comes drop by drop would hold its memory for as long as it likes.
      this.headTimer ??= setTimeout(() => this.refuse(LATE), this.options.limits.headMs);
      return chunk.length - at;
    }
    clearTimeout(this.headTimer);
    this.headTimer = undefined;
    if (progress.state === "fault") {
      this.refuse(progress.fault);
      return 0;
    }
    this.begin(progress.message, progress.bytes);
    return progress.consumed;
  }

  private begin(asked: AskedHead, bytes: Uint8Array): void {
    if (this.options.policy() === undefined) {
      this.close();
      return;
    }
    if (asked.request.redirect) {
      this.answer(asked, "error", "escaped slash in a path", 307, "");
      return;
    }
    const judgement = this.judge(asked);
    if (judgement.allowed) this.forward(asked, judgement, bytes);
    else this.answer(asked, "denied", judgement.reason, 403, ACCESS_DENIED);
  }

  /** An upgrade other than to WebSocket would hide requests from the policy. */
  private judge({ request, judged }: AskedHead): Judgement {
    if (request.upgrade !== undefined && !isWebSocket(request)) return refused("upgrade");
    return this.judging.judge(judged);
  }

  private takeBody(exchange: Exchange, chunk: Uint8Array, at: number): number {
    const taken = exchange.body.take(chunk, at, chunk.length);
    if (exchange.response === undefined) exchange.discarded += taken;
    else if (taken > 0) this.send(chunk.subarray(at, at + taken));
    if (exchange.body.fault !== undefined) this.refuseBody(exchange, exchange.body.fault);
    else if (exchange.discarded > MAX_DISCARDED_BYTES) this.close();
    if (!exchange.body.done) return taken;
    this.phase = "head";
    if (exchange.answered) this.finish(exchange);
    return taken;
  }

  /** The bytes are no request: nobody can say where the next one begins. */
  private refuse(fault: HttpFault): void {
    this.own.refuse(fault);
    this.close();
  }

  private refuseBody(exchange: Exchange, reason: string): void {
    this.log.request(exchange.facts, "error", reason, this.judging.shown(exchange.request.fields));
    this.fail(exchange, { status: 400, body: "Bad request\r\n", flag: "DPE" }, reason);
  }

  /** The proxy answers itself; the request's body is thrown away so that the connection can go on. */
  private answer(asked: AskedHead, verdict: "denied" | "error", reason: string, status: number, body: string): void {
    const { request } = asked;
    const exchange = new Exchange(asked, this.options.now(), this.judging.isJudged);
    const close = !request.keepAlive || (request.expectsContinue && !exchange.body.done);
    this.log.request(exchange.facts, verdict, reason, this.judging.shown(request.fields));
    const isTaken = this.own.give(exchange, { status, body, close });
    if (close) {
      this.close();
      return;
    }
    if (!isTaken) this.client.pause();
    exchange.answered = true;
    this.start(exchange);
    if (exchange.body.done) this.finish(exchange);
  }

  private forward(asked: AskedHead, { actions }: Judgement, bytes: Uint8Array): void {
    const { request } = asked;
    const exchange = new Exchange(asked, this.options.now(), this.judging.isJudged);
    const edits = editHeaders(asked.judged, actions);
    this.log.request(exchange.facts, "forwarded", "", this.judging.shown(edits.fields), edits);
    const { method, version } = request;
    exchange.response = new ResponseReader(
      { method, version, mayUpgrade: request.upgrade !== undefined },
      this.answers,
    );
    this.start(exchange);
    const head = forwardedHead(request, edits.fields, bytes);
    if (this.upstream !== undefined && isRepeatable(request)) exchange.again = head;
    else if (this.upstream === undefined && !this.openUpstream(exchange)) return;
    this.send(head);
  }

  private start(exchange: Exchange): void {
    this.exchange = exchange;
    this.phase = exchange.body.done ? "head" : "body";
  }

  /** Both halves of an exchange are over: what waited comes next. */
  private finish(exchange: Exchange): void {
    if (!exchange.body.done) {
      if (!exchange.keepAlive) this.close();
      return;
    }
    this.exchange = undefined;
    if (!exchange.keepAlive || this.draining) {
      this.close();
      return;
    }
    const next = this.waiting;
    this.waiting = undefined;
    if (next !== undefined) {
      this.resumeClient();
      this.receive(next);
    } else if (this.clientEnded) this.close();
  }

  private openUpstream(exchange: Exchange): boolean {
    try {
      const socket = this.options.connectStream(this.options.facts);
      this.upstream = new UpstreamLink(socket, this.options.connectTimeoutMs, {
        data: (chunk) => this.consumeAnswer(chunk),
        drain: () => this.resumeClient(),
        end: () => this.upstreamEnd(),
        gone: (failure, detail) => this.upstreamGone(failure, detail),
      });
      return true;
    } catch (error) {
      this.unavailable(exchange, "local connection failure", errorCode(error));
      return false;
    }
  }

  private send(bytes: Uint8Array): void {
    if (this.upstream?.write(bytes) === false) this.client.pause();
  }

  /** Reads on unless bytes wait for their turn, the server is slow, or the client does not take the proxy's answers. */
  private resumeClient(): void {
    const answersLocally = this.exchange?.response === undefined;
    if (this.waiting !== undefined || this.upstream?.needsDrain === true) return;
    if (answersLocally && this.client.writableNeedDrain && this.phase !== "closing") return;
    this.client.resume();
  }

  private sendToClient(bytes: Uint8Array): void {
    if (!this.client.write(bytes)) this.upstream?.pause();
  }

  private consumeAnswer(chunk: Uint8Array): void {
    if (this.phase === "tunnel") {
      this.sendToClient(chunk);
      return;
    }
    const exchange = this.exchange;
    const upstream = this.upstream;
    const taken = exchange?.answered === false ? (exchange.response?.push(chunk) ?? 0) : 0;
    if (taken < chunk.length && upstream === this.upstream) this.surplus(chunk.subarray(taken));
    if (exchange?.answered === true) this.finish(exchange);
  }

  /** Bytes after an answer: the first of a tunnel, or a server that cannot be followed any more. */
  private surplus(bytes: Uint8Array): void {
    if (this.phase === "tunnel") this.sendToClient(bytes);
    else this.dropUpstream();
  }

  private responseHead(exchange: Exchange, response: HttpResponse): void {
    this.log.response(exchange.facts, response.status, exchange.startedMs, response.fields);
    const bodyMayNeverCome = exchange.request.expectsContinue && !exchange.body.done;
    exchange.keepAlive &&= response.keepAlive && !bodyMayNeverCome;
  }

  private switchProtocols(exchange: Exchange, response: HttpResponse): void {
    this.responseHead(exchange, response);
    this.phase = "tunnel";
    this.client.setTimeout(0);
    this.client.setKeepAlive(true, this.options.limits.idleMs);
    const first = this.waiting;
    this.waiting = undefined;
    this.resumeClient();
    if (first !== undefined) this.send(first);
  }

  private upstreamEnd(): void {
    if (this.phase === "tunnel") this.client.end();
    else this.upstreamGone("connection termination", "");
  }

  /** `detail` is empty when the server ended in order. */
  private upstreamGone(failure: UpstreamFailure, detail: string): void {
    this.dropUpstream();
    const exchange = this.exchange;
    if (this.phase === "tunnel") this.destroy();
    else if (exchange?.response === undefined || this.phase === "closing") return;
    else if (exchange.answered || (detail === "" && exchange.response.endsWithConnection)) this.close();
    else if (detail === "" && exchange.response.inHead) this.unavailable(exchange, "protocol error", "head cut off");
    else if (!this.sendAgain(exchange)) this.unavailable(exchange, failure, detail);
  }

  /** A server may close a kept connection at the moment at which it is used; it has not looked at the request then. */
  private sendAgain(exchange: Exchange): boolean {
    const head = exchange.again;
    exchange.again = undefined;
    if (head === undefined || exchange.response?.untouched !== true) return false;
    if (this.openUpstream(exchange)) this.send(head);
    return true;
  }

  private unavailable(exchange: Exchange, failure: UpstreamFailure, detail: string): void {
    this.fail(exchange, failureReply(failure), failureNote(failure, detail).reason);
  }

  /** Answers in place of the server, unless its answer has begun. The connection goes on where the request was complete. */
  private fail(exchange: Exchange, { status, body, flag }: FailureReply, reason: string): void {
    this.dropUpstream();
    if (exchange.response?.started === true) {
      this.destroy();
      return;
    }
    const goesOn = status >= 502 && exchange.body.done && exchange.keepAlive;
    if (exchange.response !== undefined) this.own.give(exchange, { status, body, close: !goesOn }, { flag, reason });
    exchange.answered = true;
    if (goesOn) this.finish(exchange);
    else this.close();
  }

  private clientEnd(): void {
    this.clientEnded = true;
    if (this.phase === "tunnel") this.upstream?.end();
    else if (this.exchange?.body.done !== true) {
      this.logGone();
      this.close();
    }
  }

  /** Sends what is written and ends; bytes that still come are thrown away, so that they do not reset the answer. */
  private close(): void {
    if (this.phase === "closing") return;
    this.phase = "closing";
    this.waiting = undefined;
    clearTimeout(this.headTimer);
    this.dropUpstream();
    this.client.end(() => {
      const timer = setTimeout(() => this.client.destroy(), this.options.limits.lingerMs);
      this.client.once("close", () => clearTimeout(timer));
    });
    this.client.resume();
  }

  private dropUpstream(): void {
    const upstream = this.upstream;
    this.upstream = undefined;
    upstream?.destroy();
  }
}
