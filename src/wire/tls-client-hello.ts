import { latin1 } from "./latin1.ts";

/** Most bytes of a client hello, record headers included. Envoy's TLS inspector gives up at the same size. */
export const MAX_CLIENT_HELLO_BYTES = 16 * 1024;

/** Types and sizes of RFC 8446 sections 5.1 (records) and 4 (handshake messages). */
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const MAJOR_VERSION = 3;
const TLS_1_0 = 0x0301;
const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
const RANDOM_BYTES = 32;
const MAX_SESSION_ID_BYTES = 32;
const MAX_NAME_BYTES = 255;

/** Extensions: RFC 6066 section 3 and RFC 7301 section 3.1; the type of a host's name in the first. */
const SERVER_NAME = 0;
const APPLICATION_PROTOCOLS = 16;
const HOST_NAME = 0;

/** What a client says before the server has said anything. */
export interface ClientHello {
  /** The server's name, its bytes as sent, one character each; undefined = none is asked for. */
  readonly serverName: string | undefined;
  /** Application protocols (ALPN) in the client's order, one character a byte. */
  readonly protocols: readonly string[];
}

/** The fault of a handshake message that is of another type. */
export const NOT_A_CLIENT_HELLO = "not a client hello";

/** What `ClientHelloReader.push` found out. */
export type ClientHelloProgress =
  | { readonly state: "more" }
  /** The hello ended with its record, `consumed` bytes into the chunk. */
  | { readonly state: "hello"; readonly hello: ClientHello; readonly consumed: number }
  /** Why the bytes are no client hello that has exactly one meaning. */
  | { readonly state: "fault"; readonly fault: string };

const MORE: ClientHelloProgress = { state: "more" };

/**
 * Reads the client hello that a TLS connection begins with (RFC 8446 section 4.1.2), out of chunks cut anywhere and of as many
 * records as the client likes. Values that it does not know, those of RFC 8701 (GREASE) among them, mean nothing. With
 * an encrypted hello inside (ECH) the name is that of the outer one, which is all that anybody on the way can read.
 *
 * Stricter than a server needs to be: whatever two readers could take differently is a fault. That is a hello of SSL 2.0, another
 * record or an empty one in between, bytes behind the hello in its record, an extension twice, more than one name.
 */
export class ClientHelloReader {
  private readonly header = new Uint8Array(RECORD_HEADER_BYTES);
  private headerLength = 0;
  /** Bytes that the present record still has. */
  private recordLeft = 0;
  private total = 0;
  private message = new Uint8Array(1024);
  private messageLength = 0;

  /** Takes bytes `start` to `end` of the chunk and copies what it needs. Not to be called again after a hello or a fault. */
  push(chunk: Uint8Array, start: number, end: number): ClientHelloProgress {
    for (let at = start; at < end; ) {
      if (this.recordLeft === 0) {
        const fault = this.takeHeaderByte(chunk[at++]!);
        if (fault !== undefined) return { state: "fault", fault };
        continue;
      }
      const taken = Math.min(this.recordLeft, end - at);
      this.keep(chunk.subarray(at, at + taken));
      at += taken;
      const messageEnd = this.messageEnd();
      if (typeof messageEnd === "string") return { state: "fault", fault: messageEnd };
      if (this.messageLength < messageEnd) continue;
      if (this.messageLength > messageEnd || this.recordLeft > 0)
        return { state: "fault", fault: "bytes behind the client hello" };
      const hello = readHello(new Cursor(this.message, MESSAGE_HEADER_BYTES, messageEnd));
      return typeof hello === "string"
        ? { state: "fault", fault: hello }
        : { state: "hello", hello, consumed: at - start };
    }
    return MORE;
  }

  private takeHeaderByte(byte: number): string | undefined {
    this.header[this.headerLength++] = byte;
    if (this.headerLength === 1 && byte !== HANDSHAKE_RECORD) return "not a TLS handshake";
    if (this.headerLength === 2 && byte !== MAJOR_VERSION) return "not a TLS handshake";
    if (this.headerLength < RECORD_HEADER_BYTES) return undefined;
    this.headerLength = 0;
    this.recordLeft = this.header[3]! * 256 + this.header[4]!;
    if (this.recordLeft === 0) return "empty TLS record";
    this.total += RECORD_HEADER_BYTES + this.recordLeft;
    return this.total > MAX_CLIENT_HELLO_BYTES ? TOO_LARGE : undefined;
  }

