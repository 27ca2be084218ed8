import { createReadStream, createWriteStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

export interface RotatedFileOptions {
  readonly path: string;
  /** No file gets larger, unless one line alone is. */
  readonly maxBytes: number;
  /** Older files are deleted; 0 = none is. */
  readonly maxBackups: number;
  readonly compress: boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const GZIP = ".gz";
const STAMP = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}$/;

/** A file of lines with its predecessors beside it, named after the time at which they were full, as lumberjack names them. */
export class RotatedFile {
  private readonly options: RotatedFileOptions;
  private file: FileHandle | undefined;
  private size = 0;

  constructor(options: RotatedFileOptions) {
    this.options = options;
  }

  /** Adds the lines, each with its end. Rejects with the disk's error; then none of a line is half written. */
  async append(lines: readonly string[]): Promise<void> {
    let waiting: Buffer[] = [];
    let bytes = 0;
    for (const line of lines) {
      const encoded = Buffer.from(line);
      await this.opened();
      if (this.size + bytes + encoded.length > this.options.maxBytes && this.size + bytes > 0) {
        await this.write(waiting);
        [waiting, bytes] = [[], 0];
        await this.rotate();
      }
      waiting.push(encoded);
      bytes += encoded.length;
    }
    await this.write(waiting);
  }

  async close(): Promise<void> {
    const { file } = this;
    this.file = undefined;
    await file?.close();
  }

  private async opened(): Promise<FileHandle> {
    if (this.file !== undefined) return this.file;
    await mkdir(dirname(this.options.path), { recursive: true, mode: 0o700 });
    this.file = await open(this.options.path, "a", 0o600);
    this.size = (await this.file.stat()).size;
    return this.file;
  }

  private async write(lines: readonly Buffer[]): Promise<void> {
    if (lines.length === 0) return;
    const file = await this.opened();
    const text = Buffer.concat(lines);
    try {
      await file.appendFile(text);
      this.size += text.length;
    } catch (error) {
      await file.truncate(this.size).catch(() => undefined);
      await this.close().catch(() => undefined);
      throw error;
    }
  }

  private async rotate(): Promise<void> {
    const { path, now } = this.options;
    await this.close();
    const stamp = new Date(now()).toISOString().slice(0, -1).replaceAll(":", "-");
    const ending = extname(path);
    await rename(path, `${path.slice(0, path.length - ending.length)}-${stamp}${ending}`);
    await this.tidy();
  }

  /** The full ones, newest first. */
  private async backups(): Promise<readonly string[]> {
    const { path } = this.options;
    const ending = extname(path);
    const start = `${basename(path, ending)}-`;
    const names = await readdir(dirname(path));
    const isBackup = (name: string) => {
      const bare = name.endsWith(GZIP) ? name.slice(0, -GZIP.length) : name;
      const stamp = bare.slice(start.length, bare.length - ending.length);
      return bare.startsWith(start) && bare.endsWith(ending) && STAMP.test(stamp);
    };
    return names.filter(isBackup).sort().reverse();
  }

  private async tidy(): Promise<void> {
    const { path, maxBackups, compress } = this.options;
    const found = (await this.backups()).map((name) => join(dirname(path), name));
    const kept = maxBackups === 0 ? found : found.slice(0, maxBackups);
    for (const old of found.slice(kept.length)) await rm(old, { force: true });
    if (!compress) return;
    for (const full of kept.filter((name) => !name.endsWith(GZIP))) {
      await pipeline(createReadStream(full), createGzip(), createWriteStream(`${full}.part`, { mode: 0o600 }));
      await rename(`${full}.part`, full + GZIP);
      await rm(full);
    }
  }
}
