import { isUtf8 } from "node:buffer";
import { closeSync, createReadStream, openSync, readSync, realpathSync, statSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";

/** Pieces of a text, as they come. */
export type TextSource = AsyncIterable<string | Uint8Array>;

/** What a path is for who reads it: a stream comes once and in its own time, from standard input or a pipe. */
export type InputKind = "file" | "folder" | "stream";

/**
 * What a path leads to; `-` is standard input. Throws an Error for what is not there, and for what has no end or nothing to read:
 * devices, but for `/dev/null`, and sockets.
 */
export function inputKind(path: string): InputKind {
  if (path === "-") return "stream";
  const stat = statSync(path);
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "folder";
  if (stat.isFIFO()) return "stream";
  if (realpathSync(path) === "/dev/null") return "file";
  const what = stat.isSocket() ? "a socket" : "a device";
  throw new Error(`is ${what}, which is not read: give a file, a folder, a pipe, or - for standard input`);
}

/** The same, and what is thrown begins with the path. */
export function namedInputKind(path: string): InputKind {
  try {
    return inputKind(path);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}

/** The bytes of a file, a pipe, or with `-` of standard input. Throws for others; fails while it is read, in the system's words. */
export function openText(file: string): TextSource {
  if (inputKind(file) === "folder") throw new Error("is a folder: give its files");
  return file === "-" ? process.stdin : createReadStream(file, { highWaterMark: 1 << 18 });
}

/** Bytes that are read at once, into the same place again and again. */
const piece = Buffer.allocUnsafe(1 << 16);

/** What is wrong with a text, and where. */
export class TextFault extends Error {
  /** From 1. */
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** The text that the bytes are in UTF-8. Throws a TextFault where they are none: what stood for them would be judged in their place. */
export function textOf(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  if (bytes.subarray(0, 2).equals(LITTLE_ENDIAN) || bytes.subarray(0, 2).equals(BIG_ENDIAN))
    throw new TextFault(1, "is UTF-16: save it as UTF-8");
  let [line, start] = [1, 0];
  for (let end = bytes.indexOf(NEWLINE); end >= 0 && isUtf8(bytes.subarray(start, end)); line++) {
    start = end + 1;
    end = bytes.indexOf(NEWLINE, start);
  }
  throw new TextFault(line, "bytes that are no UTF-8: this is no text, or one in another encoding");
}

const [LITTLE_ENDIAN, BIG_ENDIAN] = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])];
const NEWLINE = 10;

/** All of a file, whatever size it says that it has. Throws when it is longer than `limit` bytes or no UTF-8 (`TextFault`). */
export function readFile(file: string, limit: number): string {
  const descriptor = openSync(file, "r");
  try {
    const parts: Buffer[] = [];
    let bytes = 0;
    for (let length = readSync(descriptor, piece); length > 0; length = readSync(descriptor, piece)) {
      bytes += length;
      if (bytes > limit) throw new Error(`longer than ${limit} bytes`);
      parts.push(Buffer.from(piece.subarray(0, length)));
    }
    return textOf(Buffer.concat(parts));
  } finally {
    closeSync(descriptor);
  }
}

/** What came out of streams, by the place that they were opened by: none comes twice. */
const drained = new Map<string, Promise<string>>();

/** All of a stream (`inputKind`); asked again, the same text. Throws when it is longer than `limit` bytes or no UTF-8. */
export function readStream(path: string, limit: number): Promise<string> {
  const text = drained.get(path) ?? readAll(openText(path), limit);
  drained.set(path, text);
  return text;
}

/** All of a text that is known to be small enough. Throws when it is longer than `limit` bytes or no UTF-8 (`TextFault`). */
export async function readAll(source: TextSource, limit: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    const part = Buffer.from(chunk as Uint8Array);
    bytes += part.length;
    if (bytes > limit) throw new Error(`longer than ${limit} bytes`);
    parts.push(part);
  }
  return textOf(Buffer.concat(parts));
}

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without its end; undefined = longer than the limit. */
  readonly text: string | undefined;
}

/** Cuts a text into lines, and gives those that each piece completes together. Holds no more than one line and one piece. */
export async function* linesOf(source: TextSource, limit: number): AsyncGenerator<Line[]> {
  const decoder = new StringDecoder("utf8");
  const cutter = new LineCutter(limit);
  for await (const chunk of source) {
    const lines = cutter.cut(typeof chunk === "string" ? chunk : decoder.write(chunk));
    if (lines.length > 0) yield lines;
  }
  yield [...cutter.cut(decoder.end()), ...cutter.end()];
}

class LineCutter {
  private readonly limit: number;
  private parts: string[] = [];
  private length = 0;
  private number = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  cut(piece: string): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = piece.indexOf("\n"); end !== -1; end = piece.indexOf("\n", start)) {
      this.add(piece.slice(start, end));
      lines.push(this.finish());
      start = end + 1;
    }
    this.add(piece.slice(start));
    return lines;
  }

  /** The last line, when it has no end. */
  end(): Line[] {
    return this.length > 0 ? [this.finish()] : [];
  }

  private add(part: string): void {
    this.length += part.length;
    if (this.length > this.limit) this.parts = [];
    else if (part !== "") this.parts.push(part);
  }

  private finish(): Line {
    const line = { number: ++this.number, text: this.length > this.limit ? undefined : this.parts.join("") };
    this.parts = [];
    this.length = 0;
    return line;
  }
}
