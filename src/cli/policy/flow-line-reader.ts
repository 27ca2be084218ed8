import { type CutLine, cutsOf, type LineCuts, millisecondsAt } from "../../prove/replay/line-key.ts";
import type { Recording, Tally } from "../../prove/replay/recording.ts";

/** Bytes of lines that are remembered; then all are forgotten. */
const MOST_REMEMBERED = 64 << 20;
/** Lines of one hash: who sends requests may choose what they differ in. */
const MOST_ALIKE = 16;
/** Longer lines are not remembered. */
const LONGEST_REMEMBERED = 16_384;

/** A line that was read as a whole: its bytes, without what differs from flow to flow. */
interface KnownLine {
  readonly rest: Buffer;
  readonly tally: Tally;
}

/**
 * Reads the lines of a recording. A line that differs from an earlier one in nothing that matters is counted without being parsed,
 * several times as fast; its bytes are compared, so that no two flows are taken for one.
 */
export class FlowLineReader {
  private readonly recording: Recording;
  private readonly keepsHeaders: boolean;
  private known = new Map<number, KnownLine[]>();
  private knownBytes = 0;

  /** `keepsHeaders`: rules look at headers of requests. */
  constructor(recording: Recording, { keepsHeaders }: { readonly keepsHeaders: boolean }) {
    this.recording = recording;
    this.keepsHeaders = keepsHeaders;
  }

  /** Takes a line between two places of a piece. */
  read(bytes: Buffer, start: number, end: number, source: string, line: number): void {
    const cut = end - start > LONGEST_REMEMBERED ? undefined : cutsOf(bytes, start, end, this.keepsHeaders);
    if (cut === undefined) {
      this.parse(bytes, start, end, source, line);
      return;
    }
    const hash = hashOf(bytes, start, end, cut.cuts);
    const bucket = this.known.get(hash);
    const found = bucket?.find(({ rest }) => isRest(rest, bytes, start, end, cut.cuts));
    if (found !== undefined) {
      found.tally(millisecondsAt(bytes, cut.timeStart, cut.timeEnd), source, line);
      return;
    }
    const tally = this.parse(bytes, start, end, source, line);
    if (tally !== undefined) this.remember(hash, { rest: restOf(bytes, start, end, cut), tally });
  }

  private remember(hash: number, line: KnownLine): void {
    if (this.knownBytes > MOST_REMEMBERED) {
      this.known = new Map();
      this.knownBytes = 0;
    }
    this.knownBytes += line.rest.length;
    const bucket = this.known.get(hash);
    if (bucket === undefined) this.known.set(hash, [line]);
    else if (bucket.length < MOST_ALIKE) bucket.push(line);
    else bucket[this.knownBytes % MOST_ALIKE] = line;
  }

  private parse(bytes: Buffer, start: number, end: number, source: string, line: number): Tally | undefined {
    const text = bytes.toString("utf8", start, end);
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

/** Ends of parts are looked at closely: addresses stand before the ports, the other port behind the client's, flags and nodes before the last time. */
const FIRST = 40;
const LAST = 120;
const STRIDE = 11;

/** Of some bytes of what is between the cuts; those that differ in others only are told apart by the comparison. */
function hashOf(bytes: Buffer, start: number, end: number, cuts: LineCuts): number {
  let hash = 0;
  let at = start;
  for (let i = 0; i <= cuts.length; i += 2) {
    const to = i < cuts.length ? cuts[i]! : end;
    const first = Math.min(at + FIRST, to);
    for (; at < first; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
    for (; at < to - LAST; at += STRIDE) hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
    for (; at < to; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0;
    at = i < cuts.length ? cuts[i + 1]! : end;
  }
  return hash;
}

/** Below it a comparison byte by byte costs less than a call. */
const SHORT = 48;

function isRest(rest: Buffer, bytes: Buffer, start: number, end: number, cuts: LineCuts): boolean {
  let length = end - start;
  for (let i = 0; i < cuts.length; i += 2) length += 1 - cuts[i + 1]! + cuts[i]!;
  if (length !== rest.length) return false;
  let done = 0;
  let at = start;
  for (let i = 0; i <= cuts.length; i += 2) {
    const to = i < cuts.length ? cuts[i]! : end;
    if (!isPart(rest, done, bytes, at, to)) return false;
    // a mark between parts: what is cut must be cut at the same place
    done += to - at + 1;
    at = i < cuts.length ? cuts[i + 1]! : end;
  }
  return true;
}

function isPart(rest: Buffer, done: number, bytes: Buffer, at: number, to: number): boolean {
  const length = to - at;
  if (done + length > rest.length) return false;
  if (length > SHORT) return bytes.compare(rest, done, done + length, at, to) === 0;
  for (let i = 0; i < length; i++) if (rest[done + i] !== bytes[at + i]) return false;
  return true;
}

function restOf(bytes: Buffer, start: number, end: number, { cuts }: CutLine): Buffer {
  const parts: Buffer[] = [];
  let at = start;
  for (let i = 0; i < cuts.length; i += 2) {
    parts.push(bytes.subarray(at, cuts[i]!), MARK);
    at = cuts[i + 1]!;
  }
  return Buffer.concat([...parts, bytes.subarray(at, end)]);
}

/** No byte of a line. */
const MARK = Buffer.from("\n");
