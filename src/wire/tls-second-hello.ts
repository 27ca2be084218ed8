import { ClientHelloReader, NOT_A_CLIENT_HELLO } from "./tls-client-hello.ts";

/** Types of records that may come before a second hello (RFC 8446 sections 4.2.10 and D.4). */
const CHANGE_CIPHER_SPEC = 20;
const ALERT = 21;
const HANDSHAKE = 22;
const APPLICATION_DATA = 23;
const RECORD_HEADER_BYTES = 5;

/** Where a server's hello has its random value, and the value that makes it a request for another hello (section 4.1.3). */
const RANDOM_AT = 11;
const RETRY = Uint8Array.of(
  ...[0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91],
  ...[0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c],
);

/**
 * Holds a TLS client to the name of its first hello. A server may ask for a second hello (RFC 8446 section 4.1.4), which must name
 * the same server; OpenSSL takes the name of the second all the same. A client need not wait to be asked, so what it sends is
 * watched until the server has answered with something else than that request, or the second hello is through.
 */
export class SecondHelloGuard {
  private readonly serverName: string | undefined;
  private readonly forward: (bytes: Uint8Array) => void;
  private readonly header = new Uint8Array(RECORD_HEADER_BYTES);
  private headerLength = 0;
  /** Bytes that a record of no interest still has. */
  private recordLeft = 0;
  private reader: ClientHelloReader | undefined;
  /** What may be the beginning of a second hello. */
  private held: Uint8Array[] = [];
  private readonly answer = new Uint8Array(RANDOM_AT + RETRY.length);
  private answerLength = 0;
  /** Bytes that an alert of the server still has. */
  private alertLeft = 0;
  private over = false;

  /** `forward` gets the client's bytes, unchanged and in order, as soon as they may go on. */
  constructor(serverName: string | undefined, forward: (bytes: Uint8Array) => void) {
    this.serverName = serverName;
    this.forward = forward;
  }

  /** True when nothing of the client need be watched any more. */
  get isOver(): boolean {
    return this.over;
  }

  /** The client's next bytes; what is held of them is copied. Returns why the connection must end now, if it must. */
  fromClient(chunk: Uint8Array): string | undefined {
    let at = 0;
    while (at < chunk.length && this.reader === undefined && !this.over) {
      if (this.recordLeft > 0) {
        const taken = Math.min(this.recordLeft, chunk.length - at);
        this.recordLeft -= taken;
        at += taken;
      } else if (this.headerLength === 0 && chunk[at] === HANDSHAKE) this.reader = new ClientHelloReader();
      else if (!this.takeHeaderByte(chunk[at++]!)) return "unknown TLS record";
    }
    if (at > 0) this.forward(chunk.subarray(0, at));
    if (at === chunk.length) return undefined;
    const rest = chunk.subarray(at);
    if (this.reader === undefined) this.forward(rest);
    else return this.readHello(this.reader, rest);
    return undefined;
  }

  /** The server's next bytes. Alerts that warn before its hello say nothing of what the hello will be. */
  fromServer(chunk: Uint8Array): void {
    if (this.answerLength === this.answer.length) return;
    for (let at = 0; at < chunk.length && this.answerLength < this.answer.length; at++) {
      if (this.alertLeft > 0) {
        this.alertLeft--;
        continue;
      }
      this.answer[this.answerLength++] = chunk[at]!;
      const [type, , , high = 0, low = 0] = this.answer;
      if (this.answerLength !== RECORD_HEADER_BYTES || type !== ALERT) continue;
      this.alertLeft = high * 256 + low;
      this.answerLength = 0;
    }
    if (this.answerLength < this.answer.length) return;
    const isRetry = RETRY.every((byte, index) => this.answer[RANDOM_AT + index] === byte);
    if (!isRetry) this.release();
  }

  private readHello(reader: ClientHelloReader, chunk: Uint8Array): string | undefined {
    this.held.push(Uint8Array.from(chunk)); // the chunk is ours for the moment only
    const progress = reader.push(chunk, 0, chunk.length);
    if (progress.state === "fault" && progress.fault !== NOT_A_CLIENT_HELLO) return progress.fault;
    if (progress.state === "hello" && progress.hello.serverName !== this.serverName)
      return `second client hello for ${progress.hello.serverName ?? "no server"}`;
    if (progress.state !== "more") this.release();
    return undefined;
  }

  private release(): void {
    this.over = true;
    this.reader = undefined;
    for (const chunk of this.held.splice(0)) this.forward(chunk);
  }

  /** False for a record that no client sends. */
  private takeHeaderByte(byte: number): boolean {
    this.header[this.headerLength++] = byte;
    const [type = 0, major = 0, , high = 0, low = 0] = this.header;
    if (type !== CHANGE_CIPHER_SPEC && type !== ALERT && type !== APPLICATION_DATA) return false;
    if (this.headerLength < RECORD_HEADER_BYTES) return true;
    this.headerLength = 0;
    this.recordLeft = high * 256 + low;
    return major === 3;
  }
}
