import { EncodedBytes } from "../flow/encode.ts";
import type { FlowRing } from "../flow/index.ts";
import type { Log } from "../model/log.ts";
import { encodeBlock, MAX_BLOCK_BYTES, type RawBlock } from "./block.ts";
import { encodeEntry, timeOf } from "./entry.ts";
import type { Segments } from "./segments.ts";

/** Entries that are encoded at once, at most: a ring must not overtake us, nor the loop wait. */
const BATCH = 256;
const BLOCK_BYTES = 1 << 20;
/** A crash may take what came since the last write. */
const PAUSE_MS = 500;
/** What may wait for the disk. */
const MAX_WAITING_BYTES = 16 << 20;
const MOST_SPARE = 2;
/** How long a disk that failed is left alone. */
const RETRY_MS = 30_000;
/** How often files are closed and deleted of which time alone says so. */
const TIDY_MS = 60_000;

export interface RecorderOptions {
  readonly ring: FlowRing;
  readonly segments: Segments;
  /** Sequence numbers hold within one run. */
  readonly run: bigint;
  readonly now: () => number;
  readonly log: Log;
}

interface Unwritten {
  count: number;
  firstSequence: number;
  minMs: number;
  maxMs: number;
}

/** Takes what the ring takes and brings it to the disk: encoded in batches, written at most twice a second or when a block is full. */
export class Recorder {
  /** Entries that the disk did not take. */
  lost = 0;
  /** Why the disk takes nothing now; undefined = it does. */
  failure: string | undefined;
  private readonly options: RecorderOptions;
  private readonly out = new EncodedBytes();
  /** Memory of blocks that are written, to be used again. */
  private readonly spare: Uint8Array[] = [];
  private unwritten: Unwritten | undefined;
  private sequence: number;
  private waiting: RawBlock[] = [];
  private waitingBytes = 0;
  private writing: Promise<void> | undefined;
  private failedAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly stopListening: () => void;
  private readonly tidying: NodeJS.Timeout;

  constructor(options: RecorderOptions) {
    this.options = options;
    this.sequence = options.ring.oldest;
    options.segments.ready().catch((error: Error) => this.fail(error));
    this.stopListening = options.ring.onAppend(() => this.appended());
    this.tidying = setInterval(() => {
      this.writing ??= this.drain();
    }, TIDY_MS).unref();
  }

  /** Resolves when everything that the ring has is on the disk, or will not be. */
  async flush(): Promise<void> {
    this.encode();
    this.cut();
    this.writing ??= this.drain();
    await this.writing;
  }

  async close(): Promise<void> {
    this.stopListening();
    clearTimeout(this.timer);
    clearInterval(this.tidying);
    await this.flush();
    await this.options.segments.seal().catch(() => undefined);
  }

  private appended(): void {
    const { next, capacity } = this.options.ring;
    if (next - this.sequence >= Math.min(BATCH, capacity / 2)) this.encode();
    else if (this.timer === undefined) this.timer = setTimeout(() => this.pause(), PAUSE_MS).unref();
  }

  private pause(): void {
    this.timer = undefined;
    this.encode();
    this.cut();
  }

  private encode(): void {
    const { ring, segments, now } = this.options;
    if (segments.limits.maxBytes === 0) this.sequence = ring.next;
    while (this.sequence < ring.next) {
      const entry = ring.read(this.sequence);
      if (entry === undefined) return;
      if (entry.kind === "overtaken") {
        this.cut();
        this.lost += entry.missed;
        this.sequence = ring.oldest;
        continue;
      }
      const ms = timeOf(entry) ?? this.unwritten?.maxMs ?? now();
      this.unwritten ??= { count: 0, firstSequence: this.sequence, minMs: ms, maxMs: ms };
      encodeEntry(entry, this.out);
      this.sequence++;
      const { unwritten } = this;
      unwritten.count++;
      if (ms < unwritten.minMs) unwritten.minMs = ms;
      if (ms > unwritten.maxMs) unwritten.maxMs = ms;
      if (this.out.at >= BLOCK_BYTES) this.cut();
    }
    if (this.unwritten !== undefined) this.timer ??= setTimeout(() => this.pause(), PAUSE_MS).unref();
  }

  /** Ends a block and sends it on its way. */
  private cut(): void {
    const { unwritten } = this;
    if (unwritten === undefined) return;
    const raw = this.out.take(this.spare.pop());
    this.unwritten = undefined;
    if (raw.length > MAX_BLOCK_BYTES || this.waitingBytes + raw.length > MAX_WAITING_BYTES) {
      this.lost += unwritten.count;
      return;
    }
    this.waiting.push({ ...unwritten, run: this.options.run, raw });
    this.waitingBytes += raw.length;
    this.writing ??= this.drain();
  }

  private async drain(): Promise<void> {
    for (let block = this.waiting.shift(); block !== undefined; block = this.waiting.shift()) {
      await this.write(block);
      this.waitingBytes -= block.raw.length;
      if (this.spare.length < MOST_SPARE) this.spare.push(new Uint8Array(block.raw.buffer));
    }
    await this.options.segments.tidy(0).catch(() => undefined);
    this.writing = this.waiting.length === 0 ? undefined : this.drain();
    await this.writing;
  }

  private async write(block: RawBlock): Promise<void> {
    const { segments, now, log } = this.options;
    if (this.failure !== undefined && Math.abs(now() - this.failedAt) < RETRY_MS) {
      this.lost += block.count;
      return;
    }
    const bytes = await encodeBlock(block);
    const append = () => segments.append(bytes, block.minMs, block.maxMs);
    try {
      await append().catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOSPC" || !(await segments.dropOldest())) throw error;
        await append();
      });
      if (this.failure !== undefined) log(`flow history: goes on; ${this.lost} flows were not kept`, "info");
      this.failure = undefined;
    } catch (error) {
      this.lost += block.count;
      this.fail(error as Error);
    }
  }

  private fail(error: Error): void {
    if (this.failure === undefined) {
      this.options.log(`flow history: stands still, tried again every ${RETRY_MS / 1000} s: ${error.message}`, "error");
    }
    this.failure = error.message;
    this.failedAt = this.options.now();
  }
}
