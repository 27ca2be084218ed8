import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { GetFlowsRequestSchema, type GetFlowsResponse } from "../../proto/gen/observer_pb.js";
import { EncodedBytes } from "../flow/encode.ts";
import { FLOWS_PATH } from "./raw-flows.ts";
import type { ReadResult } from "./reader.ts";
import { type FlowQuery, parseFlowsRequest } from "./request.ts";
import { MAX_REQUEST_BYTES, type StreamHandler } from "./server.ts";

/** Of one write; the last response goes over it. */
const CHUNK_BYTES = 48 << 10;
/** How long a stream that is behind fills chunks before others have their turn: with one chunk a turn it could not catch up with a source that is behind too. */
const TURN_MS = 2;
/** Bytes that may be on their way to one client: a tenth of a second of 10,000 flows. */
const MOST_OUTGOING = 1 << 20;
/** Memory for writes that is kept when none uses it. */
const MOST_SPARE = 16;
/** Of a gRPC message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;

/** Where a stream's responses come from. */
export interface ResponseSource<R extends object = GetFlowsResponse> {
  next(): ReadResult<R>;
  /** Resolves when `next` may have something new, or the signal aborts. */
  ready(signal: AbortSignal): Promise<void>;
}

/** Starts a query; the signal ends it. */
export type OpenSource<R extends object> = (query: FlowQuery, signal: AbortSignal) => ResponseSource<R>;

/** What a stream needs of its source: how to open it, and how a response's bytes are appended. */
export interface StreamSource<R extends object> {
  readonly open: OpenSource<R>;
  readonly encode: (response: R, out: EncodedBytes) => void;
}

/**
 * GetFlows without the layers of the general adapter, which cost more than the flows themselves: several times as many
 * messages a second. Other protocols (gRPC-web, Connect) and compressed requests are left to the adapter.
 */
export function flowStreamHandler<R extends object>(
  source: StreamSource<R>,
  headers: Readonly<Record<string, string>>,
): StreamHandler {
  return (request, response) => {
    const type = request.headers["content-type"] ?? "";
    const encoding = request.headers["grpc-encoding"] ?? "identity";
    if (request.url !== FLOWS_PATH || !/^application\/grpc(\+proto)?$/.test(type) || encoding !== "identity")
      return false;
    void answer(request, response, source, headers);
    return true;
  };
}

async function answer<R extends object>(
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  { open, encode }: StreamSource<R>,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const aborted = new AbortController();
  response.on("close", () => aborted.abort());
  // the client's reset; the close event follows
  request.stream.on("error", () => aborted.abort());
  try {
    const message = fromBinary(GetFlowsRequestSchema, await readMessage(request));
    const source = open(parseFlowsRequest(message), aborted.signal);
    if (response.destroyed || aborted.signal.aborted) return;
    response.writeHead(200, { "content-type": "application/grpc", ...headers });
    // headers go out with the first write; readers wait for them
    response.write(new Uint8Array(0));
    await pump(response, source, encode, aborted.signal);
    endStream(response, { "grpc-status": "0" });
  } catch (error) {
    const failure = ConnectError.from(error);
    endStream(response, {
      "grpc-status": String(failure.code),
      "grpc-message": encodeURIComponent(failure.rawMessage),
      ...headers,
    });
  }
}

async function readMessage(request: Http2ServerRequest): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_REQUEST_BYTES) throw new ConnectError("request is too large", Code.ResourceExhausted);
  }
  const bytes = Buffer.concat(chunks);
  if (bytes.length < 5 || bytes[0] !== 0 || bytes.readUInt32BE(1) !== bytes.length - 5) {
    throw new ConnectError("GetFlows takes exactly one uncompressed message", Code.Internal);
  }
  return bytes.subarray(5);
}

/** As trailers, or as headers alone when nothing was sent before. */
function endStream(response: Http2ServerResponse, status: Readonly<Record<string, string>>): void {
  if (response.writableEnded || response.stream?.destroyed) return;
  if (!response.headersSent) {
    // with these headers the stream must end: an empty frame of data after them is an error to clients
    response.stream.respond({ ":status": 200, "content-type": "application/grpc", ...status }, { endStream: true });
    return;
  }
  response.addTrailers(status);
  response.end();
}

async function pump<R extends object>(
  stream: Http2ServerResponse,
  source: ResponseSource<R>,
  encode: StreamSource<R>["encode"],
  signal: AbortSignal,
): Promise<void> {
  const outgoing = new Outgoing(stream);
  let turnEndMs = performance.now() + TURN_MS;
  while (!signal.aborted) {
    const { chunk, last } = collect(source, encode);
    if (chunk !== undefined) outgoing.write(chunk);
    if (last === "end") return;
    // what came while we waited for the client must be collected before waiting for more
    if (outgoing.isFull) await outgoing.room(signal);
    else if (last === "wait") await source.ready(signal);
    // other streams and the source of events run between
    else if (performance.now() < turnEndMs) continue;
    else await new Promise((resolve) => setImmediate(resolve));
    turnEndMs = performance.now() + TURN_MS;
  }
}

/** What was written and the client's connection has not taken yet: as much as a client may be behind without its flows waiting in the ring. */
class Outgoing {
  private readonly stream: Http2ServerResponse;
  private bytes = 0;
  private wake: (() => void) | undefined;

  constructor(stream: Http2ServerResponse) {
    this.stream = stream;
  }

  get isFull(): boolean {
    return this.bytes >= MOST_OUTGOING;
  }

  /** The chunk's memory is used again once it is sent. */
  write(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    this.stream.write(chunk, () => {
      this.bytes -= chunk.length;
      release(chunk);
      if (!this.isFull) this.wake?.();
    });
  }

  /** Resolves when it is not full, or the signal aborts. */
  room(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.wake = undefined;
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.wake = done;
      signal.addEventListener("abort", done);
      if (signal.aborted) done();
    });
  }
}

/** Memory of chunks that have been written. */
const spare: Uint8Array[] = [];

function release(chunk: Uint8Array): void {
  if (spare.length < MOST_SPARE) spare.push(new Uint8Array(chunk.buffer));
}

/** Where chunks are put together. */
const frames = new EncodedBytes();

function collect<R extends object>(
  source: ResponseSource<R>,
  encode: StreamSource<R>["encode"],
): { chunk: Uint8Array | undefined; last: ReadResult<R> } {
  let last: ReadResult<R> = "wait";
  while (frames.at < CHUNK_BYTES) {
    last = source.next();
    if (last === "wait" || last === "end") break;
    frames.ensure(PREFIX_BYTES);
    const start = frames.at;
    frames.at += PREFIX_BYTES;
    encode(last, frames);
    const prefix = new DataView(frames.bytes.buffer, start, PREFIX_BYTES);
    prefix.setUint8(0, 0);
    prefix.setUint32(1, frames.at - start - PREFIX_BYTES);
  }
  return { chunk: frames.at === 0 ? undefined : frames.take(spare.pop()), last };
}
