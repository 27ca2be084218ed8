import { createReadStream } from "node:fs";
import { StringDecoder } from "node:string_decoder";

/** Pieces of a text, as they come. */
export type TextSource = AsyncIterable<string | Uint8Array>;

/** The bytes of a file, or with `-` of standard input. Fails while it is read, in the system's words. */
export function openText(file: string): TextSource {
  return file === "-" ? process.stdin : createReadStream(file, { highWaterMark: 1 << 18 });
}

/** All of a text that is known to be small enough. Throws when it is longer than `limit` characters. */
export async function readAll(source: TextSource, limit: number): Promise<string> {
  const decoder = new StringDecoder("utf8");
  let text = "";
  for await (const chunk of source) {
    text += typeof chunk === "string" ? chunk : decoder.write(chunk);
    if (text.length > limit) throw new Error(`longer than ${limit} characters`);
  }
  return text + decoder.end();
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
