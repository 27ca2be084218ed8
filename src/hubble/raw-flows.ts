import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Http2SessionManager } from "@connectrpc/connect-node";
import {
  type GetFlowsRequest,
  GetFlowsRequestSchema,
  type GetFlowsResponse,
  GetFlowsResponseSchema,
} from "../../proto/gen/observer_pb.js";

export const FLOWS_PATH = "/observer.Observer/GetFlows";
/** Field numbers of GetFlowsResponse. */
const FLOW = 1;
const TIME = 1001;
const PREFIX_BYTES = 5;

/** A GetFlowsResponse as it came: whoever passes it on needs to know when it was, and nothing more. */
export interface RawResponse {
  readonly bytes: Uint8Array;
  readonly time: Timestamp | undefined;
  readonly isFlow: boolean;
}

/** Finds what is needed of an encoded GetFlowsResponse. Throws when it is none. */
export function readRawResponse(bytes: Uint8Array): RawResponse {
  const reader = new BinaryReader(bytes);
  let time: Timestamp | undefined;
  let isFlow = false;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === TIME) time = readTimestamp(reader.bytes());
    else {
      isFlow ||= field === FLOW;
      reader.skip(wireType, field);
    }
  }
  return { bytes, time, isFlow };
}

function readTimestamp(bytes: Uint8Array): Timestamp {
  const time = create(TimestampSchema);
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) time.seconds = BigInt(reader.int64());
    else if (field === 2) time.nanos = reader.int32();
    else reader.skip(wireType, field);
  }
  return time;
}

/** A response of our own in the same form. */
export function rawResponse(response: GetFlowsResponse): RawResponse {
  const bytes = toBinary(GetFlowsResponseSchema, response);
  return { bytes, time: response.time, isFlow: response.responseTypes.case === "flow" };
}

/** Splits gRPC's frames out of a stream's chunks. Throws on a compressed one: none was asked for. */
async function* messages(stream: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= PREFIX_BYTES) {
      const end = at + PREFIX_BYTES + rest.readUInt32BE(at + 1);
      if (rest[at] !== 0) throw new ConnectError("a compressed flow, which was not asked for", Code.Internal);
      if (rest.length < end) break;
      yield rest.subarray(at + PREFIX_BYTES, end);
      at = end;
    }
    rest = rest.subarray(at);
  }
}

/**
 * Calls GetFlows of an observer and gives its responses undecoded: a relay that decoded and encoded each flow would do several
 * times the work of all else together. Rejects with a ConnectError, as the general client does.
 */
export async function* rawFlows(
  sessions: Http2SessionManager,
  request: GetFlowsRequest,
  signal: AbortSignal,
): AsyncGenerator<RawResponse> {
  const headers = { "content-type": "application/grpc+proto", te: "trailers" };
  const stream = await sessions.request("POST", FLOWS_PATH, headers, {});
  const abort = () => stream.close(8 /* CANCEL */);
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  const status = new Promise<Readonly<Record<string, unknown>>>((resolve) => {
    stream.on("response", (head) => {
      if (head["grpc-status"] !== undefined) resolve(head);
    });
    stream.on("trailers", resolve);
    stream.on("close", () => resolve({}));
  });
  try {
    const body = toBinary(GetFlowsRequestSchema, request);
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(body.length, 1);
    stream.end(Buffer.concat([prefix, body]));
    for await (const bytes of messages(stream)) yield readRawResponse(bytes);
    mustBeOk(await status);
  } catch (error) {
    throw ConnectError.from(error, Code.Unavailable);
  } finally {
    signal.removeEventListener("abort", abort);
    stream.close();
  }
}

function mustBeOk(trailers: Readonly<Record<string, unknown>>): void {
  const code = trailers["grpc-status"];
  if (code === "0") return;
  if (code === undefined) throw new ConnectError("the stream ended without a status", Code.Unavailable);
  throw new ConnectError(decodeURIComponent(String(trailers["grpc-message"] ?? "")), Number(code) as Code);
}
