/** Two ends of a connection without a kernel: nothing arrives late, and thousands of streams take a second. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

class MemorySocket extends Duplex {
  peer!: MemorySocket;
  private taken: (() => void) | undefined;

  constructor() {
    super({ allowHalfOpen: true, highWaterMark: 16 * 1024 });
  }

  /** As with the proxy's own streams, bytes are the reader's for the moment only: who keeps them finds others. */
  override emit(event: string | symbol, ...values: unknown[]): boolean {
    const heard = super.emit(event, ...values);
    if (event === "data") (values[0] as Buffer).fill("?");
    return heard;
  }

  /** Nor are bytes that were written any more the writer's: they may be others as soon as this returns. */
  override write(chunk: Uint8Array, ...rest: never[]): boolean {
    return super.write(Buffer.from(chunk), ...rest);
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    if (this.peer.destroyed || this.peer.push(Buffer.from(chunk))) done();
    else this.peer.taken = done;
  }

  override _read(): void {
    const { taken } = this;
    this.taken = undefined;
    taken?.();
  }

  override _final(done: () => void): void {
    if (!this.peer.destroyed) this.peer.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { peer } = this;
    this._read();
    if (!peer.destroyed && !peer.readableEnded && !this.writableFinished) peer.push(null);
    done(error);
  }

  resetAndDestroy(): this {
    this.peer.destroy(Object.assign(new Error("reset"), { code: "ECONNRESET" }));
    return this.destroy();
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }
}

/** The client's and the server's end. */
export function memoryConnection(): readonly [Socket, Socket] {
  const [client, server] = [new MemorySocket(), new MemorySocket()];
  client.peer = server;
  server.peer = client;
  for (const end of [client, server]) end.on("error", () => undefined);
  return [client, server] as unknown as readonly [Socket, Socket];
}
