/**
 * The part of a TCP socket that HTTP needs; node's own `Socket` has it too. A chunk of `data` is the reader's only until
 * the event is over: whoever keeps bytes copies them. What is written may be changed as soon as `write` returns.
 */
export interface ByteStream {
  on(event: "data", listener: (chunk: Uint8Array) => void): unknown;
  on(event: "end" | "drain" | "close" | "timeout", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  once(event: "close", listener: () => void): unknown;
  /** False when the other side is slower: wait for `drain`. `written` is called when the kernel has taken the bytes. */
  write(bytes: Uint8Array, written?: (error?: Error | null) => void): boolean;
  readonly writableNeedDrain: boolean;
  /** Bytes that were written and wait for the other side. */
  readonly writableLength: number;
  /** Sends what is written, and that nothing more comes; then calls back. */
  end(ended?: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
  resetAndDestroy(): unknown;
  setNoDelay(on: boolean): unknown;
  setKeepAlive(on: boolean, ms: number): unknown;
  /** Calls back after so long without a byte either way; 0 = never. */
  setTimeout(ms: number, idle?: () => void): unknown;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}
