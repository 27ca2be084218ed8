import { CLIENT_PREFACE } from "../wire/http2-frame.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { ClientConnection, ClientConnectionOptions } from "./client-connection.ts";
import { HttpConnection } from "./http-connection.ts";
import { Http2Connection } from "./http2-connection.ts";
import { HTTP2_LIMITS, type Http2Limits } from "./http2-limits.ts";

const PREFACE = Buffer.from(CLIENT_PREFACE);

/** A connection whose first bytes decide: HTTP/2 by its preface, HTTP/1 by everything else. */
export class HttpDetection implements ClientConnection {
  private readonly options: ClientConnectionOptions<ByteStream>;
  private readonly limits: Http2Limits;
  /** The part of a preface that has come. */
  private held: Uint8Array = new Uint8Array();
  private chosen: HttpConnection | Http2Connection | undefined;

  constructor(options: ClientConnectionOptions<ByteStream>, limits = HTTP2_LIMITS) {
    this.options = options;
    this.limits = limits;
    const { client } = options;
    client.setTimeout(options.limits.idleMs);
    client.on("data", (chunk) => this.take(chunk));
    for (const event of ["end", "timeout", "close"] as const) client.on(event, () => this.giveUp());
    client.on("error", () => this.giveUp());
  }

  drain(): void {
    this.giveUp();
    this.chosen?.drain();
  }

  policyChanged(): void {
    this.chosen?.policyChanged();
  }

  destroy(): void {
    this.giveUp();
    this.chosen?.destroy();
  }

  private take(chunk: Uint8Array): void {
    if (this.chosen !== undefined) {
      this.chosen.receive(chunk);
      return;
    }
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    const compared = Math.min(bytes.length, PREFACE.length);
    const isPreface = PREFACE.compare(bytes, 0, compared, 0, compared) === 0;
    if (!isPreface || compared === PREFACE.length) {
      this.choose(isPreface, bytes);
      return;
    }
    if (this.held.length === 0) this.options.client.setTimeout(this.options.limits.headMs);
    this.held = Uint8Array.from(bytes); // the chunk is ours for the moment only
  }

  private choose(isHttp2: boolean, first: Uint8Array): void {
    if (isHttp2) this.options.client.setTimeout(0);
    this.chosen = isHttp2 ? new Http2Connection(this.options, this.limits) : new HttpConnection(this.options);
    this.chosen.receive(first);
  }

  /** No whole request has come, nor can one come any more. */
  private giveUp(): void {
    if (this.chosen === undefined) this.options.client.destroy();
  }
}
