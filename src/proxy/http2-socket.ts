import type { Socket } from "node:net";
import type { SessionOutput } from "../wire/http2-session-options.ts";

/** Bytes that wait for the socket before bodies are held back. */
const HELD_BACK = 256 * 1024;
/** Bytes that wait for a peer who reads nothing but has answers coming: beyond, it is cut off. */
const PILED_UP = 8 * 1024 * 1024;

/** A socket's writing side for a session: what one turn of the event loop writes leaves in one piece. */
export class Http2Socket implements SessionOutput {
  private readonly socket: Socket;
  private readonly drained: () => void;
  private pending: Uint8Array[] = [];
  private size = 0;

  /** `drained`: bodies may go on. */
  constructor(socket: Socket, drained: () => void) {
    this.socket = socket;
    this.drained = drained;
    socket.on("drain", drained);
  }

  get isBlocked(): boolean {
    return this.size >= HELD_BACK || this.socket.writableNeedDrain;
  }

  write(bytes: Uint8Array): void {
    if (this.pending.length === 0) process.nextTick(this.flush);
    this.pending.push(bytes);
    this.size += bytes.length;
  }

  /** Sends what is written and ends this side. */
  end(): void {
    this.flush();
    this.socket.end();
  }

  private readonly flush = (): void => {
    if (this.pending.length === 0) return;
    const wasHeldBack = this.size >= HELD_BACK;
    const bytes = this.pending.length === 1 ? this.pending[0]! : Buffer.concat(this.pending, this.size);
    this.pending = [];
    this.size = 0;
    if (this.socket.destroyed || this.socket.writableEnded) return;
    const goesOn = this.socket.write(bytes);
    if (this.socket.writableLength > PILED_UP) this.socket.destroy();
    else if (wasHeldBack && goesOn) this.drained();
  };
}
