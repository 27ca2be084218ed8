import type { HeaderSection } from "../wire/hpack-decoder.ts";
import type { HttpFault } from "../wire/http-head.ts";
import { Http2Session } from "../wire/http2-session.ts";
import type { Http2Stream } from "../wire/http2-stream.ts";
import { SectionMemo } from "../wire/section-memo.ts";
import { ConnectionLog, NO_REQUEST } from "./access.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { ClientConnection, ClientConnectionOptions } from "./client-connection.ts";
import { type Asked, readAsked } from "./http2-asked.ts";
import { Http2Exchange, type StreamSurroundings } from "./http2-exchange.ts";
import { HTTP2_LIMITS, type Http2Limits } from "./http2-limits.ts";
import { Http2Output } from "./http2-output.ts";
import { Http2Upstream } from "./http2-upstream.ts";
import { RequestJudge } from "./request-judge.ts";

/**
 * One client connection that speaks HTTP/2 from its first byte (RFC 9113, 3.3). Each stream is judged for itself, by the
 * policy of the moment its header section is complete; what is allowed goes to the server over one connection of this
 * client's own.
 */
export class Http2Connection implements ClientConnection, StreamSurroundings {
  readonly log: ConnectionLog;
  readonly limits: Http2Limits;
  readonly idleMs: number;
  readonly judging: RequestJudge;
  private readonly options: ClientConnectionOptions<ByteStream>;
  private readonly session: Http2Session;
  private readonly output: Http2Output;
  private readonly requests = new SectionMemo<boolean, Asked | HttpFault>(readAsked);
  private readonly exchanges = new Set<Http2Exchange>();
  /** The last one takes new streams; those before it end with theirs. */
  private readonly upstreams = new Set<Http2Upstream>();
  private present: Http2Upstream | undefined;
  private readonly sweeper: NodeJS.Timeout;
  private readonly timers: NodeJS.Timeout[] = [];
  private isLeaving = false;
  private hasEnded = false;
  private unusedMs = 0;

  /** What the client sends, from the preface on, is given to `receive`. */
  constructor(options: ClientConnectionOptions<ByteStream>, limits = HTTP2_LIMITS) {
    this.options = options;
    this.limits = limits;
    this.idleMs = options.limits.idleMs;
    this.judging = new RequestJudge(options);
    const { client, facts, record, now } = options;
    this.log = new ConnectionLog(facts, record, now);
    const prefaceTimer = setTimeout(() => this.destroy(), limits.prefaceMs);
    this.timers.push(prefaceTimer);
    this.output = new Http2Output(client, () => this.session.pump());
    this.session = new Http2Session({
      role: "server",
      limits,
      now,
      output: this.output,
      events: {
        opened: (stream, head, ended) => this.open(stream, head, ended),
        ready: () => clearTimeout(prefaceTimer),
        goaway: () => undefined,
        failed: (_, reason) => this.failed(reason),
      },
    });
    this.sweeper = setInterval(() => this.sweep(), limits.stallMs);
    client.setNoDelay(true);
    client.on("end", () => this.clientEnd());
    client.on("error", () => this.destroy());
    client.on("close", () => this.destroy());
  }

  /** Takes bytes of the client, which are its own for the moment only. */
  receive(chunk: Uint8Array): void {
    if (!this.hasEnded) this.session.receive(chunk);
  }

  /** Says goodbye (GOAWAY); streams under way may end in peace, though not for long: some would never. */
  drain(): void {
    if (this.isLeaving) return;
    this.isLeaving = true;
    this.session.leave();
    this.timers.push(setTimeout(() => this.destroy(), this.limits.drainMs));
    this.endIfOver();
  }

  policyChanged(): void {
    for (const exchange of [...this.exchanges]) exchange.policyChanged();
  }

  destroy(): void {
    this.stop();
    this.options.client.destroy();
  }

  read(head: HeaderSection, ended: boolean): Asked | HttpFault {
    return this.requests.meaningOf(head, ended);
  }

  upstream(): Http2Upstream {
    if (this.present?.usable === true) return this.present;
    const { connectStream, facts, connectTimeoutMs, now } = this.options;
    const made = new Http2Upstream(connectStream(facts), connectTimeoutMs, this.limits, now, () => {
      this.upstreams.delete(made);
    });
    this.upstreams.add(made);
    this.present = made;
    return made;
  }

  over(exchange: Http2Exchange): void {
    this.exchanges.delete(exchange);
    this.endIfOver();
  }

  private open(stream: Http2Stream, head: HeaderSection, ended: boolean): void {
    const exchange = new Http2Exchange(stream, this);
    this.exchanges.add(exchange);
    exchange.begin(head, ended);
  }

  /** The client broke the rules of the connection. */
  private failed(reason: string): void {
    this.log.request(NO_REQUEST, "error", `HTTP/2: ${reason}`, []);
    this.end();
  }

  private clientEnd(): void {
    this.isLeaving = true;
    for (const exchange of [...this.exchanges]) exchange.clientEnded();
    // an answer that waits for the client's window waits for ever: nothing comes from there any more
    this.timers.push(setTimeout(() => this.destroy(), this.limits.drainMs));
    this.endIfOver();
  }

  private endIfOver(): void {
    if (this.isLeaving && this.exchanges.size === 0) this.end();
  }

  /** Sends what is written and ends; bytes that still come are thrown away, so that they do not reset the answers. */
  private end(): void {
    if (this.hasEnded) return;
    this.stop();
    this.output.end();
    this.options.client.resume();
    this.timers.push(setTimeout(() => this.options.client.destroy(), this.options.limits.lingerMs));
  }

  /** Gives up all that is under way, but for what is written. */
  private stop(): void {
    this.hasEnded = true;
    clearInterval(this.sweeper);
    for (const timer of this.timers) clearTimeout(timer);
    for (const exchange of this.exchanges) exchange.abandon();
    this.exchanges.clear();
    for (const upstream of this.upstreams) upstream.destroy();
  }

  /** Ends what has not moved for too long, and a connection that nobody uses. */
  private sweep(): void {
    const { stallMs } = this.limits;
    this.unusedMs = this.exchanges.size > 0 ? 0 : this.unusedMs + stallMs;
    for (const exchange of [...this.exchanges]) exchange.sweep(stallMs);
    if (this.unusedMs >= this.idleMs) this.drain();
  }
}
