import { type HeadReader, type HttpFault, isFault, type RawHead } from "./http-head.ts";

/** Heads that are kept, and the longest of them in bytes: a few hundred KiB in all. */
const SLOTS = 256;
const MAX_KEPT_BYTES = 1024;
const CR = 13;
const LF = 10;

/** What came of bytes that may hold a head: as `HeadProgress`, with the message that the head says. */
export type MessageProgress<T> =
  | { readonly state: "more" }
  /** `consumed` bytes of the chunk belong to the head; `bytes` stand alone, whatever becomes of the chunk. */
  | { readonly state: "head"; readonly message: T; readonly bytes: Uint8Array; readonly consumed: number }
  | { readonly state: "fault"; readonly fault: HttpFault };

interface Known<T> {
  readonly bytes: Uint8Array;
  readonly message: T;
}

/**
 * Reads heads, and remembers what the latest ones said: clients and servers repeat their heads to the byte, and the same
 * bytes mean the same. What is remembered came of a head that was whole in one chunk or in many, never of a fault.
 */
export class HeadMemo<T extends object> {
  private readonly read: (head: RawHead) => T | HttpFault;
  private readonly slots: (Known<T> | undefined)[] = new Array(SLOTS).fill(undefined);
  /** The latest one: it comes again more often than any other, and needs no measuring. */
  private latest: Known<T> | undefined;

  /** `read` must depend on the head alone, and nobody may change what it returns. */
  constructor(read: (head: RawHead) => T | HttpFault) {
    this.read = read;
  }

  /** Takes the chunk's bytes from `at`; `reader` holds what of a head came before them. */
  take(reader: HeadReader, chunk: Uint8Array, at: number): MessageProgress<T> {
    if (!reader.empty) return this.readOn(reader, chunk, at);
    if (this.latest !== undefined && beginsWith(chunk, at, this.latest.bytes)) return found(this.latest);
    const { length, slot } = measure(chunk, at);
    if (length === 0) return this.readOn(reader, chunk, at);
    const known = this.slots[slot];
    if (known?.bytes.length === length && beginsWith(chunk, at, known.bytes)) {
      this.latest = known;
      return found(known);
    }
    const progress = this.readOn(reader, chunk, at);
    if (progress.state === "head") {
      this.latest = { bytes: progress.bytes, message: progress.message };
      this.slots[slot] = this.latest;
    }
    return progress;
  }

  private readOn(reader: HeadReader, chunk: Uint8Array, at: number): MessageProgress<T> {
    const progress = reader.push(chunk, at, chunk.length);
    if (progress.state !== "head") return progress;
    const message = this.read(progress.head);
    if (isFault(message)) return { state: "fault", fault: message };
    return { state: "head", message, bytes: progress.bytes, consumed: progress.consumed };
  }
}

/** Length of the head that begins at `at`, 0 when it does not end in the chunk or is too long to keep; and its slot. */
function measure(chunk: Uint8Array, at: number): { readonly length: number; readonly slot: number } {
  const end = Math.min(chunk.length, at + MAX_KEPT_BYTES);
  let hash = 0;
  for (let index = at; index < end; index++) {
    const byte = chunk[index]!;
    hash = (Math.imul(hash, 31) + byte) | 0;
    if (byte !== LF || index < at + 3) continue;
    if (chunk[index - 1] === CR && chunk[index - 2] === LF && chunk[index - 3] === CR) {
      return { length: index + 1 - at, slot: (hash ^ (hash >>> 16)) & (SLOTS - 1) };
    }
  }
  return { length: 0, slot: 0 };
}

function found<T>({ message, bytes }: Known<T>): MessageProgress<T> {
  return { state: "head", message, bytes, consumed: bytes.length };
}

/** A whole head ends in the only empty line of its bytes, so that a chunk that begins with them begins with this head. */
function beginsWith(chunk: Uint8Array, at: number, known: Uint8Array): boolean {
  const { length } = known;
  if (chunk.length - at < length) return false;
  // from its end: heads that differ mostly begin alike
  for (let index = length - 1; index >= 0; index--) if (known[index] !== chunk[at + index]) return false;
  return true;
}
