import { createReadStream, existsSync, type FSWatcher, statSync, watch } from "node:fs";
import { dirname } from "node:path";

/** How much of a log is asked for, and how. */
export interface LogOptions {
  readonly follow: boolean;
  readonly tailLines: number | undefined;
  /** Lines from this time on, in milliseconds since the epoch. */
  readonly sinceMs: number | undefined;
  readonly limitBytes: number | undefined;
  readonly timestamps: boolean;
}

/** One line with the time at which it was read from the container; undefined in logs of the lab's own processes. */
interface LogLine {
  readonly time: string | undefined;
  readonly text: string;
}

const LOOK_MS = 500;
const STAMPED = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (?:stdout|stderr) ([FP]) (.*)$/s;

function parseLine(line: string): LogLine {
  const found = STAMPED.exec(line);
  if (found === null) return { time: undefined, text: `${line}\n` };
  return { time: found[1], text: found[2] === "P" ? found[3]! : `${found[3]}\n` };
}

function number(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\d+$/.test(text)) throw new Error(`${name}=${text} is not a number of 0 or more`);
  return Number(text);
}

/** Reads the query of a log request. Throws an Error that names what is wrong. */
export function logOptions(query: URLSearchParams, nowMs: number): LogOptions {
  const since = number(query, "sinceSeconds");
  const sinceTime = query.get("sinceTime");
  if (sinceTime !== null && Number.isNaN(Date.parse(sinceTime)))
    throw new Error(`sinceTime=${sinceTime} is not a time`);
  const flag = (name: string) => ["1", "true"].includes(query.get(name) ?? "");
  return {
    follow: flag("follow"),
    tailLines: number(query, "tailLines"),
    sinceMs: since !== undefined ? nowMs - since * 1000 : sinceTime ? Date.parse(sinceTime) : undefined,
    limitBytes: number(query, "limitBytes"),
    timestamps: flag("timestamps"),
  };
}

/** Reads `path` from `from` to its present end. */
async function readFrom(path: string, from: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(path, { start: from })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A log as it grows: turned-over files are followed to their successors. */
class LogTail {
  readonly #path: string;
  #inode = 0;
  #at = 0;
  #rest = "";

  constructor(path: string) {
    this.#path = path;
  }

  /** The whole lines that were added since the last call, those of a turned-over file first. */
  async next(): Promise<string[]> {
    const status = statSync(this.#path, { throwIfNoEntry: false });
    if (status === undefined) return [];
    const texts: Buffer[] = [];
    const older = `${this.#path}.1`;
    const turned = this.#inode !== 0 && status.ino !== this.#inode;
    if (this.#inode === 0 ? existsSync(older) : turned) texts.push(await readFrom(older, turned ? this.#at : 0));
    if (turned || this.#inode === 0) this.#at = 0;
    this.#inode = status.ino;
    const added = await readFrom(this.#path, this.#at);
    this.#at += added.length;
    const lines = (this.#rest + Buffer.concat([...texts, added]).toString()).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines;
  }
}

function recent(lines: readonly LogLine[], options: LogOptions): readonly LogLine[] {
  const { sinceMs, tailLines } = options;
  const young =
    sinceMs === undefined ? lines : lines.filter((line) => line.time === undefined || Date.parse(line.time) >= sinceMs);
  if (tailLines === undefined) return young;
  return tailLines === 0 ? [] : young.slice(-tailLines);
}

/** Says when a directory may have changed; what happens between two waits is not missed. */
class DirectoryChanges {
  readonly #watcher: FSWatcher;
  #changed = false;
  #wake: () => void = () => {};

  constructor(directory: string) {
    this.#watcher = watch(directory, { persistent: false }, () => {
      this.#changed = true;
      this.#wake();
    });
  }

  async next(signal: AbortSignal): Promise<void> {
    if (!this.#changed && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        // the end of a container shows elsewhere
        setTimeout(resolve, LOOK_MS);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    this.#changed = false;
  }

  close(): void {
    this.#watcher.close();
  }
}

/** The text of a container's log, in portions. With `follow` it goes on until `ended` says so or the signal aborts. */
export async function* readLog(
  path: string,
  options: LogOptions,
  ended: () => boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const tail = new LogTail(path);
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  const print = (lines: readonly LogLine[]): string => {
    const text = lines.map((line) => (options.timestamps ? `${line.time ?? ""} ` : "") + line.text).join("");
    const bytes = Buffer.from(text);
    const part = bytes.length > left ? bytes.subarray(0, left).toString() : text;
    left -= Math.min(left, bytes.length);
    return part;
  };
  const changes = options.follow ? new DirectoryChanges(dirname(path)) : undefined;
  try {
    yield print(recent((await tail.next()).map(parseLine), options));
    while (changes && left > 0 && !signal.aborted) {
      const over = ended();
      const lines = (await tail.next()).map(parseLine);
      if (lines.length > 0) yield print(lines);
      else if (over) return;
      else await changes.next(signal);
    }
  } finally {
    changes?.close();
  }
}
