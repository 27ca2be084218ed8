import type { Socket } from "node:net";
import { type HeadProgress, HeadReader, type HttpFault, isFault } from "../wire/http-head.ts";
import { type HttpRequest, readRequest } from "../wire/http-request.ts";
import type { HttpResponse } from "../wire/http-response.ts";
import { ConnectionLog, NO_REQUEST, peerIdentity } from "./access.ts";
import type { ClientConnection, ClientConnectionOptions } from "./client-connection.ts";
import { Exchange, factsOf, forwardedHead, isWebSocket } from "./exchange.ts";
import { editHeaders, shownFields } from "./header-edits.ts";
import { ACCESS_DENIED, localReply } from "./local-reply.ts";
import { type Judgement, refused } from "./request-policy.ts";
import { ResponseReader } from "./response-reader.ts";
import { errorCode, UpstreamLink } from "./upstream-link.ts";

/** A body that nobody will read is taken in up to this many bytes; beyond, the connection ends. */
const MAX_DISCARDED_BYTES = 1024 * 1024;
const IDLE_TIMEOUT_MS = 300_000;
/** How long a client may take to close after the last answer, before it is cut. */
const LINGER_MS = 1000;

/** `head`: the next bytes are a request's. `closing`: what still comes is thrown away. */
type Phase = "head" | "body" | "tunnel" | "closing";

/**
 * One client connection. Requests are taken one after the other: the next is looked at only when the answer to the one
 * before is complete, so answers keep their order and every request, pipelined or not, is judged by the policy of its
 * moment. No byte reaches the server that is not part of an allowed request.
 */
export class HttpConnection implements ClientConnection {
  private readonly options: ClientConnectionOptions;
  private readonly client: Socket;
  private readonly log: ConnectionLog;
  private readonly heads = new HeadReader();
  private phase: Phase = "head";
  private exchange: Exchange | undefined;
  private upstream: UpstreamLink | undefined;
  /** Bytes that came while an answer was outstanding. */
  private waiting: Uint8Array | undefined;
  private clientEnded = false;
  private draining = false;

  constructor(options: ClientConnectionOptions) {
    this.options = options;
    this.client = options.client;
    this.log = new ConnectionLog(options.facts, options.record, options.now);
    this.client.setNoDelay(true);
    this.client.setTimeout(IDLE_TIMEOUT_MS, () => this.destroy());
    this.client.on("data", (chunk: Uint8Array) => this.consume(chunk));
    this.client.on("end", () => this.clientEnd());
    this.client.on("drain", () => this.clientDrained());
    this.client.on("error", () => this.destroy());
    this.client.on("close", () => this.destroy());
  }

  /** Ends the connection once the exchange under way, if any, is complete. */
  drain(): void {
    this.draining = true;
    if (this.phase === "tunnel") this.destroy();
    else if (this.exchange === undefined) this.close();
  }

  /** A tunnel has no next request at which a new policy could bite: it ends when it would no longer be opened. */
  policyChanged(): void {
    const exchange = this.exchange;
    if (this.phase === "tunnel" && exchange !== undefined && !this.judge(exchange.request).allowed) this.destroy();
  }

  destroy(): void {
    this.phase = "closing";
    this.dropUpstream();
    this.client.destroy();
  }

