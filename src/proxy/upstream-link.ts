import type { Socket } from "node:net";
import type { ConnectionFacts } from "./access.ts";
import type { ByteStream } from "./byte-stream.ts";

/** Makes the connection to the server that the client meant; it may still be connecting. Throws when it cannot begin. */
export type UpstreamConnect = (facts: ConnectionFacts) => Socket;
/** The same, for who needs no socket of node's. */
export type StreamConnect = (facts: ConnectionFacts) => ByteStream;

/** Why there will be no answer, in Envoy's words, which users and dashboards know. */
export type UpstreamFailure =
  | "local connection failure"
  | "remote connection failure"
  | "connection timeout"
  | "connection termination"
  | "remote reset"
  | "remote refused stream reset"
  | "protocol error";

export interface UpstreamEvents {
  data(chunk: Uint8Array): void;
  drain(): void;
  /** The server will send no more. */
  end(): void;
  /** The connection is lost, and the errno's name where there is one; not called after `destroy`. */
  gone(failure: UpstreamFailure, detail: string): void;
}

/** The server's side of one client connection. After `destroy` nothing is heard of it. */
export class UpstreamLink {
  private readonly socket: ByteStream;
  private connectTimer: NodeJS.Timeout | undefined;
  private destroyed = false;

  constructor(socket: ByteStream, connectTimeoutMs: number, events: UpstreamEvents) {
    this.socket = socket;
    const lost = (detail: string) => {
      if (this.destroyed) return;
      events.gone(this.connectTimer === undefined ? "connection termination" : "remote connection failure", detail);
    };
    this.connectTimer = setTimeout(() => {
      if (!this.destroyed) events.gone("connection timeout", "");
    }, connectTimeoutMs);
    socket.on("data", (chunk: Uint8Array) => {
      if (!this.destroyed) events.data(chunk);
    });
    socket.on("drain", () => {
      if (!this.destroyed) events.drain();
    });
    socket.on("end", () => {
      if (!this.destroyed) events.end();
    });
    socket.on("error", (error) => lost(errorCode(error)));
    socket.on("close", () => lost(""));
  }

  get needsDrain(): boolean {
    return this.socket.writableNeedDrain;
  }

  /** False when the server is slower than the client: wait for `drain`. */
  write(bytes: Uint8Array): boolean {
    if (this.connectTimer === undefined) return this.socket.write(bytes);
    return this.socket.write(bytes, (error) => {
      if (!error) this.stopTimer();
    });
  }

  end(): void {
    this.socket.end();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  destroy(): void {
    this.destroyed = true;
    this.stopTimer();
    this.socket.destroy();
  }

  private stopTimer(): void {
    clearTimeout(this.connectTimer);
    this.connectTimer = undefined;
  }
}

/** The errno's name where there is one. */
export function errorCode(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code ?? (error instanceof Error ? error.message : String(error));
}
