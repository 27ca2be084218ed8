import type { AccessRecord } from "../model/access-record.ts";
import { HeadReader, isFault } from "../wire/http-head.ts";
import { readRequest } from "../wire/http-request.ts";
import { CLIENT_PREFACE } from "../wire/http2-frame.ts";
import { type ClientHello, ClientHelloReader } from "../wire/tls-client-hello.ts";
import { Http2Overheard } from "./overheard-http2.ts";

/** What requests at a port are read as. */
export type Parser = "http" | "dns" | "tls";

/**
 * Why a connection could not be read: it stood `before` it was looked at, and is of a protocol that shows what it says at the beginning
 * only; a piece was `cut` off or lost; it is `strange`, so that a proxy would not read it either; too `many` were being read.
 */
export type Unread = "before" | "cut" | "strange" | "many";

/** What a request adds to a record. */
export type HeardRequest = Pick<AccessRecord, "protocol" | "method" | "url" | "headers" | "tls">;

/** Reads the client's bytes of one connection. */
export interface StreamReader {
  /** Nothing more will be read. */
  readonly isOver: boolean;
  /** It keeps bytes, or what they said. */
  readonly isHolding: boolean;
  /** Takes the bytes that come next; behind them `missing` ones are not here. Says why something could not be read. */
  push(bytes: Uint8Array, missing: number, heard: (request: HeardRequest) => void): Unread | undefined;
}

const LONGEST_METHOD = 20;
const SPACE = 32;
/** What a target begins with: a path, `*`, `http://`. */
const TARGET_BEGINNINGS = new Set("/*hH".split("").map((letter) => letter.charCodeAt(0)));
const HANDSHAKE_RECORD = 22;
const NO_BYTES = new Uint8Array();
const NO_FIELDS: AccessRecord["headers"] = [];

/** What a client says on one connection, in the order of its sequence numbers. */
export class OverheardStream {
  /** It was told that something could not be read. */
  isTold = false;
  /** Sequence number of the byte that comes next. */
  private next = 0;
  private reader: StreamReader | undefined;
  /** Its first byte is the one that comes next, or was seen. */
  private hasBegun = false;

  /** `sequence` of the first segment that is seen. */
  constructor(sequence: number) {
    this.next = sequence;
  }

  get isHolding(): boolean {
    return this.reader?.isHolding === true;
  }

  /** Forgets what it holds; what follows is read as far as that can be done without. */
  giveUp(): void {
    this.reader = undefined;
    this.hasBegun = false;
  }

  /** A connection begins, perhaps on ports that another one had: `sequence` is that of its SYN. */
  begin(sequence: number): void {
    this.reader = undefined;
    this.isTold = false;
    this.hasBegun = true;
    this.next = (sequence + 1) >>> 0;
  }

  /** Takes a segment of `length` bytes, of which `payload` are here. Says why something of it could not be read. */
  take(
    { sequence, payload, length }: { sequence: number; payload: Uint8Array; length: number },
    parsers: ReadonlySet<Parser>,
    heard: (request: HeardRequest) => void,
  ): Unread | undefined {
    const ahead = (sequence - this.next) | 0;
    const seen = Math.max(0, -ahead);
    // it was here before
    if (seen >= length) return undefined;
    this.next = (sequence + length) >>> 0;
    const fresh = payload.subarray(seen);
    const gap = ahead > 0 ? this.miss(ahead) : undefined;
    this.reader ??= this.readerFor(fresh, parsers);
    if (this.reader === undefined) return gap ?? "before";
    if (this.reader.isOver) return gap;
    const unread = this.reader.push(fresh, length - seen - fresh.length, heard);
    return gap ?? unread;
  }

  /** What is missing may have been anything: without a reader, the beginning. */
  private miss(bytes: number): Unread | undefined {
    if (this.reader === undefined) this.hasBegun = false;
    return this.reader?.isOver === false ? this.reader.push(NO_BYTES, bytes, () => undefined) : undefined;
  }

  /** Undefined = nothing can be made of it without what came before. */
  private readerFor(bytes: Uint8Array, parsers: ReadonlySet<Parser>): StreamReader | undefined {
    if (parsers.has("tls") && (this.hasBegun || bytes[0] === HANDSHAKE_RECORD) && !this.isHttp(bytes, parsers))
      return new HelloOverheard(this.hasBegun);
    return parsers.has("http") ? new HttpOverheard(this.hasBegun) : undefined;
  }

  private isHttp(bytes: Uint8Array, parsers: ReadonlySet<Parser>): boolean {
    return parsers.has("http") && bytes[0] !== HANDSHAKE_RECORD;
  }
}

/**
 * Reads what a TLS client says first, as the proxy does: one whose hello cannot be read is one that asks for no name. What follows is
 * encrypted, and not read.
 */
