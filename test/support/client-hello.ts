/** TLS client hellos: made by hand, piece by piece, and by real clients. */
import { execFile } from "node:child_process";
import { type AddressInfo, createServer } from "node:net";
import { type ConnectionOptions, connect as tlsConnect } from "node:tls";

/** A vector of RFC 8446 section 3: its length in `width` bytes, then its content. */
export function vector(width: 1 | 2 | 3, content: Uint8Array | readonly number[]): Buffer {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(width);
  length.writeUIntBE(bytes.length, 0, width);
  return Buffer.concat([length, bytes]);
}

export function extension(type: number, content: Uint8Array | readonly number[]): Buffer {
  return Buffer.concat([Buffer.from([type >> 8, type & 255]), vector(2, content)]);
}

export function serverNameExtension(...names: readonly string[]): Buffer {
  const list = names.map((name) => Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(name, "latin1"))]));
  return extension(0, vector(2, Buffer.concat(list)));
}

export function alpnExtension(...protocols: readonly string[]): Buffer {
  return extension(16, vector(2, Buffer.concat(protocols.map((each) => vector(1, Buffer.from(each, "latin1"))))));
}

export interface HelloParts {
  readonly version?: number;
  readonly session?: Uint8Array;
  readonly ciphers?: Uint8Array;
  readonly compressions?: readonly number[];
  /** Absent = none, not even their length. */
  readonly extensions?: readonly Uint8Array[];
  readonly behind?: Uint8Array;
}

/** The handshake message of a client hello, without records. */
export function helloMessage(parts: HelloParts): Buffer {
  const { version = 0x0303, session = [], ciphers = [0x13, 0x01], compressions = [0], extensions } = parts;
  const body = Buffer.concat([
    Buffer.from([version >> 8, version & 255]),
    Buffer.alloc(32, 0xa5),
    vector(1, session),
    vector(2, ciphers),
    vector(1, compressions),
    ...(extensions === undefined ? [] : [vector(2, Buffer.concat(extensions))]),
    parts.behind ?? Buffer.alloc(0),
  ]);
  return Buffer.concat([Buffer.from([1]), vector(3, body)]);
}

/** One record of a type. */
export function record(type: number, content: Uint8Array | readonly number[]): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 1]), vector(2, content)]);
}

/** Handshake records that carry the message, cut at `cuts`. */
export function inRecords(message: Uint8Array, cuts: readonly number[] = []): Buffer {
  const ends = [...new Set(cuts)].filter((cut) => cut > 0 && cut < message.length).sort((a, b) => a - b);
  const bounds = [...ends, message.length];
  return Buffer.concat(bounds.map((end, index) => record(22, message.subarray(bounds[index - 1] ?? 0, end))));
}

export function helloFor(...names: readonly string[]): Buffer {
  return inRecords(helloMessage({ extensions: [serverNameExtension(...names)] }));
}

/** What the client that `start` sends to a port of loopback says first. */
async function firstBytes(start: (port: number) => () => void): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", (chunk) => {
        stop();
        socket.destroy();
        server.close();
        resolve(chunk);
      });
    });
    let stop: () => void = () => undefined;
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      stop = start((server.address() as AddressInfo).port);
    });
  });
}

/** The hello of Node's TLS client. */
export function nodeHello(options: ConnectionOptions): Promise<Buffer> {
  return firstBytes((port) => {
    const socket = tlsConnect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
    socket.on("error", () => undefined);
    return () => socket.destroy();
  });
}

/** The hello of `openssl s_client`. */
export function opensslHello(...options: readonly string[]): Promise<Buffer> {
  return firstBytes((port) => {
    const child = execFile("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, ...options], () => undefined);
    return () => child.kill();
  });
}
