import type { Socket } from "node:net";
import { DnsStreamReader, dnsFrame } from "../wire/dns-stream.ts";
import type { ConnectionFacts } from "./access.ts";
import type { ClientConnection } from "./client-connection.ts";
import type { DnsClient, DnsExchange } from "./dns-exchange.ts";
import { type DnsAsker, DnsQuestions } from "./dns-questions.ts";
import { errorCode, type UpstreamConnect, UpstreamLink } from "./upstream-link.ts";

/** A client that asks nothing for this long is let go (RFC 7766, 6.2.3); in ms. */
const IDLE_MS = 30_000;
/** Questions that one client may have open; more wait in its socket. */
const MAX_OPEN = 128;

export interface DnsConnectionOptions {
  readonly client: Socket;
  readonly facts: ConnectionFacts;
  readonly exchange: DnsExchange;
  readonly connectUpstream: UpstreamConnect;
  readonly connectTimeoutMs: number;
}

/** DNS over TCP: each question of a client judged on its own, answers in the order in which they come (RFC 7766, 6.2.1.1). */
export class DnsConnection implements ClientConnection {
  private readonly options: DnsConnectionOptions;
  private readonly client: Socket;
  private readonly fromClient = new DnsStreamReader();
  private readonly questions = new DnsQuestions(() => performance.now());
  private readonly dnsClient: DnsClient;
  private upstream: UpstreamLink | undefined;
  private fromServer = new DnsStreamReader();
  private isDraining = false;

  constructor(options: DnsConnectionOptions) {
    this.options = options;
    this.client = options.client;
    this.dnsClient = {
      facts: options.facts,
      transport: "tcp",
      reply: (bytes) => this.reply(bytes),
      ask: (query, asker) => this.ask(query, asker),
    };
    this.client.setNoDelay(true);
    this.client.setTimeout(IDLE_MS, () => this.destroy());
    this.client.on("data", (chunk: Uint8Array) => this.consume(chunk));
    this.client.on("end", () => this.drain());
    this.client.on("drain", () => this.resume());
    this.client.on("error", () => this.destroy());
    this.client.on("close", () => this.destroy());
  }

  /** Ends once every open question is answered. */
  drain(): void {
    this.isDraining = true;
    if (this.questions.size === 0) this.client.end();
  }

  /** The next question is judged by it. */
  policyChanged(): void {}

  destroy(): void {
    this.dropUpstream("closed");
    this.client.destroy();
  }

  private consume(chunk: Uint8Array): void {
    for (const message of this.fromClient.push(chunk)) this.options.exchange.take(this.dnsClient, message);
    if (this.fromClient.failed) this.destroy();
    else if (this.questions.size >= MAX_OPEN) this.client.pause();
  }

  private reply(bytes: Uint8Array): void {
    if (this.client.destroyed || this.client.writableEnded) return;
    // A client that does not read its answers may ask nothing more.
    if (!this.client.write(dnsFrame(bytes))) this.client.pause();
    if (this.isDraining) this.drain();
    else this.resume();
  }

  private resume(): void {
    if (this.questions.size < MAX_OPEN && !this.client.writableNeedDrain) this.client.resume();
  }

  private ask(query: Uint8Array, asker: DnsAsker): void {
    try {
      this.upstream ??= this.openUpstream();
    } catch (error) {
      asker.failed(`upstream: ${errorCode(error)}`);
      return;
    }
    const renamed = this.questions.begin(query, asker);
    if (renamed === undefined) asker.failed("too many questions wait for this server");
    else this.upstream.write(dnsFrame(renamed));
  }

  private openUpstream(): UpstreamLink {
    const socket = this.options.connectUpstream(this.options.facts);
    this.fromServer = new DnsStreamReader();
    return new UpstreamLink(socket, this.options.connectTimeoutMs, {
      data: (chunk) => {
        for (const message of this.fromServer.push(chunk)) this.questions.answer(message);
        if (this.fromServer.failed) this.dropUpstream("a message that is none");
      },
      drain: () => undefined,
      end: () => this.dropUpstream("closed before the answer"),
      gone: (reason) => this.dropUpstream(reason),
    });
  }

  /** The next question opens another way to the server. */
  private dropUpstream(reason: string): void {
    this.upstream?.destroy();
    this.upstream = undefined;
    this.questions.fail(`upstream: ${reason}`);
  }
}
