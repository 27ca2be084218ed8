import { type Framing, mustNotTrail } from "./http-framing.ts";

const NO_LINE: number[] = [];
const CR = 13;
const LF = 10;
const COLON = 58;
const SEMICOLON = 59;
/** Longest chunk-size line (with its extension) and longest trailer section, in bytes. */
const MAX_CHUNK_LINE = 256;
const MAX_TRAILER = 8192;
const MAX_CHUNK_DIGITS = 12;

type ChunkState = "size" | "extension" | "size-lf" | "data" | "data-cr" | "data-lf" | "trailer" | "trailer-lf";

/**
 * Finds the end of one body. It is told every byte once, in pieces cut anywhere, and says how many belong to the body;
 * the bytes themselves pass by unchanged.
 */
export class BodyReader {
  private readonly framing: Framing;
  private readonly isJudged: (name: string) => boolean;
  private remaining: number;
  private state: ChunkState = "size";
  private digits = 0;
  private lineBytes = 0;
  private trailerBytes = 0;
  private trailerLine = NO_LINE;
  /** The line's name has ended. */
  private trailerNamed = false;
  private lastChunk = false;
  private finished: boolean;
  private problem: string | undefined;

  /** `isJudged`: the field of this name, in lower case, decided about the request, and must not come again behind it. */
  constructor(framing: Framing, isJudged: (name: string) => boolean = nothing) {
    this.framing = framing;
    this.isJudged = isJudged;
    this.remaining = framing.kind === "length" ? framing.length : 0;
    this.finished = framing.kind === "none" || (framing.kind === "length" && framing.length === 0);
  }

  /** True when the body is complete. A body that ends with the connection never is. */
  get done(): boolean {
    return this.finished;
  }

  /** Why the body has no clear end; no byte after it may be used. */
  get fault(): string | undefined {
    return this.problem;
  }

  /** How many of the bytes from `start` to `end` belong to this body. On a fault: those before it. */
  take(bytes: Uint8Array, start: number, end: number): number {
    if (this.finished || this.problem !== undefined) return 0;
    if (this.framing.kind === "until-close") return end - start;
    if (this.framing.kind === "length") return this.takeCounted(start, end);
    let at = start;
    while (at < end && !this.finished && this.problem === undefined) at = this.step(bytes, at, end);
    return at - start;
  }

  private takeCounted(start: number, end: number): number {
    const taken = Math.min(this.remaining, end - start);
    this.remaining -= taken;
    this.finished = this.remaining === 0;
    return taken;
  }

  private step(bytes: Uint8Array, at: number, end: number): number {
    if (this.state === "data") return this.data(at, end);
    const byte = bytes[at]!;
    switch (this.state) {
      case "size":
        this.size(byte);
        break;
      case "extension":
        this.extension(byte);
        break;
      case "size-lf":
        this.expect(byte, LF, this.lastChunk ? "trailer" : "data");
        break;
      case "data-cr":
        this.expect(byte, CR, "data-lf");
        break;
      case "data-lf":
        this.expect(byte, LF, "size");
        break;
      case "trailer":
        this.trailer(byte);
        break;
      case "trailer-lf":
        this.trailerEnd(byte);
        break;
    }
    return this.problem === undefined ? at + 1 : at;
  }

  private data(at: number, end: number): number {
    const taken = Math.min(this.remaining, end - at);
    this.remaining -= taken;
    if (this.remaining === 0) this.state = "data-cr";
    return at + taken;
  }

  private expect(byte: number, wanted: number, next: ChunkState): void {
    if (byte !== wanted) {
      this.problem = "chunk that does not end in CRLF";
      return;
    }
    this.state = next;
    if (next === "size") {
      this.digits = 0;
      this.lineBytes = 0;
    }
  }

  private size(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      if (++this.digits > MAX_CHUNK_DIGITS) this.problem = "chunk size that is too large";
      else this.remaining = this.remaining * 16 + digit;
      return;
    }
    if (this.digits === 0 || (byte !== CR && byte !== SEMICOLON)) {
      this.problem = "chunk size that is not a number";
      return;
    }
    this.lastChunk = this.remaining === 0;
    this.state = byte === CR ? "size-lf" : "extension";
  }

  private extension(byte: number): void {
    if (byte === CR) this.state = "size-lf";
    else if ((byte < 32 && byte !== 9) || byte === 127) this.problem = "control character in a chunk extension";
    else if (++this.lineBytes > MAX_CHUNK_LINE) this.problem = "chunk extension that is too long";
  }

  private trailer(byte: number): void {
    if (++this.trailerBytes > MAX_TRAILER) this.problem = "trailer that is too long";
    else if (byte === CR) this.state = "trailer-lf";
    else if ((byte < 32 && byte !== 9) || byte === 127) this.problem = "control character in a trailer";
    else if (!this.trailerNamed) this.trailerName(byte);
  }

  /** A name is judged at its colon: what follows one that must not be here never leaves. */
  private trailerName(byte: number): void {
    if (byte !== COLON) {
      if (this.trailerLine === NO_LINE) this.trailerLine = [];
      this.trailerLine.push(byte);
      if (!TOKEN.test(String.fromCharCode(byte))) this.problem = "trailer that is not a field";
      return;
    }
    const name = String.fromCharCode(...this.trailerLine).toLowerCase();
    if (name === "") this.problem = "trailer that is not a field";
    else if (mustNotTrail(name)) this.problem = "trailer that would frame or direct a message";
    else if (this.isJudged(name)) this.problem = "trailer that rules look at as a header";
    else this.trailerNamed = true;
  }

  private trailerEnd(byte: number): void {
    if (byte !== LF) {
      this.problem = "bare CR in a trailer";
      return;
    }
    if (this.trailerLine.length === 0) {
      this.finished = true;
      return;
    }
    if (!this.trailerNamed) this.problem = "trailer that is not a field";
    this.trailerNamed = false;
    this.trailerLine = NO_LINE;
    this.state = "trailer";
  }
}

/** A byte of a field's name (RFC 9110, 5.6.2). */
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]/;
const nothing = () => false;

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
