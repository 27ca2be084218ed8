import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { blocksOf } from "./segment-reader.ts";

/** Bounds of what is kept. The oldest goes first. */
export interface HistoryLimits {
  /** 0 = nothing is kept. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

/** A file of blocks. Times are those of its earliest and latest flow, in milliseconds since the epoch. */
export interface Segment {
  readonly number: number;
  readonly path: string;
  /** Of whole blocks. */
  readonly bytes: number;
  readonly minMs: number;
  readonly maxMs: number;
}

type ActiveSegment = { -readonly [K in keyof Segment]: Segment[K] } & {
  readonly file: SegmentFile;
  readonly openedMs: number;
};

/** What is written to; a test puts a full disk here. */
export interface SegmentFile {
  /** Writes all of it, or rejects. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(bytes: number): Promise<void>;
  close(): Promise<void>;
}

export type OpenSegmentFile = (path: string) => Promise<SegmentFile>;

const SEALED = /^(\d{10})-(\d+)-(\d+)\.flows$/;
const OPEN = /^(\d{10})\.open$/;

/** Whether a file is called as a history calls its own. */
export function isSegmentName(name: string): boolean {
  return SEALED.test(name) || OPEN.test(name);
}

/** A segment is closed at this part of the whole, so that little goes at once, or when it is as old. */
const PART = 16;
const MAX_SEGMENT_BYTES = 8 << 20;

export const openSegmentFile: OpenSegmentFile = async (path) => {
  const handle = await open(path, "wx", 0o600);
  return {
    write: async (bytes, position) => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
        if (bytesWritten === 0) throw new Error(`${path}: nothing could be written`);
        done += bytesWritten;
      }
    },
    truncate: (bytes) => handle.truncate(bytes),
    close: () => handle.close(),
  };
};

/** The files of a history, oldest first; one of them is written to. Calls of `append` must not overlap. */
export class Segments {
  limits: HistoryLimits;
  private readonly directory: string;
  private readonly openFile: OpenSegmentFile;
  private readonly now: () => number;
  private sealed: Segment[] = [];
  private active: ActiveSegment | undefined;
  private next = 1;
  private recovery: Promise<void> | undefined;

  constructor(directory: string, limits: HistoryLimits, now: () => number, openFile: OpenSegmentFile) {
    this.directory = directory;
    this.limits = limits;
    this.now = now;
    this.openFile = openFile;
  }

  /** Resolves when what an earlier process left is found; rejects when the directory cannot be read, and tries again when called again. */
  ready(): Promise<void> {
    this.recovery ??= this.recover().catch((error) => {
      this.recovery = undefined;
      throw error;
    });
    return this.recovery;
  }

  /** A last block that was cut off goes. */
  private async recover(): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const found: Segment[] = [];
    for (const name of (await readdir(this.directory)).sort()) {
      const path = join(this.directory, name);
      const [number, minMs, maxMs] = (SEALED.exec(name) ?? []).slice(1).map(Number);
      if (number !== undefined && minMs !== undefined && maxMs !== undefined) {
        found.push({ number, path, bytes: await sizeOf(path), minMs, maxMs });
        continue;
      }
      const cut = OPEN.exec(name)?.[1];
      const adopted = cut === undefined ? undefined : await this.adopt(Number(cut), path);
      if (adopted !== undefined) found.push(adopted);
    }
    this.sealed = found.sort((a, b) => a.number - b.number);
    this.next = (this.sealed.at(-1)?.number ?? 0) + 1;
    await this.trim(0);
  }

  list(): readonly Segment[] {
    return this.active === undefined ? this.sealed : [...this.sealed, this.active];
  }

  get bytes(): number {
    return this.list().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Writes a whole block. Rejects when the disk does not take it: then nothing of it counts, and the next goes to a new file. */
  async append(block: Uint8Array, minMs: number, maxMs: number): Promise<void> {
    await this.ready();
    await this.tidy(block.length);
    this.active ??= await this.begin();
    const { active } = this;
    try {
      await active.file.write(block, active.bytes);
    } catch (error) {
      await active.file.truncate(active.bytes).catch(() => undefined);
      await this.seal();
      throw error;
    }
    const isFirst = active.bytes === 0;
    active.bytes += block.length;
    active.minMs = isFirst ? minMs : Math.min(active.minMs, minMs);
    active.maxMs = isFirst ? maxMs : Math.max(active.maxMs, maxMs);
  }

  /** Deletes the oldest file, and says whether there was one. */
  async dropOldest(): Promise<boolean> {
    const oldest = this.sealed.shift();
    if (oldest !== undefined) await rm(oldest.path, { force: true });
    return oldest !== undefined;
  }

  /** Closes a file that is full or old, and deletes what is beyond the limits once `more` bytes are there. Not while a block is written. */
  async tidy(more: number): Promise<void> {
    if (this.active !== undefined && this.isDone(this.active, more)) await this.seal();
    await this.trim(more);
  }

  private async trim(more: number): Promise<void> {
    const tooOld = this.now() - this.limits.maxAgeMs;
    for (;;) {
      const oldest = this.sealed[0];
      if (oldest === undefined) return;
      if (oldest.maxMs >= tooOld && this.bytes + more <= this.limits.maxBytes) return;
      await this.dropOldest();
    }
  }

  /** Closes the file that is written to. */
  async seal(): Promise<void> {
    const { active } = this;
    if (active === undefined) return;
    this.active = undefined;
    const { file, openedMs: _, ...segment } = active;
    if (segment.bytes > 0) this.sealed.push(segment);
    await file.close().catch(() => undefined);
    const settled = await this.settle(segment).catch(() => undefined);
    if (settled !== undefined) this.sealed = this.sealed.map((each) => (each === segment ? settled : each));
  }

  private isDone({ bytes, openedMs }: ActiveSegment, more: number): boolean {
    const { maxBytes, maxAgeMs } = this.limits;
    const age = Math.abs(this.now() - openedMs);
    return bytes + more > Math.min(MAX_SEGMENT_BYTES, maxBytes / PART) || age > maxAgeMs / PART;
  }

  private async begin(): Promise<ActiveSegment> {
    const number = this.next++;
    const path = join(this.directory, `${String(number).padStart(10, "0")}.open`);
    const file = await this.openFile(path);
    return { number, path, file, bytes: 0, minMs: 0, maxMs: 0, openedMs: this.now() };
  }

  /** Gives a file that is complete the name that says its times; one without blocks goes. */
  private async settle({ number, path, bytes, minMs, maxMs }: Segment): Promise<Segment | undefined> {
    if (bytes === 0) {
      await rm(path, { force: true });
      return undefined;
    }
    const times = `${Math.max(0, Math.floor(minMs))}-${Math.max(0, Math.ceil(maxMs))}`;
    const sealed = join(this.directory, `${String(number).padStart(10, "0")}-${times}.flows`);
    await rename(path, sealed);
    return { number, path: sealed, bytes, minMs, maxMs };
  }

  private async adopt(number: number, path: string): Promise<Segment | undefined> {
    const whole = { number, path, bytes: 0, minMs: Number.POSITIVE_INFINITY, maxMs: 0 };
    for await (const { header, end } of blocksOf(path, 0, await sizeOf(path))) {
      whole.bytes = end;
      whole.minMs = Math.min(whole.minMs, header.minMs);
      whole.maxMs = Math.max(whole.maxMs, header.maxMs);
    }
    const handle = await open(path, "r+");
    await handle.truncate(whole.bytes).finally(() => handle.close());
    return this.settle(whole);
  }
}

async function sizeOf(path: string): Promise<number> {
  const handle = await open(path, "r");
  try {
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}
