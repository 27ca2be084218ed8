import { latin1 } from "./latin1.ts";

/** Longest head (start line, fields and the empty line) in bytes. */
export const MAX_HEAD_BYTES = 64 * 1024;
/** Most fields of one head. */
const MAX_FIELDS = 200;

export interface HttpField {
  readonly name: string;
  readonly value: string;
}

/** Why bytes are not an HTTP message that has exactly one meaning. `status` is the answer to give. */
export interface HttpFault {
  readonly fault: string;
  readonly status: 400 | 408 | 431 | 501 | 505;
}

/** Start line and fields, split but not yet judged. */
export interface RawHead {
  readonly startLine: string;
  readonly fields: readonly HttpField[];
}

const CR = 13;
const LF = 10;

/** True for the characters of RFC 9110's `token`. */
const TOKEN = new Uint8Array(256);
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  TOKEN[character.charCodeAt(0)] = 1;
}

export function isToken(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (TOKEN[text.charCodeAt(index)] !== 1) return false;
  return text.length > 0;
}

export function fault(reason: string, status: HttpFault["status"] = 400): HttpFault {
  return { fault: reason, status };
}

export function isFault<T extends object>(value: T | HttpFault): value is HttpFault {
  return "fault" in value;
}

/** What `HeadReader.push` found out. */
export type HeadProgress =
  | { readonly state: "more" }
  /** `consumed` bytes of the chunk belong to the head. */
  | { readonly state: "head"; readonly head: RawHead; readonly bytes: Uint8Array; readonly consumed: number }
  | { readonly state: "fault"; readonly fault: HttpFault };

const MORE: HeadProgress = { state: "more" };

/**
 * Collects one head from chunks cut anywhere. Lines end in CRLF only, and nothing of a head that is not complete is
 * ever given out, so that two readers cannot disagree about where it ends.
 */
export class HeadReader {
  private held: Uint8Array | undefined;
  private length = 0;
  private lineStart = 0;
  private scanned = 0;

  /** True when no byte of a head is held. */
  get empty(): boolean {
    return this.length === 0;
  }

  /** Takes bytes `start` to `end` of the chunk; the head that comes out stands alone, whatever becomes of the chunk. */
  push(chunk: Uint8Array, start: number, end: number): HeadProgress {
    const before = this.length;
    // A TLS client that waits for an answer would never send the end of a line.
    if (before === 0 && start < end && !mayBegin(chunk[start]!)) return this.fail(fault("not HTTP"));
    const room = MAX_HEAD_BYTES - before;
    const taken = Math.min(end - start, room);
    const bytes = before === 0 ? chunk.subarray(start, start + taken) : this.hold(chunk, start, start + taken);
    const headEnd = this.findEnd(bytes);
    if (typeof headEnd !== "number") return this.fail(headEnd);
    if (headEnd > 0) return this.complete(bytes.slice(0, headEnd), headEnd - before);
    if (end - start >= room) return this.fail(fault(`head of more than ${MAX_HEAD_BYTES} bytes`, 431));
    if (before === 0) this.hold(chunk, start, start + taken);
    return MORE;
  }

  /** Adds to what is held, in a buffer that doubles, so that a head that comes byte by byte costs no more than its length. */
  private hold(chunk: Uint8Array, start: number, end: number): Uint8Array {
    const length = this.length + end - start;
    if (this.held === undefined || this.held.length < length) {
      const grown = new Uint8Array(Math.max(512, length * 2));
      if (this.held !== undefined) grown.set(this.held.subarray(0, this.length));
      this.held = grown;
    }
    this.held.set(chunk.subarray(start, end), this.length);
    this.length = length;
    return this.held.subarray(0, length);
  }

  /** Length of the head, 0 when it is not complete. */
  private findEnd(bytes: Uint8Array): number | HttpFault {
    for (;;) {
      const at = bytes.indexOf(LF, this.scanned);
      if (at < 0) break;
      if (at === 0 || bytes[at - 1] !== CR) return fault("bare LF");
      const isEmpty = at - 1 === this.lineStart;
      if (isEmpty && at === 1) return fault("empty line before the start line");
      this.scanned = at + 1;
      this.lineStart = at + 1;
      if (isEmpty) return at + 1;
    }
    this.scanned = bytes.length;
    return 0;
  }

  private complete(bytes: Uint8Array, consumed: number): HeadProgress {
    this.reset();
    const head = splitHead(latin1(bytes, 0, bytes.length));
    return isFault(head) ? { state: "fault", fault: head } : { state: "head", head, bytes, consumed };
  }

  private fail(reason: HttpFault): HeadProgress {
    this.reset();
    return { state: "fault", fault: reason };
  }

  private reset(): void {
    this.held = undefined;
    this.length = 0;
    this.lineStart = 0;
    this.scanned = 0;
  }
}

/** True for printable characters and those of line ends, which get their own faults. */
function mayBegin(byte: number): boolean {
  return (byte >= 32 && byte < 127) || byte === CR || byte === LF;
}

/** Splits the text of a complete head. Refuses what readers are known to read differently. */
function splitHead(text: string): RawHead | HttpFault {
  const first = text.indexOf("\r\n");
  const startLine = text.slice(0, first);
  const fields: HttpField[] = [];
  for (let at = first + 2; ; ) {
    const end = text.indexOf("\r\n", at);
    if (end === at) break;
    if (end < 0) return fault("head without an end");
    if (fields.length === MAX_FIELDS) return fault(`more than ${MAX_FIELDS} fields`, 431);
    const field = splitField(text, at, end);
    if (isFault(field)) return field;
    fields.push(field);
    at = end + 2;
  }
  return { startLine, fields };
}

function splitField(text: string, start: number, end: number): HttpField | HttpFault {
  const first = text.charCodeAt(start);
  if (first === 32 || first === 9) return fault("folded field");
  const colon = text.indexOf(":", start);
  if (colon < 0 || colon >= end) return fault("field without a colon");
  const name = text.slice(start, colon);
  if (!isToken(name)) {
    return fault(/[ \t]$/.test(name) ? "space before the colon" : "character that is not allowed in a field name");
  }
  let from = colon + 1;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  const value = text.slice(from, to);
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index);
    if ((code < 32 && code !== 9) || code === 127) {
      return fault(code === 0 ? "NUL in a field value" : "control character in a field value");
    }
  }
  return { name, value };
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

/** Values of every field called `name` (lower case), in order. */
export function fieldValues(fields: readonly HttpField[], name: string): string[] {
  const values: string[] = [];
  for (const field of fields) {
    if (field.name.length === name.length && field.name.toLowerCase() === name) values.push(field.value);
  }
  return values;
}

/** Elements of a comma list that may be spread over fields, lower case, empty ones left out. */
export function listMembers(values: readonly string[]): string[] {
  return values.flatMap((value) =>
    value
      .split(",")
      .map((member) => member.trim().toLowerCase())
      .filter((member) => member !== ""),
  );
}