  private keep(bytes: Uint8Array): void {
    const length = this.messageLength + bytes.length;
    if (length > this.message.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.message.length));
      larger.set(this.message.subarray(0, this.messageLength));
      this.message = larger;
    }
    this.message.set(bytes, this.messageLength);
    this.messageLength = length;
    this.recordLeft -= bytes.length;
  }

  /** Where the message ends, as far as it can be told; a text says why it is none that is wanted. */
  private messageEnd(): number | string {
    if (this.message[0] !== CLIENT_HELLO) return NOT_A_CLIENT_HELLO;
    if (this.messageLength < MESSAGE_HEADER_BYTES) return MESSAGE_HEADER_BYTES;
    const end = MESSAGE_HEADER_BYTES + new Cursor(this.message, 1, MESSAGE_HEADER_BYTES).number(3);
    return end > MAX_CLIENT_HELLO_BYTES ? TOO_LARGE : end;
  }
}

const TOO_LARGE = `client hello of more than ${MAX_CLIENT_HELLO_BYTES} bytes`;
const MALFORMED = "malformed client hello";

/** Numbers and vectors in the order of RFC 8446 section 3. What is not there reads as nothing, and leaves `isBroken`. */
class Cursor {
  private readonly bytes: Uint8Array;
  private at: number;
  private readonly end: number;
  isBroken = false;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** The next `count` bytes. */
  take(count: number): Cursor {
    if (count > this.left) {
      this.isBroken = true;
      return new Cursor(this.bytes, this.end, this.end);
    }
    this.at += count;
    return new Cursor(this.bytes, this.at - count, this.at);
  }

  number(width: number): number {
    const { at, left } = this.take(width);
    let value = 0;
    for (let index = at; index < at + left; index++) value = value * 256 + this.bytes[index]!;
    return value;
  }

  /** A vector whose length stands before it in `width` bytes. */
  vector(width: number): Cursor {
    return this.take(this.number(width));
  }

  text(): string {
    return latin1(this.bytes, this.at, this.end);
  }
}

/** The hello, or what is wrong with it. */
function readHello(body: Cursor): ClientHello | string {
  const version = body.number(2);
  body.take(RANDOM_BYTES);
  const session = body.vector(1);
  const ciphers = body.vector(2);
  const compressions = body.vector(1);
  const isKnown = version >> 8 === MAJOR_VERSION && version >= TLS_1_0;
  if (body.isBroken || !isKnown || session.left > MAX_SESSION_ID_BYTES) return MALFORMED;
  if (ciphers.left === 0 || ciphers.left % 2 === 1 || compressions.left === 0) return MALFORMED;
  // TLS 1.2 may leave the extensions out altogether (RFC 5246 section 7.4.1.2).
  if (body.left === 0) return { serverName: undefined, protocols: [] };
  const extensions = body.vector(2);
  return body.isBroken || body.left > 0 ? MALFORMED : readExtensions(extensions);
}

function readExtensions(extensions: Cursor): ClientHello | string {
  const seen = new Set<number>();
  let serverName: string | undefined;
  let protocols: readonly string[] = [];
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (extensions.isBroken) return MALFORMED;
    if (seen.has(type)) return "client hello with an extension twice";
    seen.add(type);
    if (type === SERVER_NAME) {
      serverName = readServerName(content);
      if (serverName === undefined) return "client hello without exactly one server name in its extension";
    } else if (type === APPLICATION_PROTOCOLS) {
      const list = readProtocols(content);
      if (list === undefined) return MALFORMED;
      protocols = list;
    }
  }
  return { serverName, protocols };
}

/** The list was meant for several types of names; servers take only one host's name, and two readers could choose differently. */
function readServerName(content: Cursor): string | undefined {
  const list = content.vector(2);
  const type = list.number(1);
  const name = list.vector(2);
  const isWhole = !content.isBroken && !list.isBroken && content.left === 0 && list.left === 0;
  if (!isWhole || type !== HOST_NAME || name.left === 0 || name.left > MAX_NAME_BYTES) return undefined;
  return name.text();
}

function readProtocols(content: Cursor): readonly string[] | undefined {
  const list = content.vector(2);
  const protocols: string[] = [];
  while (list.left > 0) {
    const protocol = list.vector(1).text();
    if (protocol !== "") protocols.push(protocol);
    else list.isBroken = true;
    if (list.isBroken) return undefined;
  }
  return content.isBroken || content.left > 0 || protocols.length === 0 ? undefined : protocols;
}
