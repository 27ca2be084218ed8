import { setTimeout as sleep } from "node:timers/promises";
import type { FlowRing, RingEntry } from "../flow/index.ts";
import type { Log } from "../model/log.ts";
import { type BlockHeader, decodeBlock } from "./block.ts";
import { decodeEntries } from "./entry.ts";
import { Recorder } from "./recorder.ts";
import { nextBlock } from "./segment-reader.ts";
import { type HistoryLimits, type OpenSegmentFile, openSegmentFile, type Segment, Segments } from "./segments.ts";

/** A file that is renamed is there again within this many ms, times as many attempts. */
const RENAME_MS = 10;
const RENAME_ATTEMPTS = 20;

/** Flows that were written together. */
export interface HistoryBlock {
  /** Where the ring had the first of them; undefined = an earlier process's. */
  readonly firstSequence: number | undefined;
  readonly count: number;
  /** Entries of this process that should lie between the block before and this one, and do not. */
  readonly missedBefore: number;
  /** Reads one after the other. Throws on an entry that is none. */
  entries(): Iterable<RingEntry>;
}

/** A way through the history, oldest first. */
export interface HistoryCursor {
  /** Undefined: nothing more has been written yet. Holds one block at a time. */
  next(): Promise<HistoryBlock | undefined>;
  /**
   * Where the ring has what comes after all that was seen, also of blocks outside the span; undefined when nothing of this process
   * was, or files were passed over.
   */
  readonly sequence: number | undefined;
}

/** Milliseconds since the epoch; blocks that have nothing between them may be left out. */
export interface HistorySpan {
  readonly sinceMs: number;
  readonly untilMs: number;
}

export interface HistoryStatus {
  readonly bytes: number;
  readonly segments: number;
  /** Of the oldest flow; undefined = there is none. */
  readonly oldestMs: number | undefined;
  /** Entries that the disk did not take. */
  readonly lost: number;
  /** Bytes that readers found damaged. */
  readonly damagedBytes: number;
  /** Why nothing is written now. */
  readonly failure: string | undefined;
}

/** The flows of a node beyond its ring, on disk. */
export interface FlowHistory {
  read(span: HistorySpan): HistoryCursor;
  /** Resolves when everything that the ring has is on the disk, or will not be. */
  flush(): Promise<void>;
  status(): HistoryStatus;
  setLimits(limits: HistoryLimits): void;
  close(): Promise<void>;
}

export interface HistoryOptions {
  readonly directory: string;
  readonly ring: FlowRing;
  readonly limits: HistoryLimits;
  /** Tells this process's blocks from those of earlier ones. */
  readonly run: bigint;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Log;
  readonly openFile?: OpenSegmentFile;
}

/**
 * Keeps what the ring takes in `directory` from now on, within the limits. Never throws later: what the disk does not take is
 * counted and told.
 */
export function openFlowHistory(options: HistoryOptions): FlowHistory {
  const { directory, ring, run, now, log, openFile = openSegmentFile } = options;
  const segments = new Segments(directory, options.limits, now, openFile);
  const recorder = new Recorder({ ring, segments, run, now, log });
  let damagedBytes = 0;
  const damaged = (bytes: number, path: string) => {
    if (bytes === 0) return;
    damagedBytes += bytes;
    log(`flow history: ${bytes} damaged bytes in ${path} are left out`);
  };
  return {
    read: (span) => new Cursor(segments, run, span, damaged, log),
    flush: () => recorder.flush(),
    status: () => {
      const list = segments.list();
      const times = list.filter(({ bytes }) => bytes > 0).map(({ minMs }) => minMs);
      return {
        bytes: segments.bytes,
        segments: list.length,
        oldestMs: times.length === 0 ? undefined : Math.min(...times),
        lost: recorder.lost,
        damagedBytes,
        failure: recorder.failure,
      };
    },
    setLimits: (limits) => {
      segments.limits = limits;
    },
    close: () => recorder.close(),
  };
}

class Cursor implements HistoryCursor {
  private readonly segments: Segments;
  private readonly run: bigint;
  private readonly span: HistorySpan;
  private readonly damaged: (bytes: number, path: string) => void;
  private readonly log: Log;
  sequence: number | undefined;
  private number = 0;
  private at = 0;
  private attempts = 0;
  private missed = 0;

  constructor(segments: Segments, run: bigint, span: HistorySpan, damaged: Cursor["damaged"], log: Cursor["log"]) {
    this.log = log;
    this.segments = segments;
    this.run = run;
    this.span = span;
    this.damaged = damaged;
  }

  /** The file may have got its last name or have been deleted since: then the list has it anew, or no more. */
  private async failed(error: Error, { path, bytes }: Segment): Promise<void> {
    await sleep(RENAME_MS);
    if (++this.attempts < RENAME_ATTEMPTS) return;
    this.attempts = 0;
    this.log(`flow history: ${path} is left out: ${error.message}`);
    this.at = bytes;
  }

  async next(): Promise<HistoryBlock | undefined> {
    await this.segments.ready().catch(() => undefined);
    for (let segment = this.segment(); segment !== undefined; segment = this.segment()) {
      const { path, bytes } = segment;
      if (!this.isWanted(segment)) {
        this.at = bytes;
        this.sequence = undefined;
        continue;
      }
      const isWanted = (header: BlockHeader) => this.saw(header);
      const found = await nextBlock(path, this.at, bytes, isWanted).catch((error: Error) => error);
      if (found instanceof Error) {
        await this.failed(found, segment);
        continue;
      }
      this.attempts = 0;
      this.damaged(found.skipped, path);
      this.at = "end" in found ? found.end : bytes;
      if ("end" in found) return this.blockOf(found.header, await decodeBlock(found.bytes, found.header));
    }
    return undefined;
  }

  /** The first that has something beyond what was read. */
  private segment(): Segment | undefined {
    const found = this.segments.list().find(({ number, bytes }) => {
      return number > this.number || (number === this.number && bytes > this.at);
    });
    if (found !== undefined && found.number !== this.number) this.at = 0;
    this.number = found?.number ?? this.number;
    return found;
  }

  private isWanted({ minMs, maxMs }: Pick<BlockHeader, "minMs" | "maxMs">): boolean {
    return maxMs >= this.span.sinceMs && minMs <= this.span.untilMs;
  }

  /** Counts what is missing before a block; the same one may come twice. */
  private saw(header: BlockHeader): boolean {
    if (header.run === this.run) {
      const { firstSequence, count } = header;
      this.missed += Math.max(0, firstSequence - (this.sequence ?? firstSequence));
      this.sequence = Math.max(this.sequence ?? 0, firstSequence + count);
    }
    return this.isWanted(header);
  }

  private blockOf({ run, firstSequence, count }: BlockHeader, raw: Uint8Array): HistoryBlock {
    const missedBefore = this.missed;
    this.missed = 0;
    return {
      firstSequence: run === this.run ? firstSequence : undefined,
      count,
      missedBefore,
      entries: () => decodeEntries(raw),
    };
  }
}
