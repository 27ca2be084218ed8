import { lineKeyOf, millisecondsOfText } from "./line-key.ts";
import type { Recording, Tally } from "./recording.ts";

/** Lines that are remembered; then all are forgotten. */
const MOST_REMEMBERED = 30_000;
/** Longer lines are not remembered: there is no flow among them. */
const LONGEST_REMEMBERED = 16_384;

/**
 * Reads the lines of a recording. A line that differs from an earlier one in nothing that matters is counted without being parsed,
 * about five times as fast.
 */
export class LineReader {
  private readonly recording: Recording;
  private readonly keepsHeaders: boolean;
  private readonly known = new Map<string, Tally>();
  /** Lines that were counted without being parsed. */
  repeated = 0;

  /** `keepsHeaders`: rules look at headers of requests. */
  constructor(recording: Recording, { keepsHeaders }: { readonly keepsHeaders: boolean }) {
    this.recording = recording;
    this.keepsHeaders = keepsHeaders;
  }

  /**
   * Takes a line whose bytes are `bytes` as one character each; `decode` gives its text. Says on which line it stands where it cannot be read.
   */
  read(bytes: string, decode: () => string, source: string, line: number): void {
    const found = bytes.length > LONGEST_REMEMBERED ? undefined : lineKeyOf(bytes, this.keepsHeaders);
    const tally = found && this.known.get(found.key);
    if (found !== undefined && tally !== undefined) {
      this.repeated++;
      tally(millisecondsOfText(found.time), { source, line });
      return;
    }
    const made = this.parse(decode(), source, line);
    if (made === undefined || found === undefined) return;
    if (this.known.size >= MOST_REMEMBERED) this.known.clear();
    this.known.set(found.key, made);
  }

  private parse(text: string, source: string, line: number): Tally | undefined {
    if (text.trim() === "") return undefined;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      this.recording.complain({ source, line }, `not JSON: ${(error as Error).message.slice(0, 120)}`);
      return undefined;
    }
    return this.recording.add(value, { source, line });
  }
}