class HelloOverheard implements StreamReader {
  private reader: ClientHelloReader | undefined = new ClientHelloReader();
  private readonly hasBegun: boolean;

  /** `hasBegun`: the first byte is the connection's. */
  constructor(hasBegun: boolean) {
    this.hasBegun = hasBegun;
  }

  get isOver(): boolean {
    return this.reader === undefined;
  }

  get isHolding(): boolean {
    return !this.isOver;
  }

  push(bytes: Uint8Array, missing: number, heard: (request: HeardRequest) => void): Unread | undefined {
    const progress = this.reader?.push(bytes, 0, bytes.length);
    if (progress === undefined || (progress.state === "more" && missing === 0)) return undefined;
    this.reader = undefined;
    if (progress.state === "more") return "cut";
    if (progress.state === "fault" && !this.hasBegun) return "before";
    const { serverName, protocols }: ClientHello =
      progress.state === "hello" ? progress.hello : { serverName: undefined, protocols: [] };
    const tls = { ...(serverName !== undefined && { serverName }), protocols };
    heard({ protocol: "", method: "", url: "", headers: NO_FIELDS, tls });
    return undefined;
  }
}

/** Reads requests of HTTP/1, also from a place in the middle on, and of HTTP/2 from its preface on. */
class HttpOverheard implements StreamReader {
  private head = new HeadReader();
  /** Bytes of a body that are still to come. */
  private body = 0;
  /** A request was read: what does not look like one is the rest of its body. */
  private hasHeard = false;
  private http2: Http2Overheard | undefined;
  private hasBegun: boolean;

  /** `hasBegun`: the first byte is the connection's. */
  constructor(hasBegun: boolean) {
    this.hasBegun = hasBegun;
  }

  get isOver(): boolean {
    return this.http2?.isOver === true;
  }

  get isHolding(): boolean {
    return this.http2 === undefined ? !this.head.empty : !this.http2.isOver;
  }

  push(bytes: Uint8Array, missing: number, heard: (request: HeardRequest) => void): Unread | undefined {
    if (this.http2 !== undefined) return this.http2.push(bytes, missing, heard);
    let from = Math.min(this.body, bytes.length);
    this.body -= from;
    while (from < bytes.length) {
      if (this.head.empty && beginsHttp2(bytes, from)) {
        this.http2 = new Http2Overheard();
        return this.http2.push(bytes.subarray(from), missing, heard);
      }
      const consumed = this.readRequest(bytes, from, heard);
      if (typeof consumed === "string") return this.hasHeard && this.head.empty ? undefined : consumed;
      from += consumed;
      const skipped = Math.min(this.body, bytes.length - from);
      this.body -= skipped;
      from += skipped;
    }
    return this.miss(missing);
  }

  /** The bytes that belong to the request; a reason when they are none. */
  private readRequest(bytes: Uint8Array, from: number, heard: (request: HeardRequest) => void): number | Unread {
    if (this.head.empty && !mayBeRequest(bytes, from)) return this.hasBegun ? "strange" : "before";
    const read = this.head.push(bytes, from, bytes.length);
    if (read.state === "more") return bytes.length - from;
    const request = read.state === "fault" ? read.fault : readRequest(read.head);
    if (read.state === "fault" || isFault(request)) {
      this.head = new HeadReader();
      this.hasHeard = false;
      return "strange";
    }
    this.hasHeard = true;
    const { version, method, host, path, fields, framing } = request;
    heard({ protocol: version, method, url: `http://${host}${path}`, headers: fields });
    this.body = framing.kind === "length" ? framing.length : 0;
    return read.consumed;
  }

  /** What is missing may have been anything, but for the rest of a body. */
  private miss(bytes: number): Unread | undefined {
    if (bytes <= this.body) {
      this.body -= bytes;
      return undefined;
    }
    this.body = 0;
    this.hasBegun = false;
    if (this.head.empty) return undefined;
    this.head = new HeadReader();
    return "cut";
  }
}

function beginsHttp2(bytes: Uint8Array, from: number): boolean {
  return bytes.length - from >= CLIENT_PREFACE.length && CLIENT_PREFACE.every((byte, at) => bytes[from + at] === byte);
}

/** Whether the bytes begin as a request line does: a word in capitals, and a target if they go so far. */
function mayBeRequest(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < bytes.length && at - from <= LONGEST_METHOD; at++) {
    const byte = bytes[at]!;
    if (byte === SPACE) return at > from && (at + 1 === bytes.length || TARGET_BEGINNINGS.has(bytes[at + 1]!));
    if (byte < 65 || byte > 90) return false;
  }
  return bytes.length - from <= LONGEST_METHOD;
}
