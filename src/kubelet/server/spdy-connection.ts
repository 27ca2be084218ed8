import type { Duplex } from "node:stream";
import { createInflate } from "node:zlib";
import { SPDY_DICTIONARY } from "../../wire/spdy-dictionary.ts";
import {
  encodeData,
  encodeGoAway,
  encodePing,
  encodeReset,
  encodeSynReply,
  type SpdyFrame,
  SpdyFrameReader,
} from "../../wire/spdy-frame.ts";
import { decodeHeaderBlock, encodeHeaderBlock, storedPortion } from "../../wire/spdy-headers.ts";

/** A stream that the client has opened. */
export interface SpdyStream {
  readonly id: number;
  readonly headers: ReadonlyMap<string, string>;
  onData(listener: (bytes: Uint8Array) => void): void;
  /** The client has ended its side, or the whole connection. */
  onEnd(listener: () => void): void;
  /** `sent` is called when the bytes have left this process. */
  write(bytes: Uint8Array, sent?: (error?: Error | null) => void): void;
  end(): void;
}

interface OpenStream extends SpdyStream {
  receive(bytes: Uint8Array): void;
  finish(): void;
}

const PROTOCOL_ERROR = 1;
const MAX_STREAMS = 256;
/** A frame of this size at most, so that streams of a connection take turns. */
const DATA_LIMIT = 32_768;
const HEADER_LIMIT = 65_536;

/** The serving side of a SPDY/3.1 connection after its upgrade. The client opens the streams. */
export class SpdyConnection {
  readonly #socket: Duplex;
  readonly #reader = new SpdyFrameReader();
  readonly #inflate = createInflate({ dictionary: SPDY_DICTIONARY });
  readonly #streams = new Map<number, OpenStream>();
  readonly #onStream: (stream: SpdyStream) => void;
  readonly #closeListeners: (() => void)[] = [];
  #queue: Promise<void> = Promise.resolve();
  #inflated: Buffer[] = [];
  #replied = false;
  #lastStream = 0;
  #closed = false;

  constructor(socket: Duplex, onStream: (stream: SpdyStream) => void) {
    this.#socket = socket;
    this.#onStream = onStream;
    this.#inflate.on("data", (chunk: Buffer) => this.#inflated.push(chunk));
    this.#inflate.on("error", () => this.#fail());
    socket.on("data", (chunk: Buffer) => {
      this.#received(chunk);
    });
    socket.on("error", () => this.#fail());
    socket.on("end", () => this.#close());
    socket.on("close", () => this.#close());
  }

  onClose(listener: () => void): void {
    if (this.#closed) listener();
    else this.#closeListeners.push(listener);
  }

  /** Stops or goes on reading: the only back-pressure that clients of this protocol heed. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends the connection after everything that was written. */
  end(): void {
    if (!this.#socket.writable) return;
    this.#socket.end(encodeGoAway(this.#lastStream));
  }

  #received(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.push(chunk)) {
        // frames wait for each other: a header block is inflated in another thread
        this.#queue = this.#queue.then(() => this.#handle(frame)).catch(() => this.#fail());
      }
    } catch {
      this.#fail();
    }
  }

  async #handle(frame: SpdyFrame): Promise<void> {
    if (frame.type === "ping") this.#socket.write(encodePing(frame.id));
    else if (frame.type === "syn-stream") await this.#open(frame.streamId, frame.fin, frame.headerBlock);
    else if (frame.type === "headers" || frame.type === "syn-reply") await this.#readHeaders(frame.headerBlock);
    else if (frame.type === "reset") this.#streams.get(frame.streamId)?.finish();
    else if (frame.type === "data") {
      const stream = this.#streams.get(frame.streamId);
      if (frame.bytes.length > 0) stream?.receive(frame.bytes);
      if (frame.fin) stream?.finish();
    }
  }

  async #readHeaders(block: Uint8Array): Promise<Map<string, string>> {
    if (block.length > HEADER_LIMIT) throw new Error("header block too long");
    this.#inflated = [];
    await new Promise<void>((resolve, reject) =>
      this.#inflate.write(block, (error) => (error ? reject(error) : resolve())),
    );
    return decodeHeaderBlock(Buffer.concat(this.#inflated));
  }

  async #open(id: number, fin: boolean, block: Uint8Array): Promise<void> {
    const headers = await this.#readHeaders(block);
    if (this.#streams.has(id) || this.#streams.size >= MAX_STREAMS) {
      this.#socket.write(encodeReset(id, PROTOCOL_ERROR));
      return;
    }
    const stream = openStream(id, headers, this.#socket);
    this.#streams.set(id, stream);
    this.#lastStream = Math.max(this.#lastStream, id);
    this.#socket.write(encodeSynReply(id, false, storedPortion(encodeHeaderBlock(new Map()), !this.#replied)));
    this.#replied = true;
    this.#onStream(stream);
    if (fin) stream.finish();
  }

  #fail(): void {
    this.#socket.destroy();
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // after the frames that are still being read
    void this.#queue.finally(() => {
      this.#inflate.destroy();
      for (const stream of this.#streams.values()) stream.finish();
      for (const listener of this.#closeListeners) listener();
    });
  }
}

function openStream(id: number, headers: ReadonlyMap<string, string>, socket: Duplex): OpenStream {
  const early: Uint8Array[] = [];
  let listener: ((bytes: Uint8Array) => void) | undefined;
  let onEnd: (() => void) | undefined;
  let ended = false;
  let ours = true;
  const gone = () => new Error("the client has gone");
  return {
    ...{ id, headers },
    onData(next) {
      listener = next;
      for (const bytes of early.splice(0)) next(bytes);
    },
    onEnd(next) {
      onEnd = next;
      if (ended) next();
    },
    write(bytes, sent) {
      if (!ours || !socket.writable) return void sent?.(gone());
      for (let at = 0; at < bytes.length; at += DATA_LIMIT) {
        const last = at + DATA_LIMIT >= bytes.length;
        socket.write(encodeData(id, false, bytes.subarray(at, at + DATA_LIMIT)), last ? sent : undefined);
      }
      if (bytes.length === 0) sent?.();
    },
    end() {
      if (ours && socket.writable) socket.write(encodeData(id, true, new Uint8Array(0)));
      ours = false;
    },
    receive(bytes) {
      if (listener) listener(bytes);
      else early.push(bytes);
    },
    finish() {
      if (ended) return;
      ended = true;
      onEnd?.();
    },
  };
}