  private consume(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && this.phase !== "closing") {
      if (this.phase === "tunnel") {
        this.send(chunk.subarray(at));
        return;
      }
      if (this.phase === "head" && this.exchange !== undefined) {
        this.waiting = chunk.subarray(at);
        this.client.pause();
        return;
      }
      at += this.phase === "head" ? this.takeHead(chunk, at) : this.takeBody(this.exchange!, chunk, at);
    }
    if (this.clientEnded && this.exchange === undefined) this.close();
  }

  private takeHead(chunk: Uint8Array, at: number): number {
    const progress = this.heads.push(chunk, at, chunk.length);
    if (progress.state === "more") return chunk.length - at;
    if (progress.state === "fault") {
      this.refuse(progress.fault);
      return 0;
    }
    this.begin(progress);
    return progress.consumed;
  }

  private begin(progress: Extract<HeadProgress, { state: "head" }>): void {
    const request = readRequest(progress.head);
    if (isFault(request)) {
      this.refuse(request);
      return;
    }
    if (this.options.policy() === undefined) {
      this.close();
      return;
    }
    if (request.redirect) {
      this.answer(request, "error", "escaped slash in a path", 307, "");
      return;
    }
    const judgement = this.judge(request);
    if (judgement.allowed) this.forward(request, judgement, progress.bytes);
    else this.answer(request, "denied", judgement.reason, 403, ACCESS_DENIED);
  }

  /** An upgrade other than to WebSocket would hide requests from the policy (HTTP/2 in clear text above all). */
  private judge(request: HttpRequest): Judgement {
    const policy = this.options.policy();
    if (policy === undefined) return refused("redirect is gone");
    if (request.upgrade !== undefined && !isWebSocket(request)) return refused("upgrade");
    const origin = this.options.origin();
    if (origin === undefined) return refused("connection of unknown origin");
    this.options.facts.origin = origin;
    return policy.judge(peerIdentity(origin), factsOf(request));
  }

  /** A request's fields as a record may have them. */
  private shown(fields: HttpRequest["fields"]): HttpRequest["fields"] {
    return shownFields(fields, this.options.policy()?.secretNames);
  }

  private takeBody(exchange: Exchange, chunk: Uint8Array, at: number): number {
    const taken = exchange.body.take(chunk, at, chunk.length);
    if (exchange.response === undefined) exchange.discarded += taken;
    else if (taken > 0) this.send(chunk.subarray(at, at + taken));
    if (exchange.body.fault !== undefined) this.refuseBody(exchange, exchange.body.fault);
    else if (exchange.discarded > MAX_DISCARDED_BYTES) this.close();
    else if (exchange.body.done) this.bodyDone(exchange);
    return taken;
  }

  private bodyDone(exchange: Exchange): void {
    this.phase = "head";
    if (exchange.answered) this.finish(exchange);
  }

  /** The bytes are no request: nobody can say where the next one begins. */
  private refuse(fault: HttpFault): void {
    this.log.request(NO_REQUEST, "error", fault.fault, []);
    this.log.response(NO_REQUEST, fault.status, this.options.now(), []);
    this.client.write(localReply({ status: fault.status, body: "Bad request\r\n", close: true }).bytes);
    this.close();
  }

  private refuseBody(exchange: Exchange, reason: string): void {
    this.log.request(exchange.facts, "error", reason, this.shown(exchange.request.fields));
    if (exchange.response === undefined) {
      this.close();
      return;
    }
    if (exchange.response.started) {
      this.destroy();
      return;
    }
    this.log.response(exchange.facts, 400, exchange.startedMs, []);
    this.client.write(localReply({ status: 400, body: "Bad request\r\n", close: true }).bytes);
    this.close();
  }

  /** The proxy answers itself; the request's body is thrown away so that the connection can go on. */
  private answer(
    request: HttpRequest,
    verdict: "denied" | "error",
    reason: string,
    status: number,
    body: string,
  ): void {
    const exchange = new Exchange(request, this.options.now());
    const close = !request.keepAlive || (request.expectsContinue && !exchange.body.done);
    const reply = localReply({
      status,
      body,
      close,
      headOnly: request.method === "HEAD",
      ...(status === 307 ? { location: request.path } : {}),
    });
    this.log.request(exchange.facts, verdict, reason, this.shown(request.fields));
    this.log.response(exchange.facts, status, exchange.startedMs, reply.headers);
    if (!this.client.write(reply.bytes)) this.client.pause();
    if (close) {
      this.close();
      return;
    }
    exchange.answered = true;
    this.start(exchange);
    if (exchange.body.done) this.finish(exchange);
  }

  private forward(request: HttpRequest, { actions }: Judgement, bytes: Uint8Array): void {
    const exchange = new Exchange(request, this.options.now());
    const edits = editHeaders(factsOf(request), actions);
    this.log.request(exchange.facts, "forwarded", "", this.shown(edits.fields), edits);
    const { method, version } = request;
    exchange.response = new ResponseReader(
      { method, version, mayUpgrade: request.upgrade !== undefined },
      {
        bytes: (part) => this.sendToClient(part),
        head: (response) => this.responseHead(exchange, response),
        switched: (response) => this.switchProtocols(exchange, response),
        done: () => {
          exchange.answered = true;
        },
        fault: (reason) => this.responseFault(exchange, reason),
      },
    );
    this.start(exchange);
    if (this.upstream === undefined && !this.openUpstream(exchange)) return;
    this.send(forwardedHead(request, edits.fields, bytes));
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
      this.consume(next);
    } else if (this.clientEnded) this.close();
  }

  private openUpstream(exchange: Exchange): boolean {
    try {
      const socket = this.options.connectUpstream(this.options.facts);
      this.upstream = new UpstreamLink(socket, this.options.connectTimeoutMs, {
        data: (chunk) => this.consumeAnswer(chunk),
        drain: () => this.resumeClient(),
        end: () => this.upstreamEnd(),
        gone: (reason) => this.upstreamGone(reason),
      });
      return true;
    } catch (error) {
      this.unavailable(exchange, errorCode(error));
      return false;
    }
  }

  private send(bytes: Uint8Array): void {
    if (this.upstream?.write(bytes) === false) this.client.pause();
  }

  private clientDrained(): void {
    this.upstream?.resume();
    this.resumeClient();
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
    const first = this.waiting;
    this.waiting = undefined;
    this.resumeClient();
    if (first !== undefined) this.send(first);
  }

  private responseFault(exchange: Exchange, reason: string): void {
    const started = exchange.response?.started === true;
    this.dropUpstream();
    if (started) this.destroy();
    else this.fail(exchange, 502, reason);
  }

  private upstreamEnd(): void {
    if (this.phase === "tunnel") this.client.end();
    else this.upstreamGone("");
  }

  /** `reason` is empty when the server ended in order. */
  private upstreamGone(reason: string): void {
    this.dropUpstream();
    const exchange = this.exchange;
    if (this.phase === "tunnel") this.destroy();
    else if (exchange?.response === undefined || this.phase === "closing") return;
    else if (exchange.answered || (reason === "" && exchange.response.endsWithConnection)) this.close();
    else if (exchange.response.started) this.destroy();
    else this.unavailable(exchange, reason === "" ? "closed before the answer" : reason);
  }

  private unavailable(exchange: Exchange, reason: string): void {
    this.fail(exchange, 503, `upstream: ${reason}`);
  }

  private fail(exchange: Exchange, status: 502 | 503, reason: string): void {
    const text = "upstream connect error or disconnect before headers\r\n";
    const headOnly = exchange.request.method === "HEAD";
    const reply = localReply({ status, body: text, close: true, headOnly });
    this.log.response(exchange.facts, status, exchange.startedMs, reply.headers, reason);
    this.client.write(reply.bytes);
    this.close();
  }

  private clientEnd(): void {
    this.clientEnded = true;
    if (this.phase === "tunnel") this.upstream?.end();
    else if (this.exchange === undefined || !this.exchange.body.done) this.close();
  }

  /** Sends what is written and ends; bytes that still come are thrown away, so that they do not reset the answer. */
  private close(): void {
    if (this.phase === "closing") return;
    this.phase = "closing";
    this.waiting = undefined;
    this.dropUpstream();
    this.client.end(() => {
      const timer = setTimeout(() => this.client.destroy(), LINGER_MS);
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
